"""One point at which the webui calls what is registered there, and the changes of it."""

from __future__ import annotations

import difflib
import time
import weakref
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, overload

from livepatch.engine import PatchRefused, TargetNotFound
from livepatch.engine.answers import AnswerLine, answer
from livepatch.engine.change import Change, ChangeDescription, apply
from livepatch.engine.events import remarks
from livepatch.engine.registry import registry
from livepatch.reports.callbacks import callbacks_table
from livepatch.web.facts import caller

from .facts import name_of
from .placements import Placement, Placements, carry_over, live
from .registration import Registration
from .timed_store import TimedStore
from .watching import watch

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from livepatch.reports import Report

    from .extension import Owners
    from .registration import State
    from .store import Store
    from .timing import CallMeter

Reference = Any  # a registration, what is called, a name, or its number in the order of calls

_points: weakref.WeakValueDictionary[Hashable, CallPoint] = weakref.WeakValueDictionary()

DONE = {
    "add": "added",
    "mute": "muted",
    "unmute": "unmuted",
    "move": "moved",
    "remove": "removed",
    "replace": "replaced",
}


class CallPoint(Sequence[Registration]):
    """An event or a hook of the running webui: what it calls there, in the order of its calls.

    Get one by ``lp.callbacks()["step"]`` or ``lp.hooks()["process"]``. What is muted keeps its
    place in it, with the state ``off``. A change is seen by the webui's next call; calls under way
    finish as they began.

    Attributes:
        store: where the webui keeps it.
        owners: tells whose a callable is.
        base: the placements without us.
        plan: the placements as the webui has them.
    """

    def __init__(self, store: Store, owners: Owners) -> None:
        self.store = store
        self.owners = owners
        self.base: Placements = ()
        self.plan: Placements = ()

    @property
    def event(self) -> str:
        """The name of the event or hook."""
        return self.store.event

    @property
    def path(self) -> str:
        """What it is, in words."""
        return self.store.path

    @property
    def note(self) -> str:
        """What has to be said of how its registrations are called."""
        return self.store.note

    @property
    def verbs(self) -> frozenset[str]:
        """What can be done here."""
        return self.store.verbs

    @property
    def folded(self) -> bool:
        """Whether a table of all events only counts its registrations."""
        return self.store.folded

    def add(
        self,
        callback: Callable[..., Any],
        *,
        name: str | None = None,
        to: str | None = None,
        before: Reference = None,
        after: Reference = None,
        index: int | None = None,
    ) -> Registration:
        """Have the webui call something more.

        The same owner and name again takes the place of its earlier self.

        Args:
            callback: what shall be called, as the webui calls the others.
            name: what it is called; default: its own name.
            to: of a hook that scripts or extensions have as a method or function: whose it shall
                be.
            before: the registration to be called before; default: after all others.
            after: the registration to be called after.
            index: its number in the order of calls, from 0.

        Returns:
            The registration; ``str(…)`` is the answer line, ``.remove()`` takes it out again.

        Raises:
            PatchRefused: it cannot be called, or nothing can be added here.
            TargetNotFound: there is nothing of that name to stand before or after, or to have it.
        """
        asked = f"add {name_of(callback)} to {self.path}"
        begun = time.perf_counter()
        self._check(asked, "add", callback)
        owner = caller()
        with registry.lock:
            self.refresh()
            label, like = self._label(asked, callback, name, to)
            item = self.store.make(callback, label, like)
            new = Registration(self, item, label, owner, is_ours=True)
            ours = (p.registration for p in self.plan if p.registration.is_ours)
            earlier = next((r for r in ours if (r.owner, r.name) == (owner, label)), None)
            if earlier is not None and before is after is index is None:
                return self._exchange(earlier, new, "replace", begun, again=True)
            rest = tuple(p for p in self.plan if p.registration is not earlier)
            position = self._position(asked, before, after, index, rest, len(rest))
            plan = (*rest[:position], Placement(new), *rest[position:])
            return self._apply("add", new, plan, begun)

    def replace(self, reference: Reference, callback: Callable[..., Any]) -> Registration:
        """Have the webui call something else in the place of a registration.

        Args:
            reference: the registration, what it calls, its name or its number.
            callback: what shall be called.

        Returns:
            The new registration; removing it leaves the place empty, undo puts the old one back.

        Raises:
            PatchRefused: it cannot be called.
            TargetNotFound: there is no such registration.
        """
        asked = f"replace {_shown(reference)} in {self.path}"
        begun = time.perf_counter()
        self._check(asked, "replace", callback)
        with registry.lock:
            old = self.find(asked, reference)
            item = self.store.make(callback, old.name, old.item)
            new = Registration(self, item, old.name, caller(), is_ours=True)
            return self._exchange(old, new, "replace", begun)

    def remove(self, reference: Reference) -> AnswerLine:
        """Take a registration out; the webui calls it no more.

        Raises:
            TargetNotFound: there is no such registration.
        """
        asked = f"remove {_shown(reference)} from {self.path}"
        begun = time.perf_counter()
        self._check(asked, "remove")
        with registry.lock:
            found = self.find(asked, reference)
            plan = tuple(p for p in self.plan if p.registration is not found)
            return AnswerLine(self._apply("remove", found, plan, begun).answer)

    def mute(self, reference: Reference) -> AnswerLine:
        """Let the webui pass a registration by; it keeps its place.

        Raises:
            TargetNotFound: there is no such registration.
        """
        return self._switch("mute", reference, on=False)

    def unmute(self, reference: Reference) -> AnswerLine:
        """Let the webui call a muted registration again, in its old place.

        Raises:
            TargetNotFound: there is no such registration.
        """
        return self._switch("unmute", reference, on=True)

    def move(
        self,
        reference: Reference,
        *,
        before: Reference = None,
        after: Reference = None,
        index: int | None = None,
    ) -> Registration:
        """Have the webui call a registration at another place among the others.

        Args:
            reference: the registration, what it calls, its name or its number.
            before: the registration to be called before.
            after: the registration to be called after.
            index: its number in the order of calls afterwards, from 0.

        Raises:
            TargetNotFound: there is no such registration.
            PatchRefused: no place was said, or the order is not ours to choose.
        """
        asked = f"move {_shown(reference)} in {self.path}"
        begun = time.perf_counter()
        self._check(asked, "move")
        with registry.lock:
            found = self.find(asked, reference)
            if before is after is index is None:
                raise PatchRefused(asked, "no place was said", "before=…, after=… or index=…")
            old = next(p for p in self.plan if p.registration is found)
            rest = tuple(p for p in self.plan if p is not old)
            position = self._position(asked, before, after, index, rest, len(rest))
            placed = Placement(found, old.on)
            return self._apply("move", found, (*rest[:position], placed, *rest[position:]), begun)

    def restore(self) -> AnswerLine:
        """Take everything of ours back: the webui's own, in the webui's order."""
        begun = time.perf_counter()
        with registry.lock:
            change = self.way_back()
            if _same(self.plan, self.base):
                return answer(f"nothing to restore: {self.path} is the webui's own")
            apply(change)
        return answer(f"restored {self.path}", "the webui's own again", _took(begun))

    def find(self, asked: str, reference: Reference) -> Registration:
        """The registration that is meant.

        Raises:
            TargetNotFound: there is none, or several of that name.
        """
        self.refresh()
        found = self._meant(asked, reference)
        if self.states().get(found) == "stale":
            self._gone(asked, found)
        return found

    def _meant(self, asked: str, reference: Reference) -> Registration:
        present = [p.registration for p in self.plan]
        if isinstance(reference, int) and not isinstance(reference, bool):
            if -len(present) <= reference < len(present):
                return present[reference]
            self._not_found(asked, reference)
        meant = [r for r in present if matches(r, reference)]
        exact = [r for r in meant if reference in (r, r.name) or r.callback is reference]
        meant = exact or meant
        if not meant:
            self._not_found(asked, reference)
        if len(meant) > 1:
            numbers = ", ".join(str(present.index(r)) for r in meant)
            raise TargetNotFound(
                asked,
                f"{self.path} has {len(meant)} of that name, number {numbers}",
                f"say which by its number: {present.index(meant[0])}",
            )
        return meant[0]

    def _gone(self, asked: str, registration: Registration) -> NoReturn:
        raise TargetNotFound(
            asked,
            f"{registration.whose()} is not registered any more",
            "lp.undo() brings back what was removed last; while its page reloads, wait a moment",
        )

    def _not_found(self, asked: str, reference: Reference) -> NoReturn:
        if isinstance(reference, Registration) and reference.point is self:
            self._gone(asked, reference)
        names = [p.registration.name for p in self.plan]
        near = difflib.get_close_matches(str(_shown(reference)), names, n=3, cutoff=0.4)
        known = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        advice = f"did you mean {' or '.join(near)}?" if near else "look at what is there"
        raise TargetNotFound(
            asked,
            f"{self.path} has no {_shown(reference)!r}; registered: {known or 'nothing'}",
            f"{advice} (%callbacks, %hooks)" if not near else advice,
        )

    def report(self) -> Report[Any]:
        """The registrations as a table."""
        return callbacks_table(self.path[:1].upper() + self.path[1:], [self])

    def way_back(self) -> Change:
        """The change that takes everything of ours back."""
        self.refresh()
        return Rearrange(self, self.base, "restore", None)

    def own_layers(self) -> list[Registration]:
        """Our registrations, and those of the webui that we muted or moved."""
        return [p.registration for p in self.plan if p not in self.base]

    def state_of(self, registration: Registration) -> State:
        """The state of a registration of this point."""
        return self.states().get(registration, "removed")

    def states(self) -> dict[Registration, State]:
        """The state of each, in the order of calls."""
        with registry.lock:
            self.refresh()
            identity = self.store.identity
            called = {*map(identity, self.store.read())}
            return {
                p.registration: "off"
                if not p.on
                else "active"
                if identity(p.registration.item) in called
                else "stale"
                for p in self.plan
            }

    def take(self, plan: Placements) -> None:
        """Make the webui call these placements."""
        identity = self.store.identity
        wanted = [r.item for r in live(plan)]
        if [*map(identity, wanted)] != [*map(identity, self.store.read())]:
            self.store.write(wanted)
        self._know(plan)

    def measure_by(self, meter: CallMeter | None) -> None:
        """Have the calls timed, or cost nothing again.

        Args:
            meter: what learns of them; None: nobody any more.
        """
        with registry.lock:
            self.refresh()
            plain = self.store.inner if isinstance(self.store, TimedStore) else self.store
            items = [r.item for r in live(self.plan)]
            self.store = plain if meter is None else TimedStore(plain, meter, self)
            self.store.write(items)

    def registration_of(self, item: Any) -> Registration | None:
        """The registration that an item of the webui's data stands for."""
        placed = (p.registration for p in self.plan)
        return next((r for r in placed if r.item is item), None)

    def _know(self, plan: Placements) -> None:
        self.plan = plan
        if _same(plan, self.base):
            self.plan = self.base
            registry.changed.pop(id(self), None)
            watch.leave(self)
        else:
            registry.changed[id(self)] = self
            watch.follow(self)

    def refresh(self, *, is_settled: bool = False) -> None:
        """Look at what the webui has now: it may have registered and dropped others since.

        What it registers anew under the same name, as at a reload of its page, is still the same
        registration: what is muted stays muted, and what is replaced stays replaced.

        Args:
            is_settled: whether an empty registry is empty for good.
        """
        items, identity = self.store.read(), self.store.identity
        expected = [identity(r.item) for r in live(self.plan)]
        # A webui that reloads its page clears its registry first.
        reloads = not items and expected and not is_settled
        if [*map(identity, items)] == expected or reloads:
            return
        known = {identity(p.registration.item): p for p in (*self.base, *self.plan)}
        new = {identity(item): item for item in items if identity(item) not in known}
        came_back = self._taken_up(new, {*map(identity, items)})
        known = {identity(p.registration.item): p for p in (*self.base, *self.plan)}
        found = tuple(known.get(identity(item)) or self._foreign(item) for item in items)
        placed = {p.registration for p in found}
        kept = tuple(p for p in self.plan if not p.on or p.registration in placed)
        shown = tuple(p for p in kept if p.on)
        present = carry_over(shown, kept, found) if len(shown) < len(kept) else found
        webuis = carry_over(self.plan, self.base, present)
        webuis = tuple(p for p in webuis if not p.registration.is_ours)
        plan = carry_over(self.base, self.plan, webuis) if came_back else present
        self.base = webuis
        self.take(plan)

    def _taken_up(self, new: dict[Hashable, Any], present: set[Hashable]) -> bool:
        """Whether the webui registered anew what it had; its registrations stand for that now."""
        identity, store = self.store.identity, self.store
        gone = [p.registration for p in self.base if identity(p.registration.item) not in present]
        came_back = False
        for item in new.values():
            name, place = store.name_of(item), name_of(store.callback_of(item))
            for registration in gone:
                if (registration.name, name_of(registration.callback)) == (name, place):
                    registration.item = item
                    gone.remove(registration)
                    came_back = True
                    break
        if came_back:
            for placement in self.plan:
                if placement.registration.is_ours:
                    mine = placement.registration
                    mine.item = store.renewed(mine.item, mine.name)
        return came_back

    def _foreign(self, item: Any) -> Placement:
        file = self.store.file_of(item)
        owner = self.owners.of(self.store.callback_of(item), file)
        return Placement(Registration(self, item, self.store.name_of(item), owner))

    def own_by(self, owners: Owners) -> None:
        """Tell anew whose the webui's registrations are: it may know other extensions by now."""
        self.owners = owners
        for placement in self.base:
            found, store = placement.registration, self.store
            if not found.is_ours:
                callback = store.callback_of(found.item)
                found.owner = owners.of(callback, store.file_of(found.item))

    def _check(self, asked: str, verb: str, callback: Any = None) -> None:
        if verb not in self.store.verbs:
            reason = "" if self.store.verbs else f"; it is {self.note}"
            raise PatchRefused(
                asked,
                f"{self.path}: the webui leaves no way to {verb} one there{reason}",
                f"what can be done: {', '.join(sorted(self.store.verbs)) or 'nothing'}",
            )
        if verb in ("add", "replace") and not callable(callback):
            raise PatchRefused(
                asked, f"{type(callback).__name__} is nothing that can be called", "give a function"
            )

    def _label(
        self, asked: str, callback: Any, name: str | None, to: str | None
    ) -> tuple[str, Any]:
        """The name of a new registration, and the holder it is for."""
        holders = self.store.holders()
        if not holders:
            if to is not None:
                raise PatchRefused(
                    asked, f"{self.path} is a list: nobody's in particular", "leave to=… out"
                )
            return name or name_of(callback), None
        if to not in holders:
            near = difflib.get_close_matches(str(to), holders) or list(holders)[:8]
            raise TargetNotFound(
                asked,
                f"{'no place was said' if to is None else f'nothing is called {to!r}'}; "
                f"who can have it: {', '.join(near)}",
                f"to={near[0]!r}",
            )
        if any(p.on and p.registration.item.holder is holders[to] for p in self.plan):
            raise PatchRefused(
                asked,
                f"{to} has {self.event} already ({self.find(asked, to).place})",
                f"replace({to!r}, …), or lp.wrap its function",
            )
        return to, holders[to]

    def _switch(self, verb: str, reference: Reference, *, on: bool) -> AnswerLine:
        asked = f"{verb} {_shown(reference)} in {self.path}"
        begun = time.perf_counter()
        self._check(asked, "mute")
        with registry.lock:
            found = self.find(asked, reference)
            old = next(p for p in self.plan if p.registration is found)
            if old.on is on:
                state = "is called already" if on else "is muted already"
                return answer(f"nothing to do: {found.name} {state}")
            # The webui's own placement again, where there is one: so it counts as unchanged.
            own = next((p for p in self.base if p.registration is found), None)
            new = own if on and own is not None else Placement(found, on)
            plan = tuple(new if p is old else p for p in self.plan)
            return AnswerLine(self._apply(verb, found, plan, begun).answer)

    def _position(
        self,
        asked: str,
        before: Reference,
        after: Reference,
        index: int | None,
        placements: Placements,
        default: int,
    ) -> int:
        if sum(given is not None for given in (before, after, index)) > 1:
            raise PatchRefused(asked, "more than one place was said", "give one of them")
        if index is not None:
            size = len(placements)
            if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index <= size:
                raise PatchRefused(
                    asked,
                    f"index={index!r}, but there are {size} others: it goes from 0 to {size}",
                    "before=… or after=… one of them may be easier",
                )
            return index
        if before is None and after is None:
            return default
        other = self.find(asked, after if before is None else before)
        for position, placement in enumerate(placements):
            if placement.registration is other:
                return position + (before is None)
        raise PatchRefused(asked, "it cannot stand before or after itself", "name another one")

    def _exchange(
        self,
        old: Registration,
        new: Registration,
        verb: str,
        begun: float,
        *,
        again: bool = False,
    ) -> Registration:
        plan = tuple(Placement(new) if p.registration is old else p for p in self.plan)
        return self._apply(verb, new, plan, begun, again=again)

    def _apply(
        self,
        verb: str,
        registration: Registration,
        plan: Placements,
        begun: float,
        *,
        again: bool = False,
    ) -> Registration:
        change = Rearrange(self, plan, verb, registration)
        apply(change)
        preposition = {"add": "to", "remove": "from"}.get(verb, "in")
        again_text = " again" if again else ""
        registration.answer = answer(
            f"{DONE[verb]} {registration.name} {preposition} {self.path}{again_text}",
            f"{registration.owner}'s" if verb != "add" else self._number(registration),
            _took(begun),
            *([self.note] if self.note and verb in ("add", "move") else []),
            *remarks([change]),
        )
        return registration

    def _number(self, registration: Registration) -> str:
        calls = live(self.plan)
        return f"number {calls.index(registration)} of {len(calls)}"

    @overload
    def __getitem__(self, index: int | str) -> Registration: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Registration]: ...
    def __getitem__(self, index: int | str | slice) -> Registration | Sequence[Registration]:
        if isinstance(index, str):
            return self.find(f"look at {index} in {self.path}", index)
        return self._all()[index]

    def __len__(self) -> int:
        return len(self._all())

    def __iter__(self) -> Iterator[Registration]:
        return iter(self._all())

    def _all(self) -> list[Registration]:
        with registry.lock:
            self.refresh()
            return [p.registration for p in self.plan]

    def __str__(self) -> str:
        return str(self.report())

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return self.report()._repr_mimebundle_()


