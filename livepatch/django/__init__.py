"""Loads, reloads, disables and unloads apps of a running Django server.

``INSTALLED_APPS += ["livepatch.django"]`` attaches a kernel when the server starts; the verbs work
without it too, in any process where Django is set up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.engine.on_demand import on_demand
from livepatch.errors import HostUnsupported

if TYPE_CHECKING:
    from .caches import unknown_caches
    from .listing import apps
    from .looking import implementations
    from .verbs import AppLayer, disable_app, enable_app, load_app, reload_app, unload_app

__all__ = [
    "AppLayer",
    "apps",
    "disable_app",
    "enable_app",
    "implementations",
    "load_app",
    "reload_app",
    "unknown_caches",
    "unload_app",
]

_HOMES = {
    ".caches": ("unknown_caches",),
    ".listing": ("apps",),
    ".looking": ("implementations",),
    ".verbs": ("AppLayer", "disable_app", "enable_app", "load_app", "reload_app", "unload_app"),
}
_from_home = on_demand(__name__, _HOMES)


def __getattr__(name: str) -> object:
    """A verb: Django is imported for it, which is an extra."""
    try:
        return _from_home(name)
    except ImportError as error:
        raise HostUnsupported(
            f"lp.django.{name}",
            f"{error}: there is no Django in this process's environment",
            "pip install 'livepatch[django]'",
        ) from error
