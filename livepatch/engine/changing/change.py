"""The one protocol of a change, and the one door through which every change goes.

Layers on functions, values, middleware, callbacks, hooks, routes: whatever changes the webui is a
:class:`Change`. Transactions, undo, redo, the journal and reports are written once, against this
protocol. Only traces (``layers/trace.py``) are steps that nobody records: they change no result.
"""

from __future__ import annotations

import contextlib
import contextvars
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import PatchRefused, is_refusal
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

    Attributes:
        is_recorded: whether it is a part of the step that the journal records. One that only takes
            note of what the webui's own is by now is taken back where its step fails, not by undo.
    """

    is_recorded = True

    def first(self) -> Sequence[Change]:
        """What has to become true before it, in either direction; changes nothing."""
        return ()

    @abstractmethod
    def prepare(self) -> None:
        """Raise what stands against the commit or the revert.

        Called by :func:`_prepared` alone, with ``registry.lock`` held: after every ``first()``,
        before any commit. It may note how things are, and changes nothing in the webui.
        """

    @abstractmethod
    def commit(self) -> None:
        """Make it true."""

    @abstractmethod
    def revert(self) -> None:
        """Make true again what was before the commit; leave alone what others did since.

        Where that cannot be done it raises. Layers that it could not take away have to stay
        listed, so that a later restore takes them back: see ``Restack.revert``.
        """

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


Stuck = tuple[str, Exception]  # what could not be made or taken back, and why


@dataclass(eq=False)
class Step:
    """Changes that became true together: one step for undo and redo."""

    changes: list[Change] = field(default_factory=list)
    closed: bool = False
    outer: Step | None = field(default=None, repr=False)  # of a transaction inside another
    # What else a rollback takes back: changes that wait for a safe point are not true yet.
    taken_back: list[Callable[[], object]] = field(default_factory=list, repr=False)

    def is_over(self) -> bool:
        """Whether only an undo can still take it back."""
        return self.closed and (self.outer is None or self.outer.is_over())

    def redo(self) -> None:
        """Make all of it true, or none."""
        with registry.lock:
            changes = [*_prepared(self.changes), *self.changes]
            masked(lambda: _all_or_nothing(changes, shown=self.changes))

    def undo(self) -> None:
        """Make all of it untrue, or none."""
        with registry.lock:
            shown = self.changes[::-1]
            changes = [*_prepared(self.changes), *map(_Reverse, shown)]
            masked(lambda: _all_or_nothing(changes, shown=shown))

    def roll_back(self) -> None:
        """Make all of it untrue that can be; raise at the end what stood against the rest.

        A change whose revert fails is committed again, so that it is whole, and is named.
        """
        stuck: list[Stuck] = []
        with registry.lock:
            for take_back in reversed(self.taken_back):
                take_back()
            for change in reversed(self.changes):
                try:
                    _all_or_nothing([*_prepared([change]), _Reverse(change)])
                except Exception as error:
                    stuck.append((change.describe().target, error))
        if stuck:
            raise left_over("take back a transaction", stuck)


_open_step: contextvars.ContextVar[Step | None] = contextvars.ContextVar(
    "livepatch_open_step", default=None
)


def open_step() -> Step | None:
    """The step of the transaction that this code runs in, if any."""
    step = _open_step.get()
    # A task that was begun inside a transaction may outlive it.
    return None if step is None or step.closed else step


def apply(*changes: Change, recorded: bool = True) -> None:
    """Make changes true: all of them or none, and one step for undo.

    Inside :func:`transaction` they join the step of the transaction.

    Args:
        changes: the changes.
        recorded: whether they are a step of the journal; an extension's own changes are not.

    Raises:
        LivepatchError: a change was refused; nothing has changed.
        KeyboardInterrupt: an interrupt came while the changes were made; they are all true.
    """
    joined = open_step()
    step = Step([change for change in changes if recorded and change.is_recorded])
    with registry.lock:
        made = [*_prepared(changes), *changes]

        def commit() -> None:
            _all_or_nothing(made, shown=made if joined is None else ())
            _join(step, made, joined)

        masked(commit)


def apply_each(*changes: Change) -> list[Stuck]:
    """Make as many changes true as can be, as one step for undo.

    Returns:
        The targets of the others, each with what stood against it.
    """
    joined, step = open_step(), Step()
    barred: list[Stuck] = []
    ready: list[list[Change]] = []
    with registry.lock:
        for change in changes:
            try:
                ready.append([*_prepared([change]), change])
            except Exception as error:
                barred.append((change.describe().target, error))
        failed: list[Stuck] = []

        def commit() -> None:
            failed.clear()
            made = _as_many_as_can_be(ready, failed, is_shown=joined is None)
            step.changes = [change for change in made if change.is_recorded]
            _join(step, made, joined)

        masked(commit)
    return [*barred, *failed]


@contextlib.contextmanager
def transaction(*, recorded: bool = True) -> Iterator[Step]:
    """All changes made in the ``with`` body, or none of them.

    Each change is true as soon as its verb has answered, so that the body can look at what it does;
    requests to a webui see its middleware change once, as the outermost body ends. When the body
    raises, everything done in it is taken back and the exception passes on; where something cannot
    be taken back, an error that names it is raised instead, with the body's exception as its
    ``__context__``. It is one step for undo and redo.

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
                    try:
                        step.roll_back()
                    finally:
                        _show(step.changes)
                    raise
            step.changes = [change for change in step.changes if change.is_recorded]
            if recorded and step.changes:
                publish("step", step)

    try:
        _open_step.set(step)
        yield step
        complete = True
    finally:
        certainly(end)


