"""Follows what a webui registers and drops at one hook point, beside livepatch's changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livepatch.engine.changing.registry import registry
from livepatch.engine.plan.plan import Replan, carry_over, is_same, layers_on
from livepatch.looking.callables import name_of

from .registration import Placements, Point, Registration, RegistrationPlacement
from .timed_store import TimedStore
from .watching import watch

if TYPE_CHECKING:
    from collections.abc import Hashable

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
            identity = self.store.identity
            called = {*map(identity, self.store.read())}
            return {
                p.layer: "off"
                if not p.on
                else "active"
                if identity(p.layer.item) in called
                else "stale"
                for p in self.plan
            }

    def look_again(self, _verb: str) -> None:
        """Look at what the webui has now, for a change."""
        self.refresh()

    def take_plan(self, plan: Placements) -> None:
        """Make the webui call these placements."""
        identity, present = self.store.identity, self.store.read()
        wanted = layers_on(plan)
        if self._is_reloading(present):  # what was there is the webui's to register anew
            wanted = [r for r in wanted if r.is_ours and r not in layers_on(self.plan)]
        items = [r.item for r in wanted]
        if [*map(identity, items)] != [*map(identity, present)]:
            self.store.write(items)
        self._on_change(plan)

    def measure_by(self, timed: Timed | None) -> None:
        """Have the calls timed, or cost nothing again."""
        with registry.lock:
            self.refresh()
            plain = self.store.inner if isinstance(self.store, TimedStore) else self.store
            items = [r.item for r in layers_on(self.plan)]
            self.store = plain if timed is None else TimedStore(plain, self, timed)
            self.store.write(items)

    def _on_change(self, plan: Placements) -> None:
        self.plan = plan
        if is_same(plan, self.base):
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
        expected = [identity(r.item) for r in layers_on(self.plan)]
        waits = not is_settled and self._is_reloading(items)
        if [*map(identity, items)] == expected or waits:
            return
        known = {identity(p.layer.item): p for p in (*self.base, *self.plan)}
        new = {identity(item): item for item in items if identity(item) not in known}
        came_back = self._taken_up(new, {*map(identity, items)})
        known = {identity(p.layer.item): p for p in (*self.base, *self.plan)}
        found = tuple(known.get(identity(item)) or self._foreign(item) for item in items)
        placed = {p.layer for p in found}
        kept = tuple(p for p in self.plan if not p.on or p.layer in placed)
        shown = tuple(p for p in kept if p.on)
        present = carry_over(shown, kept, found) if len(shown) < len(kept) else found
        webuis = carry_over(self.plan, self.base, present)
        webuis = tuple(p for p in webuis if not p.layer.is_ours)
        plan = carry_over(self.base, self.plan, webuis) if came_back else present
        self.base = webuis
        self.take_plan(plan)

    def _is_reloading(self, items: list[Any]) -> bool:
        """Whether the webui may have begun to reload its page: it clears its registry first.

        Where nothing is ours there is nothing to keep for what it registers anew.
        """
        return not items and self.plan is not self.base and bool(layers_on(self.plan))

    def _taken_up(self, new: dict[Hashable, Any], present: set[Hashable]) -> bool:
        """Whether the webui registered anew what it had; its registrations stand for that now."""
        identity, store = self.store.identity, self.store
        gone = [p.layer for p in self.base if identity(p.layer.item) not in present]
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
                if placement.layer.is_ours:
                    mine = placement.layer
                    mine.item = store.renewed(mine.item, mine.name)
        return came_back

    def _foreign(self, item: Any) -> RegistrationPlacement:
        file = self.store.file_of(item)
        owner = self.owners.of(self.store.callback_of(item), file)
        return RegistrationPlacement(Registration(self, item, self.store.name_of(item), owner))

    def own_by(self, owners: Owners) -> None:
        """Tell anew whose the webui's registrations are: it may know other extensions by now."""
        self.owners = owners
        for placement in self.base:
            found, store = placement.layer, self.store
            if not found.is_ours:
                callback = store.callback_of(found.item)
                found.owner = owners.of(callback, store.file_of(found.item))
