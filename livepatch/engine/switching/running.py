"""Runs a call with layers around it: one loop for each of the four kinds of functions.

A guard, a trace, ``before``, ``after``, the filters and a plain wrapper around a function of
another kind say what they do as an :class:`ApplyContext`; how a call goes on, step by step, stands
here alone. ``send``, ``throw`` and ``close`` reach the inner generator (PEP 380); there is no
``yield from`` for asynchronous generators, so theirs is written out.
"""

from __future__ import annotations

import inspect
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from types import CodeType

Runner = Any  # run(around, call, below, args, kwargs)

_KIND_FLAGS = (
    inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
    | inspect.CO_ITERABLE_COROUTINE
)


class ApplyContext:
    """What is done around a call; of what is None, nothing.

    Around a coroutine and an asynchronous generator, each answer is awaited where it can be.
    Around generators, it begins when they are first asked for an item.

    Attributes:
        enter: ``enter(args, kwargs) -> (args, kwargs)``, before the call.
        hand_on: ``hand_on(item) -> item``, what the caller gets: the result, or each item.
        ended: ``ended(result, args, kwargs)``, after it has returned.
    """

    __slots__ = ()

    enter: Any = None
    hand_on: Any = None
    ended: Any = None

    def raised(
        self,
        error: BaseException,  # noqa: ARG002
        below: Any,  # noqa: ARG002
        *,
        handed_on: bool,  # noqa: ARG002
    ) -> Any:
        """What is called instead, after an exception; None: the caller gets the exception.

        Args:
            error: what was raised.
            below: the layer below.
            handed_on: whether a generator has handed out an item.
        """
        return None


NOTHING = ApplyContext()


def runner_of(code: CodeType) -> Runner:
    """What runs calls that stand for a function of the kind of this code.

    Returns:
        ``run(around, call, below, args, kwargs)``, of that kind itself.

    Example:
        >>> class Doubled(ApplyContext):
        ...     def hand_on(self, item):
        ...         return 2 * item
        >>> runner_of((lambda: 0).__code__)(Doubled(), max, None, (1, 3), {})
        6
    """
    return _RUNNERS[code.co_flags & _KIND_FLAGS]


def _function(around: ApplyContext, call: Any, below: Any, args: Any, kwargs: Any) -> Any:
    while True:
        try:
            if around.enter is not None:
                args, kwargs = around.enter(args, kwargs)
            result = call(*args, **kwargs)
            if around.hand_on is not None:
                result = around.hand_on(result)
        except BaseException as error:
            call = around.raised(error, below, handed_on=False)
            if call is None:
                raise
        else:
            break
        around = NOTHING
    if around.ended is not None:
        around.ended(result, args, kwargs)
    return result


async def _coroutine(around: ApplyContext, call: Any, below: Any, args: Any, kwargs: Any) -> Any:
    while True:
        try:
            if around.enter is not None:
                args, kwargs = await _awaited(around.enter(args, kwargs))
            result = await _awaited(call(*args, **kwargs))
            if around.hand_on is not None:
                result = await _changed(result, around.hand_on(result))
        except BaseException as error:
            call = around.raised(error, below, handed_on=False)
            if call is None:
                raise
        else:
            break
        around = NOTHING
    if around.ended is not None:
        await _awaited(around.ended(result, args, kwargs))
    return result


