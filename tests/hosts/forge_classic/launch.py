"""Starts a stand-in of forge-classic: a registry without names and without a cached order.

The contract was run against forge-classic of 2025-02 as well.
"""

import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parent.parent / "a1111"))

import ldm_patched  # noqa: F401
import modules

modules.__path__.insert(0, str(Path(__file__).parent / "modules"))

from modules import webui  # noqa: E402
from modules_forge import forge_version  # noqa: E402, F401

if __name__ == "__main__":
    webui.main()
