"""A guard around new code: what it raises is recorded, and the call goes on with the layer below.

The caller does not see the failure: the layer below is called with the caller's own arguments.
Where the new code had called it as ``original``, what that returned is the answer: it is never
called twice (a second generation would start). After some failures the layer is switched off. What
is not the new code's fault passes through uncounted: what ``original`` itself raised, and
exceptions that webuis use as answers (an HTTP 404). A generator that has handed out an item raises.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from ..answers import answer, counted
from ..changing.masking import holding
from ..changing.registry import registry
from ..switching.codes import packed
from ..switching.kinds import kind_of
from ..switching.running import ApplyContext, runner_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from ..switching.kinds import Kind
    from ..switching.running import Runner

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
            failures = f"after {counted(self.count, 'failure')}"
            last = self.failures[-1].error
            layer.answer = answer(f"switched off {layer.target}", layer.whose(), failures, last)
            log.warning("livepatch: %s", layer.answer)
        except Exception:  # someone else changed the target: the layer stays, and is passed by
            log.exception("livepatch: %s could not be switched off", layer.target)


def _is_failure(error: BaseException) -> TypeGuard[Exception]:
    return isinstance(error, Exception) and not _is_answer(error)


def _is_answer(error: BaseException) -> bool:
    return any(f"{c.__module__}.{c.__qualname__}" in ANSWERS for c in type(error).__mro__)


class _Replaced(ApplyContext):
    """Around a guarded replacement, of all its calls: it has no ``original``."""

    __slots__ = ("guard",)

    def __init__(self, guard: Guard) -> None:
        self.guard = guard

    def raised(self, error: BaseException, below: Any, *, handed_on: bool) -> Any:
        """The layer below, where the failure is the new code's and comes in time."""
        if not isinstance(error, Exception) or _is_answer(error):
            return None
        self.guard.failed(error)
        return None if handed_on else below


class _Original(ApplyContext):
    """Around the ``original`` of one call of a guarded wrapper: what became of it."""

    __slots__ = ("error", "result", "returned", "was_called")

    def __init__(self) -> None:
        self.was_called = self.returned = False
        self.result: Any = None
        self.error: BaseException | None = None

    def enter(self, args: Any, kwargs: Any) -> Any:
        self.was_called = True
        return args, kwargs

    def ended(self, result: Any, args: Any, kwargs: Any) -> None:  # noqa: ARG002
        self.returned, self.result = True, result

    def raised(self, error: BaseException, below: Any, *, handed_on: bool) -> None:  # noqa: ARG002
        self.error = error


class _Wrapped(ApplyContext):
    """Around one call of a guarded wrapper of what can be suspended."""

    __slots__ = ("guard", "kind", "original")

    def __init__(self, guard: Guard, kind: Kind) -> None:
        self.guard = guard
        self.kind = kind
        self.original = _Original()

    def ended(self, result: Any, args: Any, kwargs: Any) -> None:  # noqa: ARG002
        self.original.error = None

    def raised(self, error: BaseException, below: Any, *, handed_on: bool) -> Any:
        """The layer below, or what it answered where it was called already."""
        original = self.original
        is_originals = error is original.error
        # What ``original`` raised holds the frames that lead back to it: until the next garbage
        # collection, these would keep what the call worked on in memory.
        original.error = None
        if is_originals or not isinstance(error, Exception) or _is_answer(error):
            return None
        self.guard.failed(error)
        if handed_on:
            return None
        if not original.was_called:
            return below
        is_answered = original.returned and self.kind == "coroutine"
        return _answering(original.result) if is_answered else None


def _answering(result: Any) -> Callable[..., Any]:
    async def answer(*_: Any, **__: Any) -> Any:
        return result

    return answer


def _watched(run: Runner, around: _Original, original: Any) -> Callable[..., Any]:
    return lambda *args, **kwargs: run(around, original, None, args, kwargs)


def _watched_coroutine(run: Runner, around: _Original, original: Any) -> Callable[..., Any]:
    async def watched(*args: Any, **kwargs: Any) -> Any:  # some wrappers ask for its kind
        return await run(around, original, None, args, kwargs)

    return watched


_NOT_CALLED: Any = object()
_NO_RESULT: Any = object()


def _around_function(new: Any, guard: Guard) -> Callable[..., Any]:
    """A guarded wrapper of a plain function: :class:`_Wrapped` and its runner, written out.

    So it costs a call a third: 0.5 µs.
    """

    @packed
    def guarded_function(original: Any, args: Any, kwargs: Any) -> Any:
        if guard.count >= guard.limit and guard.lets_pass():
            return original(*args, **kwargs)
        result, raised = _NOT_CALLED, None

        # Passed on, an empty dictionary of keywords costs a call 10 ns.
        def watched(*args: Any, **kwargs: Any) -> Any:
            nonlocal result, raised
            if result is _NOT_CALLED:
                result = _NO_RESULT
            try:
                answer = original(*args, **kwargs) if kwargs else original(*args)
            except BaseException as error:
                raised = error
                raise
            result = answer
            return answer

        try:
            answer = new(watched, *args, **kwargs) if kwargs else new(watched, *args)
        except BaseException as error:
            is_originals, raised = error is raised, None
            if is_originals or not _is_failure(error):
                raise
            guard.failed(error)
            if result is _NO_RESULT:
                raise
        else:
            raised = None
            return answer
        return original(*args, **kwargs) if result is _NOT_CALLED else result

    return guarded_function


def guarded(new: Any, guard: Guard, code: CodeType, *, wraps: bool) -> Callable[..., Any]:
    """New code that falls back to the layer below when it fails.

    Args:
        new: the new code; with ``wraps`` it gets ``original`` as first argument.
        guard: records the failures.
        code: the target's, for its kind.
        wraps: whether ``new`` is a wrapper.

    Returns:
        A packed wrapper: ``guarded(original, args, kwargs)``.
    """
    run, kind, around = runner_of(code), kind_of(code), _Replaced(guard)
    if wraps and kind == "plain function":
        return _around_function(new, guard)
    watch = _watched_coroutine if kind == "coroutine" else _watched

    @packed
    def guarded_replacement(original: Any, args: Any, kwargs: Any) -> Any:
        if guard.count >= guard.limit and guard.lets_pass():
            return original(*args, **kwargs)
        return run(around, new, original, args, kwargs)

    @packed
    def guarded_wrapper(original: Any, args: Any, kwargs: Any) -> Any:
        if guard.count >= guard.limit and guard.lets_pass():
            return original(*args, **kwargs)
        around = _Wrapped(guard, kind)
        call = partial(new, watch(run, around.original, original))
        return run(around, call, original, args, kwargs)

    return guarded_wrapper if wraps else guarded_replacement
