"""Follows what a webui registers and drops at one hook point, beside livepatch's changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livepatch.engine import PatchRefused
from livepatch.engine.changing.registry import registry
from livepatch.engine.plan.plan import Replan, carry_over, is_same, layers_on

from .registration import Placements, Point, Registration, RegistrationPlacement
from .timed_store import TimedStore
from .watching import watch

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from livepatch.engine.changing.change import Change

    from .extension import Owners
    from .registration import State, Timed
    from .store import Store


class FollowedPoint(Point):
    """The registrations of one point: the webui's, ours among them, and the way back.

    Attributes:
        owners: tells whose a callable is.
        base: the placements without us.
    """

    def __init__(self, store: Store, owners: Owners) -> None:
        self.store = store
        self.owners = owners
        self.base: Placements = ()
        self.plan: Placements = ()
        self.barred: dict[Registration, str] = {}

    def way_back(self) -> Change:
        """The change that takes everything of ours back."""
        self.refresh()
        return Replan(self, self.base, "restore")

    def own_layers(self) -> list[Registration]:
        """Our registrations, and those of the webui that we muted or moved."""
        return [p.layer for p in self.plan if p not in self.base]

    def states(self) -> dict[Registration, State]:
        """The state of each, in the order of calls."""
        with registry.lock:
            self.refresh()
            called = {*map(self.store.identity, self.store.read())}
            return {p.layer: self._state(p, called) for p in self.plan}

    def _state(self, placement: RegistrationPlacement, called: set[Hashable]) -> State:
        registration = placement.layer
        if registration in self.barred:
            return "stale"
        if not placement.on:
            return "off"
        return "active" if self.store.identity(registration.item) in called else "stale"

    def look_again(self, verb: str) -> None:
        """Look at what the webui has now, for a change.

        Raises:
            PatchRefused: the webui is making it anew, and would drop what is put there now.
        """
        self.refresh()
        if verb not in ("restore", "remove") and self.store.is_registering():
            raise PatchRefused(
                f"{verb} · {self.path}",
                "the webui is reloading its page: it has dropped what was registered, and "
                "registers everything anew",
                "try again when its page is there",
            )

    def take_plan(self, plan: Placements) -> None:
        """Make the webui call these placements; what it makes anew gets them once it is done."""
        self.plan = plan
        if is_same(plan, self.base):
            self.base = tuple(p for p in self.base if p.layer not in self.barred)
            self.plan, self.barred = self.base, {}
        if not self.store.is_registering():
            self._write()
        if self.plan is self.base:
            registry.changed.pop(id(self), None)
            watch.leave(self)
        else:
            registry.changed[id(self)] = self
            watch.follow(self)

    def _write(self) -> None:
        identity = self.store.identity
        items = [r.item for r in self._called()]
        if [*map(identity, items)] != [*map(identity, self.store.read())]:
            self.store.write(items)
        self.store.settle()

    def _called(self) -> list[Registration]:
        """What the webui shall call now, in the order of the calls."""
        return [r for r in layers_on(self.plan) if r not in self.barred]

    def measure_by(self, timed: Timed | None) -> None:
        """Have the calls timed, or cost nothing again."""
        with registry.lock:
            self.refresh()
            plain = self.store.inner if isinstance(self.store, TimedStore) else self.store
            items = [r.item for r in self._called()]
            self.store = plain if timed is None else TimedStore(plain, self, timed)
            self.store.write(items)

    def refresh(self) -> None:
        """Look at what the webui has now: it may have registered and dropped others since.

        While it makes all of it anew, as at a reload of its page, it is left alone. What it then
        has under the same name is still the same registration: what is muted stays muted, what is
        replaced stays replaced, and what was added is added again.
        """
        store = self.store
        if store.is_registering():
            return
        own, items = store.own_items(), store.read()
        if own is not None:
            self._take_anew(items, own)
        elif self._identities(items) != self._identities(r.item for r in self._called()):
            self._take_others_changes(items)

    def _identities(self, items: Iterable[Any]) -> list[Hashable]:
        return [*map(self.store.identity, items)]

    def _take_anew(self, items: list[Any], own: list[Any]) -> None:
        """What the webui itself has now is known, whatever we did to it: our steps go upon it."""
        known = [p.layer.item for p in self.base if p.layer not in self.barred]
        called = (r.item for r in self._called())
        # What has no place yet may have one by now, though the webui's own have not changed.
        as_known = not self.barred and self._identities(own) == self._identities(known)
        if as_known and self._identities(items) == self._identities(called):
            self.store.settle()
            return
        before, found = self.base, self._placed(own)
        kept = [p for p in before if p in found or self._is_changed(p)]
        self.base = carry_over(tuple(p for p in kept if p in found), tuple(kept), found)
        plan = carry_over(before, self.plan, self.base)
        for mine in (p.layer for p in plan if p.layer.is_ours):
            mine.item = self.store.renewed(mine.item, mine.name)
        self.barred = self._bar(plan, [p.layer for p in kept if p not in found])
        self.take_plan(plan)

    def _is_changed(self, own: RegistrationPlacement) -> bool:
        """Whether one of the webui's own is muted, moved or replaced."""
        return own not in self.plan or any(p.layer.replaces is own.layer for p in self.plan)

    def _placed(self, own: list[Any]) -> Placements:
        """The webui's own; what it had before under the same name stands for itself again."""
        identity, store = self.store.identity, self.store
        known = {identity(p.layer.item): p for p in self.base}
        there = {*self._identities(own)}
        waiting = [p for p in self.base if identity(p.layer.item) not in there]
        found = []
        for item in own:
            placement = known.get(identity(item))
            if placement is None:
                again = store.again(item)
                same = (p for p in waiting if p.layer.again == again)
                placement = next((p for p in same if store.follows(p.layer.item, item)), None)
                if placement is not None:
                    waiting.remove(placement)
                    placement.layer.item = item
            found.append(placement or self._foreign(item))
        return tuple(found)

    def _bar(self, plan: Placements, absent: list[Registration]) -> dict[Registration, str]:
        """What has no place in what the webui has now, each with the reason."""
        store = self.store
        barred = {r: store.missing(r.item) for r in absent}
        shown = [p.layer for p in plan if p.on and not p.layer.is_ours and p.layer not in barred]
        for placement in plan:
            mine = placement.layer
            if not mine.is_ours:
                continue
            why = barred.get(mine.replaces, "") if mine.replaces is not None else ""
            ways = (store.in_the_way(mine.item, r.item) for r in shown)
            why = why or store.homeless(mine.item) or next(filter(None, ways), "")
            if why:
                barred[mine] = why
        return barred

    def _take_others_changes(self, items: list[Any]) -> None:
        """Someone put something there or took it out: that is how it is now."""
        identity = self.store.identity
        called = {id(r) for r in self._called()}
        known = {identity(p.layer.item): p for p in (*self.base, *self.plan)}
        new = {identity(item): item for item in items if identity(item) not in known}
        came_back = self._taken_up(new, {*map(identity, items)})
        known = {identity(p.layer.item): p for p in (*self.base, *self.plan)}
        found = tuple(known.get(identity(item)) or self._foreign(item) for item in items)
        placed = {p.layer for p in found}
        kept = tuple(p for p in self.plan if id(p.layer) not in called or p.layer in placed)
        shown = tuple(p for p in kept if id(p.layer) in called)
        present = carry_over(shown, kept, found) if len(shown) < len(kept) else found
        webuis = carry_over(self.plan, self.base, present)
        webuis = tuple(p for p in webuis if not p.layer.is_ours)
        plan = carry_over(self.base, self.plan, webuis) if came_back else present
        self.base = webuis
        self.take_plan(plan)

    def _taken_up(self, new: dict[Hashable, Any], present: set[Hashable]) -> bool:
        """Whether someone registered anew what there was; that stands for itself again."""
        identity, store = self.store.identity, self.store
        gone = [p.layer for p in self.base if identity(p.layer.item) not in present]
        came_back = False
        for item in new.values():
            again = store.again(item)
            registration = next((r for r in gone if r.again == again), None)
            if registration is not None:
                registration.item = item
                gone.remove(registration)
                came_back = True
        return came_back

    def _foreign(self, item: Any) -> RegistrationPlacement:
        file = self.store.file_of(item)
        owner = self.owners.of(self.store.callback_of(item), file)
        found = Registration(self, item, self.store.name_of(item), owner)
        found.again = self.store.again(item)
        return RegistrationPlacement(found)

    def own_by(self, owners: Owners) -> None:
        """Tell anew whose the webui's registrations are: it may know other extensions by now."""
        self.owners = owners
        for placement in self.base:
            found, store = placement.layer, self.store
            if not found.is_ours:
                callback = store.callback_of(found.item)
                found.owner = owners.of(callback, store.file_of(found.item))
