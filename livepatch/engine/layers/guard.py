"""A guard around new code: what it raises is recorded, and the call goes on with the layer below.

The caller does not see the failure: the layer below is called with the caller's own arguments.
Where the new code had called it as ``original``, what that returned is the answer: it is never
called twice (a second generation would start). After some failures the layer is switched off. What
is not the new code's fault passes through uncounted: what ``original`` itself raised, and
exceptions that webuis use as answers (an HTTP 404). A generator that has handed out an item raises.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import time
import traceback
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from ..answers import answer
from ..changing.masking import holding
from ..changing.registry import registry
from .delegation import each, each_async

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..switching.kinds import Kind

log = logging.getLogger("livepatch")

DEFAULT_FAILURES = 3
KEPT_FAILURES = 20

# Exceptions that are answers, not failures, by the names of their classes: nothing is imported.
# Whatever is no Exception (CancelledError, GeneratorExit, KeyboardInterrupt) passes anyway.
ANSWERS = {
    "aiohttp.web_exceptions.HTTPException",
    "comfy.model_management.InterruptProcessingException",
    "django.core.exceptions.BadRequest",
    "django.core.exceptions.PermissionDenied",
    "django.core.exceptions.SuspiciousOperation",
    "django.http.response.Http404",
    "fastapi.exceptions.RequestValidationError",
    "fastapi.exceptions.WebSocketRequestValidationError",
    "gradio.exceptions.Error",
    "modules.callbacks.StopNowException",
    "starlette.exceptions.HTTPException",
    "starlette.exceptions.WebSocketException",
    "starlette.requests.ClientDisconnect",
    "starlette.websockets.WebSocketDisconnect",
    "werkzeug.exceptions.HTTPException",
    "builtins.StopIteration",
    "builtins.StopAsyncIteration",
}


@dataclass(frozen=True)
class Failure:
    """One failure of guarded code.

    Attributes:
        time: seconds since the epoch.
        error: the exception's type and message.
        traceback: the formatted traceback, as text; the exception itself is not kept.
    """

    time: float
    error: str
    traceback: str


class Guarded(Protocol):
    """The layer that a guard watches over, as far as the guard knows it."""

    target: str
    answer: str

    @property
    def state(self) -> str:
        """``active``, or anything else."""

    def off(self) -> None:
        """Switch it off."""

    def whose(self) -> str:
        """It in words."""


class Guard:
    """Watches over the new code of one layer.

    Args:
        limit: after how many failures the layer is switched off.

    Attributes:
        failures: the last failures, oldest first.
        count: how many there were since the layer was last switched on.
        layer: the layer, once there is one.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.failures: deque[Failure] = deque(maxlen=KEPT_FAILURES)
        self.count = 0
        self.layer: Guarded | None = None

    def lets_pass(self) -> bool:
        """Whether calls go to the layer below: the limit is reached."""
        if self.count < self.limit:
            return False
        self.switch_off()  # once more: someone held the lock when the limit was reached
        return True

    def passes_on(self, error: Exception, original: _Original) -> bool:
        """Record what new code raised; whether the caller has to get it.

        That is so for what is no failure, and where the layer below was called and did not return.
        """
        is_originals = error is original.raised
        original.forget()
        if is_originals or _is_answer(error):
            return True
        self.failed(error)
        return original.was_called and not original.returned

    def failed(self, error: Exception) -> None:
        """Record a failure; switch the layer off at the last."""
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        try:
            summary = f"{type(error).__name__}: {error}"
        except Exception:  # an exception whose text raises; the caller gets its answer all the same
            summary = type(error).__name__
        self.failures.append(Failure(time.time(), summary, text))
        self.count += 1
        target = self.layer.target if self.layer else "a guarded layer"
        log.warning("livepatch: %s failed (%d of %d): %s", target, self.count, self.limit, summary)
        if self.count >= self.limit:
            self.switch_off()

    def switch_off(self) -> None:
        """Switch the layer off, unless someone holds the lock: calls pass it by until then.

        A call of the webui's never waits for the lock: who holds it may be waiting for the webui.
        """
        if self.layer is not None:
            holding(registry.lock, partial(self._switch_off, self.layer), wait=False)

    def _switch_off(self, layer: Guarded) -> None:
        if layer.state != "active":
            return
        try:
            layer.off()
            failures = f"after {self.count} failure{'s' * (self.count != 1)}"
            last = self.failures[-1].error
            layer.answer = answer(f"switched off {layer.target}", layer.whose(), failures, last)
            log.warning("livepatch: %s", layer.answer)
        except Exception:  # someone else changed the target: the layer stays, and is passed by
            log.exception("livepatch: %s could not be switched off", layer.target)


def _is_answer(error: BaseException) -> bool:
    return any(f"{c.__module__}.{c.__qualname__}" in ANSWERS for c in type(error).__mro__)


