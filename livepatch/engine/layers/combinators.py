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
from typing import TYPE_CHECKING, Any, Literal

from ..switching.running import ApplyContext, runner_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

Combinator = Literal["before", "after", "filter_args", "filter_result"]
Hook = Any  # a callable of the user's
Wrapper = Any  # wrapper(original, *args, **kwargs)

_AWAITS = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def wrapper_of(combinator: Combinator, hook: Hook, code: CodeType) -> Wrapper:
    """The wrapper that a combinator makes of a hook.

    Args:
        combinator: which of the four.
        hook: the user's callable.
        code: the wrapped function's, for its kind.

    Example:
        >>> doubled = wrapper_of("filter_result", lambda result: 2 * result, wrapper_of.__code__)
        >>> doubled(max, 1, 3)
        6
    """
    around, run = _AROUND[combinator](hook, awaits=bool(code.co_flags & _AWAITS)), runner_of(code)

    def wrapper(original: Any, /, *args: Any, **kwargs: Any) -> Any:
        return run(around, original, None, args, kwargs)

    return wrapper


class _Hooked(ApplyContext):
    """Something of the user's around a call."""

    def __init__(self, hook: Hook, *, awaits: bool) -> None:
        self.hook = hook
        self.awaits = awaits

    def then(self, answer: Any, make: Callable[[Any], Any]) -> Any:
        """What is made of the hook's answer, awaited where that is possible."""
        if self.awaits and inspect.isawaitable(answer):
            return _later(answer, make)
        return make(answer)


async def _later(answer: Any, make: Callable[[Any], Any]) -> Any:
    return make(await answer)


class _Before(_Hooked):
    def enter(self, args: Any, kwargs: Any) -> Any:
        return self.then(self.hook(*args, **kwargs), lambda _: (args, kwargs))


class _FilterArguments(_Hooked):
    def enter(self, args: Any, kwargs: Any) -> Any:
        return self.then(self.hook(*args, **kwargs), self._pair)

    def _pair(self, answer: Any) -> Any:
        """What the filter answered, which has to be arguments and keywords."""
        if isinstance(answer, tuple) and len(answer) == 2:
            args, kwargs = answer
            if isinstance(args, (tuple, list)) and isinstance(kwargs, dict):
                return args, kwargs
        name = getattr(self.hook, "__name__", self.hook)
        raise TypeError(f"filter_args: {name} must return (args, kwargs), not {type(answer)}")


class _FilterResult(_Hooked):
    def hand_on(self, item: Any) -> Any:
        return self.hook(item)


class _After(_Hooked):
    def ended(self, result: Any, args: Any, kwargs: Any) -> Any:
        return self.hook(result, *args, **kwargs)


_AROUND: dict[Combinator, type[_Hooked]] = {
    "before": _Before,
    "after": _After,
    "filter_args": _FilterArguments,
    "filter_result": _FilterResult,
}
