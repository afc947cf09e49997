"""What is meant: from a dotted name to the one function that a change is about.

Names are looked up among the modules that the webui has loaded. Nothing is imported, and no
attribute is computed: a property is seen as a property.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any, NoReturn

from .errors import PatchRefused, TargetNotFound
from .sources import place

_NOWHERE = object()


@dataclass(frozen=True, eq=False)
class Target:
    """The one function that a change is about.

    Attributes:
        path: its dotted name, as answers show it.
        function: the function object, below all descriptors and decorators.
        owner_class: the class in whose body it was written, if any.
        facts: what the answer has to say of the way to it: decorators that stay, another name.
    """

    path: str
    function: FunctionType
    owner_class: type | None = None
    facts: tuple[str, ...] = ()


def find(asked: str, target: object, attribute: object = None) -> Target:
    """The function that a user means.

    Args:
        asked: the user's request in words, the first line of an error.
        target: a dotted name; or the function itself; or a module or class.
        attribute: with a module or class as target: its function, or the function's name.

    Raises:
        TargetNotFound: no such name.
        PatchRefused: what has that name cannot be changed as a function.

    Example:
        >>> import textwrap
        >>> find("replace textwrap.dedent", "textwrap.dedent").function is textwrap.dedent
        True
    """
    if attribute is not None:
        return _of_pair(asked, target, attribute)
    if isinstance(target, str):
        return _of_path(asked, target)
    if isinstance(target, MethodType) and not isinstance(target.__self__, type):
        raise PatchRefused(
            asked,
            f"a method of one instance of {type(target.__self__).__name__} ({place(target)})",
            f"name the function itself to change it for all instances: {dotted_name(target)!r}",
        )
    return _of_object(asked, dotted_name(target), target)


def leads_to(path: str, function: FunctionType) -> bool:
    """Whether a dotted name leads to this function now."""
    try:
        return _of_path("", path).function is function
    except (TargetNotFound, PatchRefused):
        return False


def dotted_name(thing: object) -> str:
    """The dotted name that a function or class gives itself.

    Example:
        >>> dotted_name(dotted_name).rpartition(".")[2]
        'dotted_name'
    """
    thing = inspect.unwrap(thing) if callable(thing) else thing
    thing = getattr(thing, "__func__", thing)
    module = getattr(thing, "__module__", None)
    name = getattr(thing, "__qualname__", None) or type(thing).__name__
    return f"{module}.{name}" if module else str(name)


def loaded_module(name: str) -> ModuleType | None:
    """The loaded module of a name; ``server`` finds a ``server.py`` that runs as ``__main__``."""
    module = sys.modules.get(name)
    if module is None:
        main = sys.modules.get("__main__")
        main_file = getattr(main, "__file__", None)
        if main_file and Path(main_file).stem == name:
            module = main
    return module if isinstance(module, ModuleType) else None


def _of_pair(asked: str, holder: object, attribute: object) -> Target:
    if not isinstance(holder, (ModuleType, type)):
        raise PatchRefused(
            asked,
            f"the first of two arguments is a {type(holder).__name__}, not a module or class",
            "give a dotted name, or module and function",
        )
    name = attribute if isinstance(attribute, str) else getattr(attribute, "__name__", None)
    prefix = holder.__name__ if isinstance(holder, ModuleType) else dotted_name(holder)
    value = _static(holder, name)[0] if name else _NOWHERE
    if isinstance(attribute, str):
        return _of_path(asked, f"{prefix}.{attribute}")
    same = value is not _NOWHERE and _peel(value, name)[0] is _peel(attribute, name)[0]
    path = f"{prefix}.{name}" if same else dotted_name(attribute)
    return _of_object(asked, path, value if same else attribute)


def _of_path(asked: str, path: str) -> Target:
    holder, name = _walk(asked, path)
    if not isinstance(holder, (ModuleType, type)):
        raise PatchRefused(
            asked,
            f"{path.rpartition('.')[0]} is an instance of {type(holder).__name__}",
            f"name the function of its class: {dotted_name(type(holder))}.{name}",
        )
    value, found_in = _static(holder, name)
    if value is _NOWHERE:
        _not_found(asked, path, holder, name)
    if isinstance(holder, type) and found_in is not holder:
        raise PatchRefused(
            asked,
            f"{holder.__name__} inherits {name} from {dotted_name(found_in)} ({place(found_in)})",
            f"change it there, for all subclasses: {dotted_name(found_in)}.{name}",
        )
    owner_class = holder if isinstance(holder, type) else None
    return _of_object(asked, path, value, owner_class)


def _of_object(asked: str, path: str, value: object, owner_class: type | None = None) -> Target:
    name = path.rpartition(".")[2]
    innermost, facts = _peel(value, name)
    if not isinstance(innermost, FunctionType):
        raise PatchRefused(asked, f"{path} is {_what_is(innermost)}", _what_instead(innermost))
    own_name = dotted_name(innermost)
    if "<locals>" not in own_name and own_name != path and not facts:
        facts = (f"it is {own_name}",)
    return Target(path, innermost, _class_of(innermost) or owner_class, facts)


def _peel(value: object, name: str | None) -> tuple[object, tuple[str, ...]]:
    """What lies below descriptors and decorators, and the decorators that stay around it."""
    facts: list[str] = []
    seen: set[int] = set()
    while id(value) not in seen:
        seen.add(id(value))
        below = _below(value, name)
        if below is None:
            break
        if isinstance(value, FunctionType):
            facts.append(f"the decorator at {place(value)} stays around it")
        value = below
    return value, tuple(facts)


def _below(value: object, name: str | None) -> object | None:
    if isinstance(value, (staticmethod, classmethod, MethodType)):
        return value.__func__
    if isinstance(value, property):
        return value.fget
    if isinstance(value, (functools.cached_property, functools.partialmethod)):
        return value.func
    if not isinstance(value, FunctionType):
        return None
    if "__wrapped__" in value.__dict__:
        return value.__dict__["__wrapped__"]  # type: ignore[no-any-return]
    if name and value.__name__ != name:
        # A decorator without functools.wraps: the one function of our name that it closes over.
        named = [
            cell.cell_contents for cell in value.__closure__ or () if _is_function_named(cell, name)
        ]
        return named[0] if len(named) == 1 else None
    return None


def _is_function_named(cell: Any, name: str) -> bool:
    try:
        content = cell.cell_contents
    except ValueError:  # the cell is empty
        return False
    return isinstance(content, FunctionType) and content.__name__ == name


def _walk(asked: str, path: str) -> tuple[object, str]:
    """The holder of the last name of a path, and that name."""
    parts = path.split(".")
    if not all(part.isidentifier() for part in parts):
        raise TargetNotFound(
            asked,
            f"{path!r} is not a dotted name",
            "write it as package.module.function or package.module.Class.method",
        )
    for length in range(len(parts) - 1, 0, -1):
        module = loaded_module(".".join(parts[:length]))
        if module is not None:
            break
    else:
        _no_module(asked, path)
    holder: object = module
    for position in range(length, len(parts) - 1):
        value = _static(holder, parts[position])[0]
        if value is _NOWHERE:
            _not_found(asked, ".".join(parts[: position + 1]), holder, parts[position])
        holder = value
    return holder, parts[-1]


def _static(holder: object, name: str) -> tuple[Any, Any]:
    """An attribute as it stands in a namespace, not computed, and the holder it stands in."""
    if isinstance(holder, type):
        for ancestor in holder.__mro__:
            if name in ancestor.__dict__:
                return ancestor.__dict__[name], ancestor
        return _NOWHERE, holder
    return getattr(holder, "__dict__", {}).get(name, _NOWHERE), holder


def _class_of(function: FunctionType) -> type | None:
    """The class in whose body a function was written, found by the name it gives itself."""
    *classes, _ = function.__qualname__.split(".")
    holder: Any = sys.modules.get(function.__module__ or "")
    for name in classes:
        holder = getattr(holder, "__dict__", {}).get(name)
    return holder if classes and isinstance(holder, type) else None


def _no_module(asked: str, path: str) -> NoReturn:
    module_name, _, name = path.rpartition(".")
    loaded = sorted(sys.modules)
    if not module_name:
        near = _having(path)
        found = f"{path!r} names no module; a target is written package.module.function"
    else:
        first = module_name.partition(".")[0]
        found = f"no module {first!r} is loaded in this webui, and nothing is imported for a patch"
        endings = [m for m in loaded if m.endswith(f".{module_name}")]
        near = [f"{m}.{name}" for m in endings if name in getattr(sys.modules[m], "__dict__", ())]
        near = near or _having(name) or difflib.get_close_matches(module_name, loaded)
    raise TargetNotFound(asked, found, _did_you_mean(near, "load the module in the webui first"))


def _having(name: str) -> list[str]:
    """Dotted names in the loaded modules that end in ``name``, where it is defined."""
    found = []
    for module_name, module in sorted(sys.modules.copy().items()):  # others import meanwhile
        value = getattr(module, "__dict__", {}).get(name)
        if isinstance(value, (FunctionType, type)) and value.__module__ == module_name:
            found.append(f"{module_name}.{name}")
    return found


def _not_found(asked: str, path: str, holder: object, name: str) -> NoReturn:
    prefix = path.rpartition(".")[0]
    kind = "module" if isinstance(holder, ModuleType) else "class"
    names = [key for key in dir(holder) if not key.startswith("__")]
    near = [f"{prefix}.{n}" for n in difflib.get_close_matches(name, names)] or _having(name)[:3]
    raise TargetNotFound(
        asked,
        f"{kind} {prefix} ({place(holder)}) has no {name!r}",
        _did_you_mean(near, f"look at what it has: dir({prefix})"),
    )


def _did_you_mean(near: list[str], otherwise: str) -> str:
    return f"did you mean {' or '.join(near[:3])}?" if near else otherwise


def _what_is(value: object) -> str:
    if inspect.isbuiltin(value) or inspect.ismethoddescriptor(value):
        return "built in (written in C): there is no Python code to change"
    if isinstance(value, type):
        return f"a class ({place(value)})"
    if isinstance(value, ModuleType):
        return f"a module ({place(value)})"
    if callable(value):
        return f"a callable instance of {dotted_name(type(value))} ({place(type(value))})"
    text = repr(value)
    shown = text if len(text) <= 40 else f"{text[:39]}…"
    return f"a value of type {type(value).__name__} ({shown}), not a function"


def _what_instead(value: object) -> str:
    if isinstance(value, type):
        return f"name one of its methods: {dotted_name(value)}.method"
    if isinstance(value, ModuleType):
        return f"name one of its functions: {value.__name__}.function"
    if callable(value) and not inspect.isroutine(value):
        return f"change the method that is called: {dotted_name(type(value))}.__call__"
    return "name a function or a method that is written in Python"
