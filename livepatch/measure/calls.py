"""Times the calls of a function: plain, async, or a generator."""

from __future__ import annotations

import asyncio
import functools
import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from .meter import Meter
    from .part import Part
    from .span import Span

    Make = Callable[[], Part]


def has_loop() -> bool:
    """Whether an event loop runs on this thread."""
    return asyncio._get_running_loop() is not None


def is_async(function: Any) -> bool:
    """Whether a function, or an object that is called, is a coroutine function."""
    return inspect.iscoroutinefunction(_code_of(function))


def _code_of(function: Any) -> Any:
    if inspect.isroutine(function) or isinstance(function, (type, functools.partial)):
        return function
    return getattr(function, "__call__", function)  # noqa: B004


def timed(function: Any, meter: Meter, key: Hashable, make: Make) -> Any:
    """A function that does what another one does, and tells a meter how long it took.

    Args:
        function: the function; of a generator function the time between two items is its
            consumer's, and a call lasts until the generator is through or closed.
        meter: what learns of it.
        key: what the calls are noted under.
        make: makes the part of a recording, at the first call.

    Returns:
        A function of the same kind, signature and name, ``__wrapped__`` the given one.
    """
    code = _code_of(function)
    if inspect.isasyncgenfunction(code):
        return _timed_async_generator(function, meter, key, make)
    if inspect.iscoroutinefunction(code):

        @functools.wraps(function)
        async def timed_async(*args: Any, **kwargs: Any) -> Any:
            with _span(meter, key, make) as span:
                return await meter.steps.drive(function(*args, **kwargs), span)

        return timed_async
    if inspect.isgeneratorfunction(code):
        return _timed_generator(function, meter, key, make)
    return _timed_plain(function, meter, key, make)


def _timed_plain(function: Any, meter: Meter, key: Hashable, make: Make) -> Any:
    # Callbacks are called very often: written out, which halves the cost of the context managers.
    inside, steps = meter.inside, meter.steps

    @functools.wraps(function)
    def timed_call(*args: Any, **kwargs: Any) -> Any:
        span = meter.open(inside.get())
        token = inside.set(span)
        begun = None if asyncio._get_running_loop() is None else steps.begin(span)
        try:
            return function(*args, **kwargs)
        finally:
            if begun is not None:
                steps.end(span, begun)
            inside.reset(token)
            meter.close(span, key, make)

    return timed_call


def _timed_generator(function: Any, meter: Meter, key: Hashable, make: Make) -> Any:
    @functools.wraps(function)
    def timed_generator(*args: Any, **kwargs: Any) -> Any:
        span = meter.open()
        generator = function(*args, **kwargs)
        step, given = generator.send, None
        try:
            while True:
                try:
                    with _inside(meter, span), _working(meter, span):
                        item = step(given)
                except StopIteration as done:
                    return done.value
                left = meter.clock()
                try:
                    given, step = (yield item), generator.send
                except GeneratorExit:
                    raise
                except BaseException as error:
                    given, step = error, generator.throw
                finally:
                    span.away += meter.clock() - left
        finally:
            with _inside(meter, span), _working(meter, span):
                generator.close()
            meter.close(span, key, make)

    return timed_generator


def _timed_async_generator(function: Any, meter: Meter, key: Hashable, make: Make) -> Any:
    @functools.wraps(function)
    async def timed_async_generator(*args: Any, **kwargs: Any) -> Any:
        span = meter.open()
        generator = function(*args, **kwargs)
        step, given = generator.asend, None
        try:
            while True:
                try:
                    with _inside(meter, span):
                        item = await meter.steps.drive(step(given), span)
                except StopAsyncIteration:
                    return
                left = meter.clock()
                try:
                    given, step = (yield item), generator.asend
                except GeneratorExit:
                    raise
                except BaseException as error:
                    given, step = error, generator.athrow
                finally:
                    span.away += meter.clock() - left
        finally:
            await generator.aclose()
            meter.close(span, key, make)

    return timed_async_generator


@contextmanager
def _span(meter: Meter, key: Hashable, make: Make) -> Iterator[Span]:
    """A call from its beginning to its end, a part of the one around it."""
    span = meter.open(meter.inside.get())
    try:
        with _inside(meter, span):
            yield span
    finally:
        meter.close(span, key, make)


@contextmanager
def _inside(meter: Meter, span: Span) -> Iterator[None]:
    """What is called here is a part of the span."""
    token = meter.inside.set(span)
    try:
        yield
    finally:
        meter.inside.reset(token)


@contextmanager
def _working(meter: Meter, span: Span) -> Iterator[None]:
    """A thread with an event loop works for the span, and its loop for nobody else."""
    if asyncio._get_running_loop() is None:
        yield
        return
    begun = meter.steps.begin(span)
    try:
        yield
    finally:
        meter.steps.end(span, begun)
