"""Recorded calls, as a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.engine.answers import counted
from livepatch.engine.layers.trace import trace as begin
from livepatch.engine.layers.trace import traces, untrace
from livepatch.engine.naming.following import full_name

from .python import call_text
from .report import Answer, Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from livepatch.engine.layers.trace import Call


def trace(target: str, calls: int = 20) -> Answer:
    """Record the next calls of a target, without changing what they do.

    It is a layer on top of all others, but no change of the webui: neither the journal nor undo nor
    a transaction knows of it. After that many calls it takes itself off.

    Args:
        target: a dotted name.
        calls: how many calls are recorded.

    Returns:
        The answer line; :func:`traced` shows the calls.

    Raises:
        TargetNotFound: no such target.
        PatchRefused: it is not a function, or ``calls`` is below 1.
        ForeignChange: someone else changed the target's code since livepatch did.

    Example:
        >>> import textwrap
        >>> answer = trace("textwrap.dedent", calls=1)
        >>> textwrap.dedent("  text")
        'text'
        >>> traced("textwrap.dedent")[0].outcome
        "'text'"
    """
    record = begin(target, calls)
    which = "call" if calls == 1 else counted(calls, "call")
    line = f"tracing {record.target} · records the next {which} · %trace shows what was recorded"
    return Answer(line, _python(target, calls))


def end_trace(target: str | None = None) -> Answer:
    """End the trace of a target, or all of them; the records stay.

    Args:
        target: a dotted name.

    Example:
        >>> end_trace("textwrap.dedent").line
        'no trace of textwrap.dedent is recording'
    """
    python = call_text("lp.reports.end_trace", *([target] if target else []))
    ended = untrace(full_name(target) if target else None)
    if not ended:
        return Answer(f"no trace{f' of {target}' if target else ''} is recording", python)
    told = ", ".join(
        f"{one.target} ({len(one.calls)} of {counted(one.wanted, 'call')})" for one in ended
    )
    return Answer(f"ended the trace of {told}", python)


def traced(target: str | None = None) -> Report[Call]:
    """The calls that were recorded, of one target or of all.

    Args:
        target: a dotted name.

    Returns:
        A sequence of calls, in the order in which they began.

    Example:
        >>> print(traced("textwrap.shorten"))
        Traced calls of textwrap.shorten: none; %trace T records the next calls of T
    """
    target = full_name(target) if target else None
    shown = [one for one in traces() if target in (None, one.target)]
    calls = sorted((call for one in shown for call in one.calls), key=lambda call: call.time)
    columns: dict[str, Callable[[Call], object]] = {
        "target": lambda call: call.target,
        "call": lambda call: call.number,
        "arguments": lambda call: call.arguments,
        "result": _outcome,
        "ms": lambda call: "" if call.milliseconds is None else f"{call.milliseconds:.2f}",
        "caller": lambda call: call.caller,
        "thread": lambda call: call.thread,
    }
    if target:
        del columns["target"]
    title = f"Traced calls{f' of {target}' if target else ''}"
    recording = [one for one in shown if one.state == "recording"]
    counts = [
        f"{len(one.calls)} of {counted(one.wanted, 'call')} of {one.target}" for one in recording
    ]
    if calls and counts:
        title += f", still recording: {', '.join(counts)}"
    empty = "none; %trace T records the next calls of T"
    if recording:
        empty = f"none yet, {', '.join(one.target for one in recording)} was not called since"
    return Report(title, calls, columns, empty)


def _outcome(call: Call) -> str:
    outcome = call.outcome or "runs still"
    if call.items is None:
        return outcome
    items = counted(call.items, "item")
    return items if outcome == "None" else f"{items}, {outcome}"


def _python(target: str, calls: int) -> str:
    return call_text("lp.reports.trace", target, calls=None if calls == 20 else calls)
