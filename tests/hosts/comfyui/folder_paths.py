"""Where things lie."""

import os

base_path = os.path.dirname(os.path.abspath(__file__))
data_path = os.environ.get("STAND_IN_DATA") or base_path
folder_names_and_paths = {"custom_nodes": ([os.path.join(data_path, "custom_nodes")], set())}


def get_folder_paths(name):
    return folder_names_and_paths[name][0][:]
