"""Names of modules: the dotted name that leads to a module, and the module that one leads to.

What prints a target and what reads one both ask here, so what was printed can be typed. Webuis
load modules whose keys in ``sys.modules`` are paths of files, and some that have no key there at
all: who knows the webui names these (the event ``"modules"``).
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from ..changing.events import modules_named
from ..reading.namespaces import is_a, namespace_of


def loaded_module(name: str) -> ModuleType | None:
    """The loaded module of a name; ``server`` finds a ``server.py`` that runs as ``__main__``.

    A webui may load scripts that do not become entries of ``sys.modules``: it is asked for them.
    """
    module = sys.modules.get(name)
    if module is None:
        main = sys.modules.get("__main__")
        main_file = getattr(main, "__file__", None)
        if main_file and Path(main_file).stem == name:
            module = main
    if module is None:
        module = modules_named(name).get(name)
    return module if isinstance(module, ModuleType) else None


def is_dotted(name: object) -> bool:
    """Whether a text can be the name of a module in a target.

    Example:
        >>> is_dotted("os.path"), is_dotted("/webui/custom_nodes/pack"), is_dotted("a-b.c")
        (True, False, False)
    """
    return type(name) is str and name.replace(".", "").isidentifier()


def named_modules() -> dict[str, ModuleType]:
    """Every loaded module once, by the name that leads to it, in the order of loading.

    Example:
        >>> named_modules()["os"].__name__
        'os'
    """
    loaded = sys.modules.copy()
    names: dict[int, str] = {}
    others: dict[int, str] = {}
    for key, module in loaded.items():
        if type(key) is str and is_a(module, ModuleType) and id(module) not in names:
            own = namespace_of(module).get("__name__")
            name: Any = own if type(own) is str and loaded.get(own) is module else key
            if not is_dotted(name):
                name = others.setdefault(id(module), key)
            names[id(module)] = name
    known = modules_named()
    found = {id(module): name for name, module in reversed(known.items())}
    names = {one: found.get(one, name) if one in others else name for one, name in names.items()}
    modules = {id(module): module for module in (*loaded.values(), *known.values())}
    return {name: modules[one] for one, name in {**found, **names}.items()}


def name_of_module(module: ModuleType) -> str:
    """The dotted name that leads to a module; its own where none does.

    Example:
        >>> import os.path
        >>> name_of_module(os.path) in ("posixpath", "ntpath")
        True
    """
    own = namespace_of(module).get("__name__")
    if is_dotted(own) and sys.modules.get(own) is module:  # type: ignore[arg-type]
        return str(own)
    for name, known in modules_named().items():
        if known is module:
            return name
    keys = (key for key, known in sys.modules.copy().items() if known is module and is_dotted(key))
    return next(keys, str(own))


def module_of_thing(thing: Any) -> ModuleType | None:
    """The loaded module in which a function or class was defined; None where it is gone.

    Example:
        >>> import textwrap
        >>> module_of_thing(textwrap.dedent) is textwrap
        True
    """
    own_name = getattr(thing, "__module__", None)
    first = str(getattr(thing, "__qualname__", "")).partition(".")[0]
    found: Any = sys.modules.get(own_name) if type(own_name) is str else None
    if found is None:  # an extension's script; several may give themselves the same name
        names = thing.__globals__ if is_a(thing, FunctionType) else None
        for known in modules_named().values():
            has = namespace_of(known)
            if has is names or (names is None and first in has and has["__name__"] == own_name):
                return known
    return found if is_a(found, ModuleType) else None


def short_for(path: str) -> list[str]:
    """What a dotted name may stand for that begins with the own name of a pack or extension.

    Args:
        path: such as ``pack.Node.run``, where ``custom_nodes.pack`` is a module.

    Returns:
        Dotted names; whether they lead anywhere is not looked at.
    """
    pack, dot, rest = path.partition(".")
    if not dot:
        return []
    names = [name for name in modules_named() if name.split(".")[1:2] == [pack]]
    whole = [f"{name.partition('.')[0]}.{path}" for name in names]
    return list(dict.fromkeys([*whole, *(f"{name}.{rest}" for name in names)]))
