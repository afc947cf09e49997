"""``%config LivePatch``: what a notebook can choose."""

from __future__ import annotations

import sys
from typing import Any

from traitlets import Bool, HasTraits, validate

from livepatch.errors import HostUnsupported, LivepatchError
from livepatch.kernel import running_kernel


class _Applied:
    """What cannot be taken back in this process."""

    nest_asyncio = False


class NotebookSettings(HasTraits):
    """The settings of the magics."""

    nest_asyncio = Bool(
        False,
        help="In an ordinary notebook kernel: lets a cell call functions of the "
        "webui that call asyncio.run (pip install 'livepatch[notebook]').",
    ).tag(config=True)

    @validate("nest_asyncio")
    def _nest_asyncio(self, proposal: dict[str, Any]) -> bool:
        """Do what can be done; the trait says what holds then."""
        try:
            _nest_asyncio(proposal["value"])
        except LivepatchError as error:
            # Raised, %config would hand it to logging.error, which gives the process a handler.
            print("\n".join(error._render_traceback_()), file=sys.stderr)
        return _Applied.nest_asyncio


def _nest_asyncio(wanted: bool) -> None:
    asked = f"%config LivePatch.nest_asyncio = {wanted}"
    if wanted == _Applied.nest_asyncio:
        return
    if not wanted:
        raise LivepatchError(
            asked,
            "nest_asyncio has replaced parts of asyncio, and cannot undo that",
            "restart the kernel",
        )
    if running_kernel() is not None:
        raise HostUnsupported(
            asked,
            "this kernel lives in a webui's process, and nest_asyncio replaces asyncio's Task for "
            "the whole process",
            "await it on the webui's own loop: %%webui",
        )
    try:
        import nest_asyncio2  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError as error:
        raise LivepatchError(
            asked, f"{error.name} is not installed", "%pip install 'livepatch[notebook]'"
        ) from error
    nest_asyncio2.apply()
    _Applied.nest_asyncio = True
