"""From what the user gave, a text or a callable, to a patch that fits its target."""

from __future__ import annotations

import builtins
import functools
import inspect
import types
from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any

from .errors import PatchRefused
from .functions import clone
from .graft import graft
from .kinds import of_same_kind
from .layers import Patch
from .sources import place, source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType

    from .targets import Target


def patch_from_text(
    asked: str, text: str, target: Target, original: FunctionType, namespace: dict[str, Any]
) -> Patch:
    """A patch from a cell's text, compiled as if it stood in the target's place.

    Args:
        asked: the user's request in words.
        text: imports and one ``def``.
        target: the function to change.
        original: a function with the target's own code.
        namespace: the notebook's names.

    Raises:
        PatchRefused: the text is not one function of the target's kind.
    """
    grafted = graft(asked, text, target, original, namespace)
    function = of_same_kind(grafted.function, original, asked)
    return Patch(function, grafted.source, grafted.facts)


def patch_from_callable(
    asked: str, new: Callable[..., Any], target: Target, original: FunctionType
) -> Patch:
    """A patch from a function, or from anything that can be called.

    A function keeps its own globals and closure. Where it uses names that only the target's module
    has, or ``super()``, or private names of the class, its text is compiled again in the target's
    place.

    Raises:
        PatchRefused: it cannot be called, is not of the target's kind, or would call itself.
    """
    if not callable(new):
        raise PatchRefused(
            asked, f"the new code is a {type(new).__name__}, not a function", "give a function"
        )
    if isinstance(new, (staticmethod, classmethod)):
        new = new.__func__
    if new is target.function:
        raise PatchRefused(
            asked,
            f"the new code is the target itself ({place(new)})",
            "give another function; restore takes a change back",
        )
    if not isinstance(new, FunctionType):
        function = of_same_kind(_as_function(new), original, asked)
        return Patch(function, None, (f"calls {new!r}",))
    facts: tuple[str, ...] = ()
    source = source_of(new)
    if _needs_place(new, target, original):
        if source is None:
            raise PatchRefused(
                asked,
                f"it uses names of the target's place, and its source cannot be had ({place(new)})",
                "write it in a cell: %%replace " + target.path,
            )
        closure = dict(zip(new.__code__.co_freevars, new.__closure__ or (), strict=True))
        grafted = graft(
            asked,
            source,
            target,
            original,
            new.__globals__,
            closure={**closure, **_class_cell(target.owner_class)},
            namespace_first=True,
        )
        grafted.function.__defaults__ = new.__defaults__
        grafted.function.__kwdefaults__ = new.__kwdefaults__
        new, facts = grafted.function, (f"compiled in the place of {target.path}",)
    elif "__class__" in new.__code__.co_freevars and target.owner_class is not None:
        new = _in_class(new, target.owner_class)
    return Patch(of_same_kind(new, original, asked), source, facts)


def _needs_place(new: FunctionType, target: Target, original: FunctionType) -> bool:
    """Whether a function uses what only the target's place can give."""
    if target.owner_class is not None:
        names = set(_names(new.__code__))
        bare_super = "super" in names and "__class__" not in new.__code__.co_freevars
        private = any(n.startswith("__") and not n.endswith("__") for n in names)
        if bare_super or private:
            return True
    own, module = new.__globals__, original.__globals__
    return any(
        name in module and name not in own and not hasattr(builtins, name)
        for name in _global_names(new.__code__)
    )


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    yield from code.co_varnames
    for constant in code.co_consts:
        if inspect.iscode(constant):
            yield from _names(constant)


def _global_names(code: CodeType) -> set[str]:
    """The names that a code object reads as globals, as inspect.getclosurevars finds them."""
    import dis

    names = {
        str(instruction.argval)
        for instruction in dis.get_instructions(code)
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    for constant in code.co_consts:
        if inspect.iscode(constant):
            names |= _global_names(constant)
    return names


def _class_cell(owner_class: type | None) -> dict[str, CellType]:
    return {} if owner_class is None else {"__class__": types.CellType(owner_class)}


def _in_class(new: FunctionType, owner_class: type) -> FunctionType:
    """The function with ``super()`` meaning the target's class."""
    cells = dict(zip(new.__code__.co_freevars, new.__closure__ or (), strict=True))
    cells |= _class_cell(owner_class)
    return clone(new, tuple(cells.values()))


def _as_function(new: Callable[..., Any]) -> FunctionType:
    """A function that calls any callable: a builtin, a partial, a bound method, an instance."""
    if inspect.iscoroutinefunction(new):

        async def call_coroutine(*args: Any, **kwargs: Any) -> Any:
            return await new(*args, **kwargs)

        return call_coroutine  # type: ignore[return-value]  # a def is a FunctionType

    def call(*args: Any, **kwargs: Any) -> Any:
        return new(*args, **kwargs)

    wrapper = call
    if isinstance(new, functools.partial) and inspect.isgeneratorfunction(new.func):

        def call_generator(*args: Any, **kwargs: Any) -> Any:
            return (yield from new(*args, **kwargs))

        wrapper = call_generator
    return wrapper  # type: ignore[return-value]  # a def is a FunctionType
