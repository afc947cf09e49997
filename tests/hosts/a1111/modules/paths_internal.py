"""Where the webui and its extensions lie."""

import os
import sys

script_path = os.path.dirname(os.path.abspath(sys.modules["__main__"].__file__))
data_path = os.environ.get("STAND_IN_DATA") or script_path
extensions_dir = os.path.join(data_path, "extensions")
extensions_builtin_dir = os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "extensions-builtin"
)
