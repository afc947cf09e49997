"""Wrappers made of a hook: what ``before``, ``after`` and the filters do, by their equivalents.

After Emacs' nadvice: each is one line of Python around ``original``, the layer below.

================= ============================================================================
``before``        ``hook(*args, **kwargs); return original(*args, **kwargs)``
``after``         ``result = original(*args, **kwargs); hook(result, …); return result``
``filter_args``   ``args, kwargs = f(*args, **kwargs); return original(*args, **kwargs)``
``filter_result`` ``return f(original(*args, **kwargs))``
================= ============================================================================

Around a coroutine, the original is awaited, and so is what the hook answers where it can be.
Around a generator, ``before`` and ``filter_args`` run when it is first asked for an item,
``filter_result`` is asked for each item, and ``after`` runs when it has ended, with what it
returned.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .delegation import each, each_async

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..switching.kinds import Kind

Combinator = Literal["before", "after", "filter_args", "filter_result"]
Hook = Any  # a callable of the user's
Wrapper = Any  # wrapper(original, *args, **kwargs)


def wrapper_of(combinator: Combinator, hook: Hook, kind: Kind) -> Wrapper:
    """The wrapper that a combinator makes of a hook.

    Args:
        combinator: which of the four.
        hook: the user's callable.
        kind: what the wrapped function is.

    Example:
        >>> doubled = wrapper_of("filter_result", lambda result: 2 * result, "plain function")
        >>> doubled(max, 1, 3)
        6
    """
    around = _Around(**{combinator: hook})
    if kind == "coroutine":
        return _coroutine(around)
    if kind == "generator":
        return _generator(around)
    if kind == "async generator":
        return _async_generator(around)
    return _function(around)


def _nothing(*_: Any, **__: Any) -> None: ...


def _same_arguments(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


def _same(result: Any) -> Any:
    return result


@dataclass(frozen=True)
class _Around:
    """What happens around a call."""

    before: Hook = _nothing
    filter_args: Hook = _same_arguments
    filter_result: Hook = _same
    after: Hook = _nothing

    def pair(self, answer: Any) -> Any:
        """What ``filter_args`` answered, which has to be arguments and keywords."""
        if isinstance(answer, tuple) and len(answer) == 2:
            args, kwargs = answer
            if isinstance(args, (tuple, list)) and isinstance(kwargs, dict):
                return args, kwargs
        name = getattr(self.filter_args, "__name__", self.filter_args)
        raise TypeError(f"filter_args: {name} has to return (args, kwargs), not {type(answer)}")


async def _awaited(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


def _function(around: _Around) -> Callable[..., Any]:
    def wrapper(original: Any, /, *args: Any, **kwargs: Any) -> Any:
        around.before(*args, **kwargs)
        args, kwargs = around.pair(around.filter_args(*args, **kwargs))
        result = around.filter_result(original(*args, **kwargs))
        around.after(result, *args, **kwargs)
        return result

    return wrapper


def _coroutine(around: _Around) -> Callable[..., Any]:
    async def wrapper(original: Any, /, *args: Any, **kwargs: Any) -> Any:
        await _awaited(around.before(*args, **kwargs))
        args, kwargs = around.pair(await _awaited(around.filter_args(*args, **kwargs)))
        result = await _awaited(around.filter_result(await original(*args, **kwargs)))
        await _awaited(around.after(result, *args, **kwargs))
        return result

    return wrapper


def _generator(around: _Around) -> Callable[..., Any]:
    def wrapper(original: Any, /, *args: Any, **kwargs: Any) -> Any:
        around.before(*args, **kwargs)
        args, kwargs = around.pair(around.filter_args(*args, **kwargs))
        items = iter(original(*args, **kwargs))
        result = yield from each(lambda: (items, next(items)), around.filter_result)
        around.after(result, *args, **kwargs)
        return result

    return wrapper


def _async_generator(around: _Around) -> Callable[..., Any]:
    def wrapper(original: Any, /, *args: Any, **kwargs: Any) -> Any:
        async def begin() -> tuple[Any, Any]:
            nonlocal args, kwargs
            await _awaited(around.before(*args, **kwargs))
            args, kwargs = around.pair(await _awaited(around.filter_args(*args, **kwargs)))
            items = original(*args, **kwargs)
            return items, await items.__anext__()

        async def change(item: Any) -> Any:
            return await _awaited(around.filter_result(item))

        async def end() -> None:
            await _awaited(around.after(None, *args, **kwargs))

        return each_async(begin, change, end)

    return wrapper
