"""What the extension that ``livepatch install`` makes calls when its webui starts."""

from __future__ import annotations

import sys
from pathlib import Path

from livepatch.errors import LivepatchError

from .attach import attach, current
from .playground import watch_playground


class _Process:
    """What this process was told already."""

    attached = False


def attach_at_start(name: str, script: str | None = None) -> None:
    """Attach once in the life of this process; what goes wrong is one line on stderr.

    The files in the folder ``playground`` of the extension are run, now and whenever they are
    saved.

    "Reload UI" and the restarts of a UI run extensions again: a kernel that is there stays, and one
    that the user has taken out stays out.

    Args:
        name: the webui's name.
        script: the extension's script that calls.
    """
    if _Process.attached or current() is not None:
        return
    try:
        attachment = attach(name)
    except LivepatchError as error:
        reason = " ".join(error.found.split())
        print(f"livepatch: no kernel in this webui: {reason}; {error.advice}", file=sys.stderr)
    else:
        _Process.attached = True
        said = f"livepatch: open a notebook on this webui: livepatch lab {attachment.name}"
        print(said, flush=True)
        if script is not None:
            watch_playground(Path(script))
