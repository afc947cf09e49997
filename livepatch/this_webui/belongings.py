"""What of a webui's own data is an extension's, whoever has loaded it: told by its files."""

from __future__ import annotations

import os
import sys
from pathlib import PurePath
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from livepatch.engine import live_layers
from livepatch.engine.naming.slots import ABSENT
from livepatch.looking.callables import file_of, undecorated
from livepatch.registries.containers import (
    InAttribute,
    InDict,
    InList,
    InSet,
    is_module_of,
    names_of,
)
from livepatch.web.routes.kinds import endpoint_of, inner_router, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from livepatch.adapters.loader import Loader, Loading
    from livepatch.registries.containers import Put


def belongings(loader: Loader, own: Loading) -> list[Put]:
    """What an extension has in the webui's data.

    What it assigned to names of the webui is not told by files.

    Args:
        loader: the flavor's.
        own: the extension.
    """
    modules = modules_of(own)
    puts: list[Put] = []

    def is_its(where: str, item: Any, key: Any = None) -> bool:
        thing = loader.own_thing(item)
        return _is_of(thing, own, key, modules) or loader.is_named(where, key, item, own)

    for where, container in loader.containers().items():
        if container is sys.modules:
            found = [(key, sys.modules.get(key)) for key in modules]
            puts += [InDict(where, module, key) for key, module in found if module is not None]
        elif isinstance(container, dict):
            puts += [
                InDict(where, item, key)
                for key, item in list(container.items())
                if is_its(where, item, key)
            ]
        elif isinstance(container, list):
            previous: Any = ABSENT
            for item in list(container):
                if is_its(where, item):
                    puts.append(InList(where, item, previous))
                previous = item
        else:
            puts += [InSet(where, item) for item in set(container) if is_its(where, item)]
    return without_ours([*puts, *loader.more(own)])


def without_ours(puts: Iterable[Put]) -> list[Put]:
    """Without what livepatch itself put there for the extension: that has changes of its own."""
    ours = {id(getattr(layer, "item", layer)) for layer in live_layers()}
    return [put for put in puts if id(put.item) not in ours and not _is_a_trampoline(put)]


def modules_of(own: Loading) -> set[str]:
    """The names of the loaded modules that are an extension's."""
    present = sys.modules.copy().items()
    return {name for name, module in present if is_module_of(module, own.belongs)}


def _is_a_trampoline(put: Put) -> bool:
    return isinstance(put, InAttribute) and hasattr(put.item, "__livepatch__")


def _is_of(item: Any, own: Loading, key: Any, modules: set[str]) -> bool:
    """Whether something in the webui's data is of an extension's files."""
    kind = type(item)
    if issubclass(kind, ModuleType):
        return is_module_of(item, own.belongs)
    if issubclass(kind, type):
        return names_of(item).get("__module__") in modules
    if issubclass(kind, str):
        return isinstance(key, str) and os.path.isabs(item) and own.belongs(item)
    if kind_of(item) != "other" or hasattr(item, "handler"):
        return _answers(item, own)
    for name in ("script", "path", "filename"):
        file = getattr(item, name, None)
        if isinstance(file, (str, PurePath)) and str(file):
            return own.belongs(str(file))
    code = getattr(item, "__code__", None)
    return isinstance(code, CodeType) and own.belongs(code.co_filename)


def _answers(route: Any, own: Loading) -> bool:
    """Whether an extension answers the requests of a route: its function, files or routes do."""
    inner = getattr(inner_router(route), "routes", None)
    if isinstance(inner, list) and inner:
        return all(_answers(one, own) for one in inner)
    endpoint = getattr(route, "handler", None) or endpoint_of(route)
    files = [
        file_of(endpoint),
        file_of(undecorated(endpoint)),
        getattr(endpoint, "directory", None),
    ]
    return any(isinstance(f, (str, PurePath)) and own.belongs(str(f)) for f in files)
