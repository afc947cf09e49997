"""Records the next calls of a target, without changing what they do.

A trace is a layer, but no change of the webui: it is not written into the journal, undo and redo do
not see it, and a transaction neither keeps nor takes it back. It stays on top of whatever is laid
later, so that it records what the callers give and get. After the calls that were asked for it
takes itself off: in a thread of its own, because the webui's call must not wait for the lock, whose
holder may be waiting for the webui.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

from ..changing.change import Step
from ..changing.events import subscribe
from ..changing.locks import Lock
from ..changing.masking import masked
from ..changing.registry import registry
from ..errors import PatchRefused
from ..naming.targets import find_function
from ..reading.summaries import arguments_in_words, summary
from ..switching.kinds import kind_of
from ..switching.running import ApplyContext, runner_of
from ..switching.state import clone
from .function_stacks import is_over_function
from .override_stacks import stack_of
from .patch import Patch
from .stacks import Layer, LayerPlacement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType, FunctionType

    from ..changing.change import Change

OWNER = "trace"
KEPT = 50  # traces whose records are kept


@dataclass(eq=False)
class Call:
    """One recorded call.

    Attributes:
        target: the target's dotted name.
        number: its place, counted from 1.
        arguments: what it was given, in words.
        caller: ``file:line`` of the calling code; of coroutines and generators on Python 3.10, of
            what first awaited or iterated them.
        thread: the name of the calling thread.
        time: when it began, in UTC.
        outcome: its result or its exception, in words; empty while it runs.
        milliseconds: how long it took; None while it runs. Of a generator: from its first item to
            its end, its consumer's time included.
        items: how many items a generator has handed on; None for other calls.
    """

    target: str
    number: int
    arguments: str
    caller: str
    thread: str
    time: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    outcome: str = ""
    milliseconds: float | None = None
    items: int | None = None
    _begun: float = field(default_factory=perf_counter, repr=False)

    def start(self) -> None:
        """Count the time from here."""
        self._begun = perf_counter()

    def returned(self, result: object) -> None:
        """Note its result."""
        self.milliseconds = (perf_counter() - self._begun) * 1000
        self.outcome = summary(result)

    def hand_on(self, item: Any) -> Any:
        """Count an item."""
        self.items = (self.items or 0) + 1
        return item

    def raised(self, error: BaseException) -> None:
        """Note its exception."""
        self.milliseconds = (perf_counter() - self._begun) * 1000
        stopped = isinstance(error, GeneratorExit)
        self.outcome = "closed" if stopped else f"raised {summary(error)}"


class Trace:
    """The record of the next calls of one target.

    Attributes:
        target: its dotted name.
        wanted: how many calls are recorded before it takes itself off.
        calls: the calls so far.
        layer: the layer that records.
        ended: set when it records no more and its layer is off.
    """

    def __init__(self, target: str, wanted: int) -> None:
        self.target = target
        self.wanted = wanted
        self.calls: list[Call] = []
        self.layer = Layer(None, target, OWNER, OWNER, "trace")
        self.ended = threading.Event()
        self.over = False
        self._lock = Lock()  # held for moments, and never while anything is called

    @property
    def state(self) -> Literal["recording", "ended"]:
        """Whether calls are recorded."""
        return "ended" if self.over or self.layer.placement is None else "recording"

    def begin(self, names: Sequence[str], args: tuple[Any, ...], kwargs: Any) -> Call | None:
        """The record of a call that begins; None when enough are recorded."""
        if self.over:
            return None
        arguments = arguments_in_words(names, args, kwargs)
        caller, thread = _caller(sys._getframe(1)), threading.current_thread().name
        with self._lock:
            if self.over:
                return None
            call = Call(self.target, len(self.calls) + 1, arguments, caller, thread)
            self.calls.append(call)
            self.over = len(self.calls) >= self.wanted
            is_last = self.over
        if is_last:
            self._end_elsewhere()
        return call

    def end(self) -> None:
        """Record no more, and take the layer off."""
        self.over = True
        try:
            with registry.lock:
                changes = [stack.without(self.layer) for stack in self.layer.stacks]
                if changes:
                    Step([*changes]).redo()
        finally:
            self.ended.set()

    def _end_elsewhere(self) -> None:
        try:
            threading.Thread(target=self.end, name="livepatch trace", daemon=True).start()
        except RuntimeError:
            # No thread can be started (the interpreter shuts down): the layer stays, and lets
            # calls through.
            self.ended.set()


_traces: list[Trace] = []


def traces() -> list[Trace]:
    """The traces of this process, oldest first.

    Example:
        >>> begun = trace("textwrap.dedent")
        >>> begun in traces()
        True
        >>> begun.end()
    """
    return list(_traces)


def trace(target: object, calls: int = 20) -> Trace:
    """Record the next calls of a target; the trace that records it already ends.

    Args:
        target: its dotted name, or the function itself.
        calls: how many.

    Raises:
        TargetNotFound: no such target.
        PatchRefused: it is not a function, or ``calls`` is below 1.
        ForeignChange: someone else changed the target's code since livepatch did.

    Example:
        >>> import textwrap
        >>> record = trace("textwrap.dedent", calls=1)
        >>> textwrap.dedent("  text")
        'text'
        >>> record.calls[0].arguments, record.calls[0].outcome
        ("text='  text'", "'text'")
        >>> record.ended.wait(10)
        True
    """
    asked = f"trace {target if isinstance(target, str) else getattr(target, '__name__', target)}"
    if calls < 1:
        raise PatchRefused(asked, f"calls={calls} records nothing", "give a number of at least 1")
    found = find_function(asked, target)
    with registry.lock:
        untrace(found.path)
        stack = stack_of(found)
        model = stack.model_of(found.function)
        begun = Trace(found.path, calls)
        patch = Patch(_wrapper(begun, model), None, (), clone(model), describes=False)
        placement = LayerPlacement(begun.layer, patch)
        Step([stack.with_placement(placement, "trace", found.function)]).redo()
        _forget_the_oldest()
        _traces.append(begun)
    return begun


def untrace(target: str | None = None) -> list[Trace]:
    """End the trace of a target, or all of them.

    Args:
        target: its dotted name.

    Returns:
        Those that were recording.
    """
    recording = [t for t in _traces if t.state == "recording" and target in (None, t.target)]
    for one in recording:
        one.end()
    return recording


def _forget_the_oldest() -> None:
    ended = [one for one in _traces if one.state == "ended"]
    for one in ended[: max(0, len(_traces) + 1 - KEPT)]:
        _traces.remove(one)


def _wrapper(trace: Trace, model: FunctionType) -> Callable[..., Any]:
    """What records the calls: a plain function around each of them, whatever the target answers.

    So the arguments and the caller are those of the call, not of the first ``await`` or ``next``.
    """
    code = model.__code__
    names, run = code.co_varnames[: code.co_argcount], runner_of(code)
    yields = kind_of(code) in ("generator", "async generator")

    def traced(original: Any, /, *args: Any, **kwargs: Any) -> Any:
        call = trace.begin(names, args, kwargs)
        if call is None:
            return original(*args, **kwargs)
        return run(_Recorded(call, yields=yields), original, None, args, kwargs)

    return traced


class _Recorded(ApplyContext):
    """Around a call that is recorded."""

    def __init__(self, call: Call, *, yields: bool) -> None:
        self.call = call
        if yields:
            self.hand_on = call.hand_on

    def enter(self, args: Any, kwargs: Any) -> Any:
        self.call.start()
        return args, kwargs

    def ended(self, result: Any, args: Any, kwargs: Any) -> None:  # noqa: ARG002
        self.call.returned(result)

    def raised(self, error: BaseException, below: Any, *, handed_on: bool) -> None:  # noqa: ARG002
        self.call.raised(error)


def _caller(frame: FrameType | None) -> str:
    """Where a call comes from: the first frame that is not of a trampoline or of ours."""
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "the start of a thread"


def _keep_on_top(changes: Sequence[Change]) -> None:
    """After any change: a trace that records lies on top again, one that does not is gone."""
    for one in _traces:
        if not one.over and one.layer.placement is None:  # a restore took it off
            one.over = True
            one.ended.set()
    if not _traces:
        return
    for change in changes:
        stack = getattr(getattr(change, "change", change), "stack", None)
        if stack is None or not is_over_function(stack):
            continue
        ours = {p.layer: t for p in stack.placements for t in _traces if t.layer is p.layer}
        if ours:
            others = tuple(p for p in stack.placements if p.layer not in ours)
            on_top = tuple(
                p for p in stack.placements if p.layer in ours and not ours[p.layer].over
            )
            if (*others, *on_top) != stack.placements:
                masked(partial(stack.take_plan, (*others, *on_top)))


subscribe("after_commit", _keep_on_top)
