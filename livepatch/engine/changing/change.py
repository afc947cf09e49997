"""The one protocol of a change, and the one door through which every change goes.

Layers on functions, values, middleware, callbacks, hooks, routes: whatever changes the webui is a
:class:`Change`. Transactions, undo, redo, the journal and reports are written once, against this
protocol.
"""

from __future__ import annotations

import contextlib
import contextvars
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import is_refusal
from .events import publish
from .masking import certainly, masked
from .registry import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(frozen=True)
class ChangeDescription:
    """What a change is, as data for the journal and the reports.

    Attributes:
        verb: what it does, as the user's verb: ``"replace"``, ``"restore"``, ``"switch off"`` …
        target: the target's dotted name.
        owner: whose layer it is.
        name: the layer's name.
        source: the new code's text, where it has one.
        facts: what it did and what it could not reach, for the answer line.
    """

    verb: str
    target: str
    owner: str
    name: str
    source: str | None = None
    facts: tuple[str, ...] = ()


class Change(ABC):
    """One step of one thing in the webui from one state to another, and back.

    ``commit`` and ``revert`` are idempotent: an interrupt may make them run again.
    """

    @abstractmethod
    def prepare(self) -> None:
        """Check what stands against a commit or a revert and raise it; change nothing."""

    @abstractmethod
    def commit(self) -> None:
        """Make it true."""

    @abstractmethod
    def revert(self) -> None:
        """Make true again what was before the commit; leave alone what others did since."""

    @abstractmethod
    def describe(self) -> ChangeDescription:
        """What it is, as data."""

    def show(self, together: Sequence[Change]) -> None:  # noqa: B027 - most are seen at once
        """Let the webui see what the last commit or revert made true.

        Called with the lock held as the outermost step ends, for each of its changes: what must
        become visible in one store, such as several middlewares, waits for it. Idempotent.

        Args:
            together: every change that becomes visible at this moment, in the order of commits.
        """


@dataclass(eq=False)
class Step:
    """Changes that became true together: one step for undo and redo."""

    changes: list[Change] = field(default_factory=list)
    closed: bool = False
    outer: Step | None = field(default=None, repr=False)  # of a transaction inside another
    # What else a rollback takes back: changes that wait for a safe point are not true yet.
    taken_back: list[Callable[[], object]] = field(default_factory=list, repr=False)

    def is_over(self) -> bool:
        """Whether nothing can take it back any more but an undo."""
        return self.closed and (self.outer is None or self.outer.is_over())

    def commit(self) -> None:
        """Make all of it true, or none."""
        with registry.lock:
            for change in self.changes:
                change.prepare()
            masked(lambda: _all_or_nothing(self.changes, shown=self.changes))

    def revert(self) -> None:
        """Make all of it untrue, or none."""
        with registry.lock:
            for change in self.changes:
                change.prepare()
            reverses = [_Reverse(change) for change in reversed(self.changes)]
            shown = [reverse.change for reverse in reverses]
            masked(lambda: _all_or_nothing(reverses, shown=shown))

    def roll_back(self) -> None:
        """Make all of it untrue that can be; raise at the end what stood against the rest."""
        refused: list[Exception] = []
        with registry.lock:
            for take_back in reversed(self.taken_back):
                take_back()
            for change in reversed(self.changes):
                try:
                    change.prepare()
                    _all_or_nothing([_Reverse(change)])
                except Exception as error:
                    if not is_refusal(error):
                        raise
                    refused.append(error)
        if refused:
            raise refused[0]


_open_step: contextvars.ContextVar[Step | None] = contextvars.ContextVar(
    "livepatch_open_step", default=None
)


def open_step() -> Step | None:
    """The step of the transaction that this code runs in, if any."""
    step = _open_step.get()
    # A task that was begun inside a transaction may outlive it.
    return None if step is None or step.closed else step


def apply(*changes: Change) -> None:
    """Make changes true: all of them or none, and one step for undo.

    Inside :func:`transaction` they join the step of the transaction.

    Raises:
        LivepatchError: a change was refused; nothing has changed.
        KeyboardInterrupt: an interrupt came while the changes were made; they are all true.
    """
    joined = open_step()
    step = Step(list(changes))

    def commit() -> None:
        _all_or_nothing(step.changes, shown=step.changes if joined is None else ())
        if joined is None:
            publish("step", step)
        else:
            joined.changes.extend(c for c in changes if c not in joined.changes)

    with registry.lock:
        for change in changes:
            change.prepare()
        masked(commit)


@contextlib.contextmanager
def transaction(*, recorded: bool = True) -> Iterator[Step]:
    """All changes made in the ``with`` body, or none of them.

    Each change is true as soon as its verb has answered, so that the body can look at what it does;
    requests to a webui see its middleware change once, as the outermost body ends. When the body
    raises, everything done in it is taken back and the exception passes on. It is one step for undo
    and redo.

    Args:
        recorded: whether it is a step of the journal; an extension's own changes are not.

    Example:
        >>> with transaction() as step:
        ...     pass
        >>> step.changes
        []
    """
    outer = open_step()
    step = Step(outer=outer)
    complete = False

    def end() -> None:
        _open_step.set(outer)
        step.closed = True
        if not complete:
            step.roll_back()
        elif outer is not None:
            outer.changes.extend(c for c in step.changes if c not in outer.changes)
            outer.taken_back.extend(c for c in step.taken_back if c not in outer.taken_back)
        elif step.changes:
            with registry.lock:
                try:
                    _show(step.changes)
                except Exception:
                    step.roll_back()
                    _show(step.changes)
                    raise
            if recorded:
                publish("step", step)

    try:
        _open_step.set(step)
        yield step
        complete = True
    finally:
        certainly(end)


def _all_or_nothing(changes: Sequence[Change], shown: Sequence[Change] = ()) -> None:
    publish("before_commit", changes)
    begun: list[Change] = []
    showing = False
    try:
        for change in changes:
            begun.append(change)
            change.commit()
        showing = True
        _show(shown)
    except KeyboardInterrupt:
        raise  # not a failure of the change: masked() runs the commit to its end
    except BaseException:
        for change in reversed(begun):
            change.revert()
        if showing:  # some have become visible
            _show(shown)
        raise
    publish("after_commit", changes)


def _show(changes: Sequence[Change]) -> None:
    for change in changes:
        change.show(changes)


def taken_back(change: Change) -> Change:
    """The way back of a change, as a change."""
    return _Reverse(change)


class _Reverse(Change):
    """The way back of a change, as a change."""

    def __init__(self, change: Change) -> None:
        self.change = change

    def prepare(self) -> None:
        """Nothing to check: reverting leaves alone what others did since."""

    def commit(self) -> None:
        self.change.revert()

    def revert(self) -> None:
        self.change.commit()

    def describe(self) -> ChangeDescription:
        return self.change.describe()

    def show(self, together: Sequence[Change]) -> None:
        inner = [c.change if isinstance(c, _Reverse) else c for c in together]
        self.change.show(inner)
