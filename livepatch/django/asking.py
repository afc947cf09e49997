"""Finds the app that the user means, and checks that this process can change it."""

from __future__ import annotations

import asyncio
import difflib

from django.apps import apps as django_apps

from livepatch.errors import HostUnsupported, PatchRefused, TargetNotFound

from . import registry
from .serving import is_on_a_servers_stack


def check_process(asked: str) -> None:
    """Refuse where Django is not set up, or where waiting for requests would hold them up."""
    if not django_apps.ready:
        raise HostUnsupported(
            asked,
            "Django is not set up in this process: its apps are not loaded",
            "call it inside a running server, or after django.setup()",
        )
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    if is_on_a_servers_stack():
        raise PatchRefused(
            asked,
            "this runs on the server's own event loop, and would wait for requests that wait for "
            "that loop",
            "use a cell without %%webui; in an async view: await asyncio.to_thread(lp.django.…)",
        )


def loaded_under(path: str) -> str | None:
    """The label of the app that is loaded under a dotted name; None: there is none."""
    for label, config in registry.live().configs.items():
        cls = f"{type(config).__module__}.{type(config).__qualname__}"
        if path in (config.name, cls):
            return str(label)
    return None


def known(asked: str, name: str) -> str:
    """The label of the app that a name means.

    Raises:
        TargetNotFound: no such app is loaded.
    """
    configs = registry.live().configs
    if name in configs:
        return name
    found = loaded_under(name)
    if found is not None:
        return found
    near = difflib.get_close_matches(name, configs) or list(configs)
    raise TargetNotFound(
        asked,
        f"no app {name!r} is loaded; loaded: {', '.join(near)}",
        f"did you mean {near[0]}?" if len(near) < len(configs) else f"%django_app load {name}",
    )


def refuse_ourselves(asked: str, label: str) -> None:
    """Refuse apps without which the server could not go on."""
    name = registry.live().configs[label].name
    if name == "livepatch.django":
        raise PatchRefused(asked, "that is livepatch itself", "livepatch detach removes it")
    if name.startswith("django.contrib.contenttypes"):
        raise PatchRefused(
            asked, "Django keeps its registry of models in it", "restart the server for that"
        )
