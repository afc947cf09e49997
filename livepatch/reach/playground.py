"""The folder in the extension of ``livepatch install`` whose files are run and watched."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from livepatch.errors import LivepatchError

if TYPE_CHECKING:
    from pathlib import Path

PLAYGROUND = "playground"


def watch_playground(script: Path) -> None:
    """Watch the folder, where there is one.

    Args:
        script: the extension's script that the webui has run.
    """
    folder = next((f for f in script.absolute().parents[:2] if os.path.isdir(f / PLAYGROUND)), None)
    if folder is None:
        return
    from livepatch.watching.watches import not_watched, watch

    playground = folder / PLAYGROUND
    try:
        watched = watch(playground)
    except LivepatchError as error:
        reason = f"{error.found}; {error.advice}"
        print(f"livepatch: {playground} is not watched: {reason}", file=sys.stderr)
        not_watched(playground, reason)  # a notebook does not see what the terminal does
    else:
        if watched.files:
            print(f"livepatch: watching {playground}", flush=True)
