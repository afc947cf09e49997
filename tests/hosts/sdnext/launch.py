"""Starts a stand-in of SD.Next: a registry without names, scripts that no page has drawn are passed
by, output of scripts is swallowed while they load, paths of extensions are relative.

The contract was run against SD.Next of 2025-03 as well.
"""

import os
import sys
from pathlib import Path

STAND_INS = Path(__file__).parent.parent
sys.path.insert(1, str(STAND_INS / "a1111"))
os.chdir(STAND_INS / "a1111")  # where its extensions lie

import installer  # noqa: E402, F401
import modules  # noqa: E402

modules.__path__[:0] = [
    str(STAND_INS / "sdnext" / "modules"),
    str(STAND_INS / "forge_classic" / "modules"),
]

from modules import loader, webui  # noqa: E402, F401

if __name__ == "__main__":
    webui.main()
