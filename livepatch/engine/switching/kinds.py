"""The kind of a function: what a call of it answers.

Whoever stored a function (FastAPI, Gradio, an ``await``) decided by its kind how to call it, so a
replacement is of the same kind.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Literal

from ..errors import PatchRefused
from ..reading.sources import place
from .state import clone

if TYPE_CHECKING:
    from types import CodeType, FunctionType

Kind = Literal["plain function", "generator", "coroutine", "async generator"]

_SUSPENDS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
KIND_FLAGS = _SUSPENDS | inspect.CO_ITERABLE_COROUTINE
_KINDS: dict[int, Kind] = {  # a dictionary: it is asked for eleven times at each change
    0: "plain function",
    inspect.CO_GENERATOR: "generator",
    inspect.CO_COROUTINE: "coroutine",
    inspect.CO_ASYNC_GENERATOR: "async generator",
}

_HOW_TO_WRITE: dict[Kind, str] = {
    "plain function": "def, without yield",
    "generator": "def, with yield",
    "coroutine": "async def, without yield",
    "async generator": "async def, with yield",
}


def kind_of(code: CodeType) -> Kind:
    """The kind that a code object's flags name.

    Example:
        >>> async def fetch(): ...
        >>> kind_of(fetch.__code__)
        'coroutine'
    """
    return _KINDS[code.co_flags & _SUSPENDS]


def of_same_kind(new: FunctionType, old: FunctionType, asked: str) -> FunctionType:
    """``new`` itself, or bridged to the kind of ``old`` where that is possible.

    A plain function can stand for a coroutine: its result, awaited where it can be, is the answer.

    Raises:
        PatchRefused: the kinds differ.
    """
    check_kind(new.__code__, old, asked)
    if kind_of(new.__code__) != kind_of(old.__code__):
        return _awaitable(new)
    # A generator that types.coroutine() made awaitable says so by a flag of its code.
    awaitable = old.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE
    if awaitable and not new.__code__.co_flags & awaitable:
        new = clone(new)  # the user's own stays as it is
        new.__code__ = new.__code__.replace(co_flags=new.__code__.co_flags | awaitable)
    return new


def check_kind(new: CodeType, old: FunctionType, asked: str) -> None:
    """Raise ``PatchRefused`` where code of one kind cannot stand for a function of another."""
    new_kind, old_kind = kind_of(new), kind_of(old.__code__)
    if new_kind == old_kind or (new_kind, old_kind) == ("plain function", "coroutine"):
        return
    raise PatchRefused(
        asked,
        f"the original is a {old_kind} ({place(old)}), the new code is a {new_kind} "
        f"({place(new)}); callers chose how to call it by its kind",
        f"write the new code as a {old_kind}: {_HOW_TO_WRITE[old_kind]}",
    )


def _awaitable(function: FunctionType) -> FunctionType:
    @functools.wraps(function)
    async def bridge(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    return bridge  # type: ignore[return-value]  # functools.wraps hides that it is a function