def _prepared(changes: Sequence[Change]) -> list[Change]:
    """Prepare changes; answer what has to become true before them."""
    first = [one for change in changes for one in change.first()]
    for change in (*first, *changes):
        change.prepare()
    return first


def _join(step: Step, made: Sequence[Change], joined: Step | None) -> None:
    """Let a step that has become true be known, or join that of a transaction."""
    if joined is not None:
        joined.changes.extend(change for change in made if change not in joined.changes)
    elif step.changes:
        publish("step", step)


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
    except BaseException as error:
        stuck = _take_back(begun)
        if showing:  # some have become visible
            _show(shown)
        if not stuck or not isinstance(error, Exception):
            raise
        last = begun[-1].describe()
        asked = getattr(error, "asked", f"{last.verb} {last.target}")
        raise left_over(asked, stuck, because=error) from error
    publish("after_commit", changes)


def _take_back(changes: Sequence[Change]) -> list[Stuck]:
    """Revert changes, the last first, each whatever becomes of the others."""
    stuck: list[Stuck] = []
    for change in reversed(changes):
        try:
            change.revert()
        except Exception as error:
            stuck.append((change.describe().target, error))
    return stuck


def _as_many_as_can_be(
    groups: Sequence[Sequence[Change]], failed: list[Stuck], *, is_shown: bool
) -> list[Change]:
    """Make groups of changes true: together, or else each for itself."""
    made = [change for group in groups for change in group]
    try:
        _all_or_nothing(made, shown=made if is_shown else ())
    except Exception:
        made = []
    else:
        return made
    for group in groups:
        try:
            _all_or_nothing(group, shown=group if is_shown else ())
        except Exception as error:
            failed.append((group[-1].describe().target, error))
        else:
            made += group
    return made


def left_over(asked: str, stuck: Sequence[Stuck], *, because: Exception | None = None) -> Exception:
    """The error that names everything that stays though it was to go.

    Args:
        asked: the user's request in words.
        stuck: what stays.
        because: what was the reason to take it back.
    """
    if len(stuck) == 1 and because is None and is_refusal(stuck[0][1]):
        return stuck[0][1]
    kinds = {type(error) for _, error in stuck if is_refusal(error)}
    several = len(kinds) == 1 and all(is_refusal(error) for _, error in stuck)
    kind: Any = kinds.pop() if several and because is None else PatchRefused
    named = "; ".join(f"{target}: {_why(error)}" for target, error in stuck)
    error: Exception = kind(
        asked,
        f"{_why(because)}; not taken back: {named}" if because else f"not taken back: {named}",
        "fix the cause, then lp.restore_all() takes it back; until then lp.patches() lists it",
    )
    return error


def _why(error: Exception) -> str:
    found = getattr(error, "found", None)
    return str(found) if found else f"{type(error).__name__}: {error}"


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

    def first(self) -> Sequence[Change]:
        return self.change.first()

    def prepare(self) -> None:
        self.change.prepare()

    def commit(self) -> None:
        self.change.revert()

    def revert(self) -> None:
        self.change.commit()

    def describe(self) -> ChangeDescription:
        return self.change.describe()

    def show(self, together: Sequence[Change]) -> None:
        inner = [c.change if isinstance(c, _Reverse) else c for c in together]
        self.change.show(inner)