class Rearrange(Change):
    """The step of a point from its present placements to others."""

    def __init__(
        self, point: CallPoint, after: Placements, verb: str, registration: Registration | None
    ) -> None:
        self.point = point
        self.before = point.plan
        self.after = after
        self.verb = verb
        self.registration = registration

    def prepare(self) -> None:
        """Look at what the webui has now."""
        self.point.refresh()

    def commit(self) -> None:
        """Make the webui call the placements after the step."""
        self.point.take(carry_over(self.before, self.after, self.point.plan))

    def revert(self) -> None:
        """Make it call those before the step, with what others did since."""
        self.point.take(carry_over(self.after, self.before, self.point.plan))

    def describe(self) -> ChangeDescription:
        """What it is, for the journal."""
        about = self.registration
        if about is None:
            return ChangeDescription(self.verb, self.point.path, "livepatch", "everything")
        text = about.source if self.verb in ("add", "replace") else None
        return ChangeDescription(self.verb, self.point.path, about.owner, about.name, text)


def point_of(store: Store, owners: Owners) -> CallPoint:
    """The point over a store; the same object for the same data of the webui."""
    with registry.lock:
        point = _points.get(store.key)
        if point is None:
            point = _points[store.key] = CallPoint(store, owners)
        elif _same(point.plan, point.base) and not isinstance(point.store, TimedStore):
            point.store = store
        point.own_by(owners)
        point.refresh()
        return point


def look_again() -> None:
    """Look at every point anew: the webui's registries are as they shall be."""
    with registry.lock:
        for point in list(_points.values()):
            point.refresh(is_settled=True)


def matches(registration: Registration, reference: Reference) -> bool:
    """Whether a reference may mean a registration: itself, its callable, or a name it has."""
    if reference is registration:
        return True
    if isinstance(reference, str):
        names = registration.name, name_of(registration.callback), registration.path
        return reference in names or registration.name.endswith(f"/{reference}")
    callback = registration.callback
    # Two looks at one bound method give two objects that are equal.
    return bool(callback is reference) or (
        type(callback) is type(reference) and callable(reference) and callback == reference
    )


def _same(one: Placements, other: Placements) -> bool:
    return [(p.registration, p.on) for p in one] == [(p.registration, p.on) for p in other]


def _shown(reference: Reference) -> Any:
    if isinstance(reference, (int, str)):
        return reference
    return reference.name if isinstance(reference, Registration) else name_of(reference)


def _took(begun: float) -> str:
    return f"{(time.perf_counter() - begun) * 1000:.2f} ms"