class _Original:
    """``original`` as guarded code gets it: knows what became of the call."""

    def __init__(self, original: Any, kind: Kind) -> None:
        self.original = original
        self.was_called = False
        self.returned = False
        self.result: Any = None
        self.raised: BaseException | None = None
        self.call = {
            "plain function": self._function,
            "coroutine": self._coroutine,
            "generator": self._generator,
            "async generator": self._async_generator,
        }[kind]

    def _function(self, *args: Any, **kwargs: Any) -> Any:
        self.was_called = True
        with self._noting():
            self.result = self.original(*args, **kwargs)
        self.returned = True
        return self.result

    async def _coroutine(self, *args: Any, **kwargs: Any) -> Any:
        self.was_called = True
        with self._noting():
            self.result = await self.original(*args, **kwargs)
        self.returned = True
        return self.result

    def _generator(self, *args: Any, **kwargs: Any) -> Any:
        self.was_called = True
        with self._noting():
            return (yield from self.original(*args, **kwargs))

    def _async_generator(self, *args: Any, **kwargs: Any) -> Any:
        self.was_called = True
        return _Watched(self.original(*args, **kwargs), self._note)

    def forget(self) -> None:
        """Let go of what ``original`` raised: it holds the frames that lead back to it.

        Until the next garbage collection, these would keep what the call worked on in memory.
        """
        self.raised = None

    def _note(self, error: Exception) -> None:
        self.raised = error

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.raised = error
            raise


def guarded(new: Any, guard: Guard, kind: Kind, *, wraps: bool) -> Callable[..., Any]:
    """New code that falls back to the layer below when it fails.

    Args:
        new: the new code; with ``wraps`` it gets ``original`` as first argument.
        guard: records the failures.
        kind: what the target is.
        wraps: whether ``new`` is a wrapper.

    Returns:
        A wrapper: ``guarded(original, *args, **kwargs)``.
    """
    make = {
        "plain function": _function,
        "coroutine": _coroutine,
        "generator": _generator,
        "async generator": _async_generator,
    }[kind]

    def call(tracked: _Original, *args: Any, **kwargs: Any) -> Any:
        return new(tracked.call, *args, **kwargs) if wraps else new(*args, **kwargs)

    return make(call, guard)


def _function(call: Any, guard: Guard) -> Callable[..., Any]:
    def guarded_function(original: Any, /, *args: Any, **kwargs: Any) -> Any:
        if guard.lets_pass():
            return original(*args, **kwargs)
        tracked = _Original(original, "plain function")
        try:
            return call(tracked, *args, **kwargs)
        except Exception as error:
            if guard.passes_on(error, tracked):
                raise
        finally:
            tracked.forget()
        return tracked.result if tracked.returned else original(*args, **kwargs)

    return guarded_function


def _coroutine(call: Any, guard: Guard) -> Callable[..., Any]:
    async def guarded_coroutine(original: Any, /, *args: Any, **kwargs: Any) -> Any:
        if guard.lets_pass():
            return await original(*args, **kwargs)
        tracked = _Original(original, "coroutine")
        try:
            result = call(tracked, *args, **kwargs)
            return await result if inspect.isawaitable(result) else result
        except Exception as error:
            if guard.passes_on(error, tracked):
                raise
        finally:
            tracked.forget()
        return tracked.result if tracked.returned else await original(*args, **kwargs)

    return guarded_coroutine


def _generator(call: Any, guard: Guard) -> Callable[..., Any]:
    def guarded_generator(original: Any, /, *args: Any, **kwargs: Any) -> Any:
        if guard.lets_pass():
            return (yield from original(*args, **kwargs))
        tracked = _Original(original, "generator")
        yielded = False

        def begin() -> tuple[Any, Any]:
            items = iter(call(tracked, *args, **kwargs))
            return items, next(items)

        def note(item: Any) -> Any:
            nonlocal yielded
            yielded = True
            return item

        try:
            return (yield from each(begin, note))
        except Exception as error:
            if guard.passes_on(error, tracked) or yielded:
                raise
        finally:
            tracked.forget()
        return (yield from original(*args, **kwargs))

    return guarded_generator


def _async_generator(call: Any, guard: Guard) -> Callable[..., Any]:
    def guarded_async_generator(original: Any, /, *args: Any, **kwargs: Any) -> Any:
        if guard.lets_pass():
            return original(*args, **kwargs)
        tracked = _Original(original, "async generator")

        async def begin() -> tuple[Any, Any]:
            try:
                items = call(tracked, *args, **kwargs)
                first = await items.__anext__()
                return _Watched(items, lambda error: guard.passes_on(error, tracked)), first
            except Exception as error:
                if guard.passes_on(error, tracked):
                    raise
            items = original(*args, **kwargs)
            return items, await items.__anext__()

        async def note(item: Any) -> Any:
            return item

        async def nothing() -> None: ...

        return each_async(begin, note, nothing)

    return guarded_async_generator


class _Watched:
    """An asynchronous generator that tells what it raises."""

    def __init__(self, items: Any, tell: Callable[[Exception], object]) -> None:
        self.items = items
        self.tell = tell

    def __aiter__(self) -> _Watched:
        return self

    async def __anext__(self) -> Any:
        return await self._told(self.items.__anext__())

    async def asend(self, value: Any) -> Any:
        return await self._told(self.items.asend(value))

    async def athrow(self, error: BaseException) -> Any:
        return await self._told(self.items.athrow(error))

    async def aclose(self) -> None:
        await self.items.aclose()

    async def _told(self, step: Any) -> Any:
        try:
            return await step
        except Exception as error:
            self.tell(error)
            raise
