"""Turns what the user gave to wrap a target with into a wrapper that its callers can use."""

from __future__ import annotations

import functools
import inspect
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from ..errors import PatchRefused
from ..naming.overrides import as_function
from ..reading.sources import place
from ..switching.codes import Parameters
from ..switching.kinds import check_hook, check_kind, of_same_kind
from ..switching.state import clone
from .combinators import wrapper_of

if TYPE_CHECKING:
    from types import CodeType

    from ..naming.targets import Target


def check_wrapper(
    asked: str, verb: Any, code: CodeType, target: Target, model: FunctionType
) -> None:
    """Raise ``PatchRefused`` where callers of the target could not use a wrapper or hook.

    Args:
        asked: the user's request in words.
        verb: ``"wrap"``, or one of the combinators.
        code: the code of the wrapper or hook.
        target: what it wraps.
        model: a function with the target's own code.
    """
    if verb == "wrap":
        _check_parameters(asked, code, target)
        check_kind(code, model, asked, wraps=True)
    else:
        check_hook(verb, code, model, asked)


def wrapper_from(asked: str, verb: Any, new: Any, target: Target, model: FunctionType) -> Any:
    """The wrapper that a verb makes of a function, or of anything that can be called.

    Args:
        asked: the user's request in words.
        verb: ``"wrap"``, or one of the combinators.
        new: the function; nobody else holds it.
        target: what it wraps.
        model: a function with the target's own code.

    Raises:
        PatchRefused: callers could not use it.
    """
    check_wrapper(asked, verb, _function_of(new).__code__, target, model)
    if verb != "wrap":
        return wrapper_of(verb, _with_first_apart(new) if verb == "after" else new, model.__code__)
    return of_same_kind(_function_of(_with_first_apart(new)), model, asked, wraps=True)


def _function_of(new: Any) -> FunctionType:
    return new if isinstance(new, FunctionType) else as_function(new)


def _check_parameters(asked: str, code: CodeType, target: Target) -> None:
    """Refuse a wrapper that has no room for ``original``, or for the target's own of that name."""
    if not (code.co_argcount or code.co_flags & inspect.CO_VARARGS):
        raise PatchRefused(
            asked,
            f"the wrapper ({place(code)}) has no parameter for `original`",
            "write it as def wrapper(original, *args, **kwargs)",
        )
    if code.co_posonlyargcount or not code.co_argcount or code.co_flags & inspect.CO_VARKEYWORDS:
        return
    first, own = code.co_varnames[0], target.function.__code__
    if first in Parameters.of(own).named():
        raise PatchRefused(
            asked,
            f"{target.path} also has a parameter `{first}` ({place(own)}): a caller that passes "
            f"{first}=… "
            f"would set the first parameter of the wrapper ({place(code)})",
            f"add **kwargs to the wrapper, or call its first parameter {first}_",
        )


def _with_first_apart(function: Any) -> Any:  # a FunctionType; mypy takes one for a method
    """A function whose first argument cannot be meant by a keyword of its caller's.

    ``def wrapper(original, **kwargs)`` gets a target's parameter ``original`` in its ``kwargs``.

    Args:
        function: a function that nobody else holds, or anything that can be called.
    """
    if isinstance(function, functools.partial):
        called = _with_first_apart(function.func)
        return functools.partial(called, *function.args, **function.keywords)
    if isinstance(function, MethodType):
        return MethodType(_with_apart(function.__func__, 2), function.__self__)
    if isinstance(function, FunctionType):
        return _with_apart(function, 1)
    call = None if isinstance(function, type) else type(function).__call__
    return (
        MethodType(_with_apart(call, 2), function) if isinstance(call, FunctionType) else function
    )


def _with_apart(function: Any, count: int) -> Any:
    """A function whose first parameters are positional-only, where it takes any keyword."""
    code = getattr(function, "__code__", None)
    if code is None or not code.co_flags & inspect.CO_VARKEYWORDS:
        return function
    count = min(count, code.co_argcount)
    if code.co_posonlyargcount >= count:
        return function
    apart = clone(function)
    apart.__code__ = code.replace(co_posonlyargcount=count)
    return apart
