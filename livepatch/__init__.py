"""Change a running webui from a notebook, and put it back exactly."""

from __future__ import annotations

from livepatch.authoring.export import export
from livepatch.authoring.lint.lint import lint
from livepatch.authoring.watching import watch
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
from livepatch.history import journal, redo, undo
from livepatch.hosts.callbacks import callbacks, hooks
from livepatch.hosts.detect import host
from livepatch.hosts.events import events
from livepatch.hosts.inventory import extensions
from livepatch.hosts.middleware import middleware
from livepatch.hosts.routes import routes
from livepatch.hosts.timing import timing
from livepatch.magics import load_ipython_extension, unload_ipython_extension
from livepatch.reach.attach import attach, detach
from livepatch.reports import foreign, patches

__version__ = "0.1.0"

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


def __getattr__(name: str) -> object:
    """``lp.django``, imported when it is asked for: Django is an extra."""
    if name != "django":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    try:
        return importlib.import_module("livepatch.django")
    except ImportError as error:
        raise HostUnsupported(
            "lp.django",
            f"{error}: there is no Django in this process's environment",
            "pip install 'livepatch[django]'",
        ) from error
