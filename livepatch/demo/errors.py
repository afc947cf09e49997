"""Errors of extensions: reported on the console, never allowed to stop the webui."""

from __future__ import annotations

import sys
import traceback

from . import shared


def report(message: str) -> None:
    """Print the exception being handled, with what the webui was doing when it came."""
    print(f"*** {message}", file=sys.stderr)
    for line in traceback.format_exc().splitlines():
        print(f"    {line}", file=sys.stderr)
    sys.stderr.flush()
    shared.state.problems = [*shared.state.problems[-19:], message]
