"""Lists who implements what: receivers of signals, pluggy hooks, entry points."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.looking.callables import name_of, place_of

from .building import ENTRY_POINTS
from .hooks import all_signals, receiver_of
from .naming import belongs
from .report import Implementation, implementations_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from livepatch.reports import Report


def implementations(app: str | None = None) -> Report[Implementation]:
    """Who implements what in this server: signals, pluggy hooks, entry points, with ``file:line``.

    Args:
        app: the label or the dotted name of an app, to see only what is its.

    Returns:
        A sequence of rows, each with ``kind``, ``point``, ``name``, ``app`` and ``place``.

    Example:
        >>> import livepatch as lp
        >>> lp.django.implementations("blog")  # doctest: +SKIP
        Who implements what
        kind    point                                what        app   where
        signal  django.db.models.signals.post_save   note_saved  blog  /srv/blog/signals.py:12
    """
    packages = _packages()
    rows = [
        Implementation(kind, point, name, _app_of(module, packages), place)
        for kind, point, name, module, place in (*_receivers(), *_hooks(), *_entry_points())
    ]
    wanted = {app, *(label for name, label in packages.items() if name == app)}
    return implementations_table([row for row in rows if app is None or row.app in wanted])


Found = tuple[str, str, str, str, str]


def _receivers() -> Iterator[Found]:
    for point, signal in all_signals().items():
        for entry in list(signal.receivers):
            receiver = receiver_of(entry)
            if receiver is not None:
                module = str(getattr(receiver, "__module__", ""))
                yield "signal", point, name_of(receiver), module, place_of(receiver)


def _hooks() -> Iterator[Found]:
    """The implementations of every plugin manager that a loaded module names."""
    manager_class = getattr(sys.modules.get("pluggy"), "PluginManager", None)
    if manager_class is None:
        return
    seen: set[int] = set()
    for module in list(sys.modules.values()):
        for value in list(getattr(module, "__dict__", {}).values()):
            if not issubclass(type(value), manager_class) or id(value) in seen:
                continue
            seen.add(id(value))
            for name in sorted(vars(value.hook)):
                for found in getattr(value.hook, name).get_hookimpls():
                    point = f"{value.project_name}.{name}"
                    function: Any = found.function
                    yield (
                        "pluggy hook",
                        point,
                        name_of(function),
                        function.__module__,
                        place_of(function),
                    )


def _entry_points() -> Iterator[Found]:
    """Those of installed distributions whose modules belong to an app, and those that offer one."""
    every = [found for one in metadata.distributions() for found in one.entry_points]
    for found in every:
        module = found.value.partition(":")[0]
        offers = found.group == ENTRY_POINTS
        if not offers and not any(belongs(module, name) for name in _packages()):
            continue
        loaded = sys.modules.get(module)
        file = getattr(loaded, "__file__", None)
        place = str(Path(file)) if file else f"{found.value} (not loaded)"
        yield "entry point", found.group, found.name, module, place


def _packages() -> dict[str, str]:
    from django.apps import apps

    return {config.name: label for label, config in apps.app_configs.items()}


def _app_of(module: str, packages: dict[str, str]) -> str:
    mine = [name for name in packages if belongs(module, name)]
    return packages[max(mine, key=len)] if mine else module.partition(".")[0]
