"""Loads, reloads, disables and unloads apps of a running Django server.

``INSTALLED_APPS += ["livepatch.django"]`` attaches a kernel when the server starts; the verbs work
without it too, in any process where Django is set up.
"""

from __future__ import annotations

# Django looks for an AppConfig in a submodule `apps`; imported first, it leaves the verb its name.
from . import apps as _config  # noqa: F401
from .caches import unknown_caches
from .layer import AppLayer
from .looking import implementations
from .verbs import apps, disable_app, enable_app, load_app, reload_app, unload_app

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
