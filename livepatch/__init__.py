"""Change a running webui from a notebook, and put it back exactly.

The front door: each name is imported when it is asked for first. With the first of them comes what
takes changes back, the engine and its journal, so that nothing has to be imported for that.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING

from livepatch.engine.on_demand import on_demand
from livepatch.own_version import VERSION

if TYPE_CHECKING:
    from livepatch.engine import (
        Layer,
        adopt,
        after,
        before,
        filter_args,
        filter_result,
        replace,
        restore,
        restore_all,
        transaction,
        wrap,
    )
    from livepatch.errors import (
        AttachFailed,
        ExportRefused,
        FileNotTrusted,
        ForeignChange,
        HostUnsupported,
        KernelSilent,
        LivepatchError,
        NotAttached,
        PatchRefused,
        TargetNotFound,
        WebuiAmbiguous,
        WebuiNotFound,
    )
    from livepatch.exporting.export import export
    from livepatch.history.journal import journal, redo, undo
    from livepatch.linting.lint import lint
    from livepatch.notebook import load_ipython_extension, unload_ipython_extension
    from livepatch.reach.attach import attach, detach
    from livepatch.reports.layers import patches
    from livepatch.reports.others import foreign
    from livepatch.this_webui.callbacks import callbacks, hooks
    from livepatch.this_webui.detect import host
    from livepatch.this_webui.events import events
    from livepatch.this_webui.inventory import extensions
    from livepatch.this_webui.middleware import middleware
    from livepatch.this_webui.routes import routes
    from livepatch.this_webui.timing import timing
    from livepatch.watching.watches import watch

__version__ = VERSION

__all__ = [
    "AttachFailed",
    "ExportRefused",
    "FileNotTrusted",
    "ForeignChange",
    "HostUnsupported",
    "KernelSilent",
    "Layer",
    "LivepatchError",
    "NotAttached",
    "PatchRefused",
    "TargetNotFound",
    "WebuiAmbiguous",
    "WebuiNotFound",
    "adopt",
    "after",
    "attach",
    "before",
    "callbacks",
    "detach",
    "events",
    "export",
    "extensions",
    "filter_args",
    "filter_result",
    "foreign",
    "hooks",
    "host",
    "journal",
    "lint",
    "load_ipython_extension",
    "middleware",
    "patches",
    "redo",
    "replace",
    "restore",
    "restore_all",
    "routes",
    "timing",
    "transaction",
    "undo",
    "unload_ipython_extension",
    "watch",
    "wrap",
]

_HOMES: dict[str, tuple[str, ...]] = {
    "livepatch.exporting.export": ("export",),
    "livepatch.linting.lint": ("lint",),
    "livepatch.watching.watches": ("watch",),
    "livepatch.engine": (
        "Layer",
        "adopt",
        "after",
        "before",
        "filter_args",
        "filter_result",
        "replace",
        "restore",
        "restore_all",
        "transaction",
        "wrap",
    ),
    "livepatch.history.journal": (
        "journal",
        "redo",
        "undo",
    ),
    "livepatch.this_webui.callbacks": (
        "callbacks",
        "hooks",
    ),
    "livepatch.this_webui.detect": ("host",),
    "livepatch.this_webui.events": ("events",),
    "livepatch.this_webui.inventory": ("extensions",),
    "livepatch.this_webui.middleware": ("middleware",),
    "livepatch.this_webui.routes": ("routes",),
    "livepatch.this_webui.timing": ("timing",),
    "livepatch.notebook": (
        "load_ipython_extension",
        "unload_ipython_extension",
    ),
    "livepatch.reach.attach": (
        "attach",
        "detach",
    ),
    "livepatch.reports.others": ("foreign",),
    "livepatch.reports.layers": ("patches",),
}
_HOMES["livepatch.errors"] = tuple({*__all__}.difference(*_HOMES.values()))  # all the others
_from_home = on_demand(__name__, _HOMES)


def __getattr__(name: str) -> object:
    """A public name, from the module that it is at home in; or a room of the package."""
    if name not in __all__:
        return _room(name)
    if name not in _HOMES["livepatch.errors"]:
        importlib.import_module("livepatch.history")
    return _from_home(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _room(name: str) -> object:
    """``lp.errors``, ``lp.django`` and the like."""
    room = f"{__name__}.{name}"
    if name.startswith("_") or importlib.util.find_spec(room) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(room)
