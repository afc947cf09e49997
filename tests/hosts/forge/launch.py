"""Starts a stand-in of Forge: A1111's registry, the webui in a thread, work on models on the main
thread. The same structures were seen in Forge f2.0.1.
"""

import sys
import threading
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parent.parent / "a1111"))

import backend  # noqa: F401
from modules import webui
from modules_forge import forge_version, main_thread  # noqa: F401

if __name__ == "__main__":
    threading.Thread(target=webui.main, name="webui_worker", daemon=True).start()
    main_thread.loop()