def _generator(
    around: ApplyContext, call: Any, below: Any, args: Any, kwargs: Any
) -> Generator[Any, Any, Any]:
    handed_on = False
    while True:
        try:
            if around.enter is not None:
                args, kwargs = around.enter(args, kwargs)
            items = _iterated(call(*args, **kwargs), call)
            if around is NOTHING:
                return (yield from items)
            item, is_over = _step(next, items)
            while True:  # no condition: see the test of interrupts at the end of loops
                if is_over:
                    break
                if around.hand_on is not None:
                    item = around.hand_on(item)
                handed_on = True
                try:
                    sent = yield item
                except GeneratorExit:
                    if hasattr(items, "close"):
                        items.close()
                    raise
                except BaseException as error:
                    if not hasattr(items, "throw"):  # a plain iterator
                        raise
                    item, is_over = _step(items.throw, error)
                else:
                    step = (next, items) if sent is None else (items.send, sent)
                    item, is_over = _step(*step)
        except BaseException as error:
            call = around.raised(error, below, handed_on=handed_on)
            if call is None:
                raise
        else:
            break
        around = NOTHING
    if around.ended is not None:
        around.ended(item, args, kwargs)
    return item


async def _async_generator(
    around: ApplyContext, call: Any, below: Any, args: Any, kwargs: Any
) -> AsyncGenerator[Any, Any]:
    handed_on = False
    while True:
        try:
            if around.enter is not None:
                args, kwargs = await _awaited(around.enter(args, kwargs))
            items = _async_iterated(call(*args, **kwargs), call)
            item, is_over = await _async_step(items.__anext__)
            while True:  # no condition: see the test of interrupts at the end of loops
                if is_over:
                    break
                if around.hand_on is not None:
                    item = await _changed(item, around.hand_on(item))
                handed_on = True
                try:
                    sent = yield item
                except GeneratorExit:
                    if hasattr(items, "aclose"):
                        await items.aclose()
                    raise
                except BaseException as error:
                    if not hasattr(items, "athrow"):  # a plain iterator
                        raise
                    item, is_over = await _async_step(items.athrow, error)
                else:
                    step = (items.__anext__,) if sent is None else (items.asend, sent)
                    item, is_over = await _async_step(*step)
        except BaseException as error:
            call = around.raised(error, below, handed_on=handed_on)
            if call is None:
                raise
        else:
            break
        around = NOTHING
    if around.ended is not None:
        await _awaited(around.ended(None, args, kwargs))


# types.coroutine() changes the function that it is given: this one is of its own.
_awaitable_generator: Any = types.coroutine(
    types.FunctionType(_generator.__code__, globals(), "_awaitable_generator")
)

_RUNNERS: dict[int, Runner] = {
    0: _function,
    inspect.CO_COROUTINE: _coroutine,
    inspect.CO_GENERATOR: _generator,
    inspect.CO_GENERATOR | inspect.CO_ITERABLE_COROUTINE: _awaitable_generator,
    inspect.CO_ASYNC_GENERATOR: _async_generator,
}


def _step(move: Any, *given: Any) -> tuple[Any, bool]:
    """The next item; or what a generator returned, and that it is over.

    Only a step of the generator itself may end it: a ``StopIteration`` of a hook is an error, which
    becomes a ``RuntimeError`` as in every generator (PEP 479).
    """
    try:
        return move(*given), False
    except StopIteration as stop:
        return stop.value, True


async def _async_step(move: Any, *given: Any) -> tuple[Any, bool]:
    try:
        return await move(*given), False
    except StopAsyncIteration:
        return None, True


async def _awaited(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


async def _changed(item: Any, answer: Any) -> Any:
    """What a hook made of an item; one that it did not change may be for the caller to await."""
    return item if answer is item else await _awaited(answer)


def _iterated(answer: Any, call: Any) -> Any:
    """What a call answers that has to be a generator, or can be iterated as one."""
    if hasattr(answer, "__iter__"):
        return iter(answer)
    raise TypeError(_no_items(answer, call, "a generator"))


def _async_iterated(answer: Any, call: Any) -> Any:
    if hasattr(answer, "__aiter__"):
        return answer.__aiter__()
    raise TypeError(_no_items(answer, call, "an async generator"))


def _no_items(answer: Any, call: Any, kind: str) -> str:
    if inspect.iscoroutine(answer):
        answer.close()  # nobody will await it
    function = getattr(call, "func", call)
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{name} stands in for {kind}, but returned {type(answer).__name__}, which has no items"
