"""A stand-in of text-generation-webui, written from its documented behaviour: `python server.py`.

The same names and data structures, no code of the webui; compared with its state of 2026-05, which
passes the same contract suite. Without its page: as when it is started with `--nowebui --api`.
"""

import argparse
import threading
from pathlib import Path

import modules.shared as shared
from modules import extensions as extensions_module


def available_extensions():
    folders = [Path("extensions"), shared.user_data_dir / "extensions"]
    found = {path.parent.name for folder in folders for path in folder.glob("*/script.py")}
    return sorted(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--extensions", nargs="*", default=[])
    parser.add_argument("--user-data-dir", type=Path, default=shared.user_data_dir)
    shared.args = parser.parse_args()
    shared.user_data_dir = shared.args.user_data_dir
    extensions_module.available_extensions = available_extensions()
    shared.generation_lock = threading.Lock()
    extensions_module.load_extensions()
    from modules.api.script import setup

    setup()
