"""Passing a generator on, item by item: PEP 380's ``yield from`` with something done on the way.

``send``, ``throw`` and ``close`` reach the inner generator. There is no ``yield from`` for
asynchronous generators, so theirs is written out here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

    Begin = Callable[[], tuple[Any, Any]]
    BeginAsync = Callable[[], Awaitable[tuple[Any, Any]]]


def each(begin: Begin, change: Callable[[Any], Any]) -> Generator[Any, Any, Any]:
    """The items of an inner generator, each changed; answers what the inner one returned.

    Args:
        begin: makes the inner generator and takes its first item; answers both.
        change: makes of an item what is handed on.
    """
    try:
        items, item = begin()
        while True:
            changed = change(item)
            try:
                sent = yield changed
            except GeneratorExit:
                _if_it_has(items, "close")
                raise
            except BaseException as error:
                if not hasattr(items, "throw"):  # a plain iterator
                    raise
                item = items.throw(error)
            else:
                item = next(items) if sent is None else items.send(sent)
    except StopIteration as stop:
        return stop.value


async def each_async(
    begin: BeginAsync,
    change: Callable[[Any], Awaitable[Any]],
    end: Callable[[], Awaitable[Any]],
) -> AsyncGenerator[Any, Any]:
    """The items of an inner asynchronous generator, each changed.

    Args:
        begin: makes the inner generator and takes its first item; answers both.
        change: makes of an item what is handed on.
        end: runs when the inner generator has ended by itself.
    """
    try:
        items, item = await begin()
        while True:
            changed = await change(item)
            try:
                sent = yield changed
            except GeneratorExit:
                await items.aclose()
                raise
            except BaseException as error:
                item = await items.athrow(error)
            else:
                item = await items.asend(sent)
    except StopAsyncIteration:
        await end()


def _if_it_has(items: Any, method: str) -> None:
    if hasattr(items, method):
        getattr(items, method)()
