"""The kind of a function: plain, generator, coroutine or async generator.

Whoever stored a function (FastAPI, Gradio, an ``await``) decided by its kind how to call it, so a
replacement is of the same kind.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Literal

from ..errors import PatchRefused
from ..reading.sources import place
from .running import NOTHING, runner_of
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


def of_same_kind(
    new: FunctionType, old: FunctionType, asked: str, *, wraps: bool = False
) -> FunctionType:
    """``new`` itself, or bridged to the kind of ``old`` where that is possible.

    A plain function can stand for a coroutine: its result, awaited where it can be, is the answer.
    A plain wrapper can stand for any kind: it passes on what its ``original`` answered.

    Raises:
        PatchRefused: the kinds differ.
    """
    if kind_of(new.__code__) != kind_of(old.__code__):
        check_kind(new.__code__, old, asked, wraps=wraps)
        return _bridged(new, old.__code__)
    # A generator that types.coroutine() made awaitable says so by a flag of its code.
    awaitable = old.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE
    if awaitable and not new.__code__.co_flags & awaitable:
        new = clone(new)  # the user's own stays as it is
        new.__code__ = new.__code__.replace(co_flags=new.__code__.co_flags | awaitable)
    return new


def check_kind(new: CodeType, old: FunctionType, asked: str, *, wraps: bool = False) -> None:
    """Raise ``PatchRefused`` where code of one kind cannot stand for a function of another."""
    new_kind, old_kind = kind_of(new), kind_of(old.__code__)
    if new_kind == old_kind or (
        new_kind == "plain function" and (wraps or old_kind == "coroutine")
    ):
        return
    what = "wrapper" if wraps else "new code"
    raise PatchRefused(
        asked,
        f"the original is {_a(old_kind)} ({place(old)}), the {what} is {_a(new_kind)} "
        f"({place(new)}); its callers rely on that kind",
        f"write the {what} as {_a(old_kind)}: {_HOW_TO_WRITE[old_kind]}",
    )


def check_hook(verb: str, hook: CodeType, old: FunctionType, asked: str) -> None:
    """Raise ``PatchRefused`` where a hook of this kind would never run, or its answer be useless.

    Around what is awaited, its answer is awaited. What a filter makes of a result may be a
    generator.
    """
    kind, old_kind = kind_of(hook), kind_of(old.__code__)
    fitting = {"plain function"}
    if old_kind in ("coroutine", "async generator"):
        fitting.add("coroutine")
    if verb == "filter_result":
        fitting.add("generator")
    if kind in fitting:
        return
    raise PatchRefused(
        asked,
        f"the original is {_a(old_kind)} ({place(old)}), the hook is {_a(kind)} ({place(hook)}): "
        "nothing would run it",
        f"write the hook as a plain function: {_HOW_TO_WRITE['plain function']}",
    )


def _a(kind: Kind) -> str:
    return f"an {kind}" if kind.startswith("a") else f"a {kind}"


def _bridged(function: FunctionType, code: CodeType) -> FunctionType:
    """A plain function that stands for one of another kind."""
    run = runner_of(code)

    @functools.wraps(function)
    def bridge(*args: Any, **kwargs: Any) -> Any:
        return run(NOTHING, function, None, args, kwargs)

    return bridge  # type: ignore[return-value]  # functools.wraps hides that it is a function
