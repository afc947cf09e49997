"""Makes everything that livepatch makes on disk, in a process with the umask of its parent."""

from __future__ import annotations

import string
import sys
from pathlib import Path

import livepatch as lp
from livepatch.history import journal
from livepatch.reach import demo
from livepatch.reach.folder import runtime_folder, socket_base
from livepatch.reach.install import install
from livepatch.reach.lab import attached_notebook
from livepatch.reach.webuis import choose


def shout(text):
    return text.upper()


def main(folder: Path) -> None:
    lp.attach("web")
    lp.replace("string.capwords", shout)
    assert string.capwords("a b") == "A B"
    journal.flush(30)
    print("short", socket_base(folder / ("x" * 90), "web-1").parent)
    install(folder / "webui", "web")
    attached_notebook(runtime_folder().parent, choose("web"))
    demo._working_copy()
    lp.export(folder, name="mine", flavor="plain")
    from jupyter_client import KernelManager

    manager = KernelManager(kernel_name="livepatch-web")
    manager.start_kernel()
    print("made", flush=True)
    input()
    manager.shutdown_kernel()
    lp.detach()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
