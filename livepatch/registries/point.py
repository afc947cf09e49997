"""A hook point: a place where the webui calls what is registered, and the changes of it."""

from __future__ import annotations

import difflib
import time
from typing import TYPE_CHECKING, Any, overload

from livepatch.engine import PatchRefused, TargetNotFound
from livepatch.engine.answers import AnswerLine, answer
from livepatch.engine.changing.change import apply
from livepatch.engine.changing.events import remarks
from livepatch.engine.changing.registry import registry
from livepatch.engine.plan.places import position_in
from livepatch.engine.plan.plan import Replan, is_same, layers_on
from livepatch.looking.callables import caller, name_of

from .finding import find_in, shown
from .followed import FollowedPoint
from .registration import Placements, Registration, RegistrationPlacement
from .report import callbacks_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from livepatch.reports import Report

    from .finding import Reference

DONE = {
    "add": "added",
    "mute": "muted",
    "unmute": "unmuted",
    "move": "moved",
    "remove": "removed",
    "replace": "replaced",
}


class HookPoint(FollowedPoint):
    """An event or a hook of the running webui: what it calls there, in the order of its calls.

    Get one by ``lp.callbacks()["step"]`` or ``lp.hooks()["process"]``. What is muted keeps its
    place in it, with the state ``off``. A change is seen by the webui's next call; calls under way
    finish as they began.
    """

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
            ours = (p.layer for p in self.plan if p.layer.is_ours)
            earlier = next((r for r in ours if (r.owner, r.name) == (owner, label)), None)
            if earlier is not None and before is after is index is None:
                return self._exchange(earlier, new, "replace", begun, again=True)
            rest = tuple(p for p in self.plan if p.layer is not earlier)
            position = self._position(asked, before, after, index, rest, len(rest))
            plan = (*rest[:position], RegistrationPlacement(new), *rest[position:])
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
        asked = f"replace {shown(reference)} in {self.path}"
        begun = time.perf_counter()
        self._check(asked, "replace", callback)
        with registry.lock:
            old = self.find(asked, reference)
            item = self.store.make(callback, old.name, old.item)
            own = old.replaces if old.is_ours else old
            new = Registration(self, item, old.name, caller(), is_ours=True, replaces=own)
            return self._exchange(old, new, "replace", begun)

    def remove(self, reference: Reference) -> AnswerLine:
        """Take a registration out; the webui calls it no more.

        Raises:
            TargetNotFound: there is no such registration.
        """
        asked = f"remove {shown(reference)} from {self.path}"
        begun = time.perf_counter()
        self._check(asked, "remove")
        with registry.lock:
            found = self.find(asked, reference)
            plan = tuple(p for p in self.plan if p.layer is not found)
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
            PatchRefused: no place was given, or the order is not ours to choose.
        """
        asked = f"move {shown(reference)} in {self.path}"
        begun = time.perf_counter()
        self._check(asked, "move")
        with registry.lock:
            found = self.find(asked, reference)
            if before is after is index is None:
                raise PatchRefused(asked, "no place was given", "before=…, after=… or index=…")
            old = next(p for p in self.plan if p.layer is found)
            rest = tuple(p for p in self.plan if p is not old)
            position = self._position(asked, before, after, index, rest, len(rest))
            placed = RegistrationPlacement(found, on=old.on)
            return self._apply("move", found, (*rest[:position], placed, *rest[position:]), begun)

    def restore(self) -> AnswerLine:
        """Take everything of ours back: the webui's own, in the webui's order."""
        begun = time.perf_counter()
        with registry.lock:
            change = self.way_back()
            if is_same(self.plan, self.base):
                return answer(f"nothing to restore: {self.path} is the webui's own")
            apply(change)
        return answer(f"restored {self.path}", "the webui's own again", _took(begun))

    def find(self, asked: str, reference: Reference) -> Registration:
        """The registration that is meant.

        Raises:
            TargetNotFound: there is none, or several of that name.
        """
        return find_in(self, asked, reference)

    def report(self) -> Report[Registration]:
        """The registrations as a table."""
        return callbacks_table(self.path[:1].upper() + self.path[1:], [self])

    def _check(self, asked: str, verb: str, callback: Any = None) -> None:
        if verb not in self.store.verbs:
            reason = "" if self.store.verbs else f"; it is {self.note}"
            raise PatchRefused(
                asked,
                f"{self.path}: the webui offers no way to {verb} one there{reason}",
                f"what works there: {', '.join(sorted(self.store.verbs)) or 'nothing'}",
            )
        if verb in ("add", "replace") and not callable(callback):
            raise PatchRefused(
                asked, f"{type(callback).__name__} cannot be called", "give a function"
            )

    def _label(
        self, asked: str, callback: Any, name: str | None, to: str | None
    ) -> tuple[str, Any]:
        """The name of a new registration, and the holder it is for."""
        holders = self.store.holders()
        if not holders:
            if to is not None:
                raise PatchRefused(
                    asked,
                    f"{self.path} is one list, which belongs to no script or extension",
                    "leave to=… out",
                )
            return name or name_of(callback), None
        if to not in holders:
            near = difflib.get_close_matches(str(to), holders) or list(holders)[:8]
            raise TargetNotFound(
                asked,
                f"{'to=… is missing' if to is None else f'nothing is called {to!r}'}; "
                f"it can belong to: {', '.join(near)}",
                f"to={near[0]!r}",
            )
        if any(p.on and p.layer.item.holder is holders[to] for p in self.plan):
            raise PatchRefused(
                asked,
                f"{to} has {self.event} already ({self.find(asked, to).place})",
                f"replace({to!r}, …), or lp.wrap its function",
            )
        return to, holders[to]

    def _switch(self, verb: str, reference: Reference, *, on: bool) -> AnswerLine:
        asked = f"{verb} {shown(reference)} in {self.path}"
        begun = time.perf_counter()
        self._check(asked, "mute")
        with registry.lock:
            found = self.find(asked, reference)
            old = next(p for p in self.plan if p.layer is found)
            if old.on is on:
                state = "is called already" if on else "is muted already"
                return answer(f"nothing to do: {found.name} {state}")
            # The webui's own placement again, where there is one: so it counts as unchanged.
            own = next((p for p in self.base if p.layer is found), None)
            new = own if on and own is not None else RegistrationPlacement(found, on=on)
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
        return position_in(
            asked,
            placements,
            lambda reference: self.find(asked, reference),
            before=before,
            after=after,
            index=index,
            otherwise=default,
            first="index=0 is called first",
            count_off=True,
        )

    def _exchange(
        self,
        old: Registration,
        new: Registration,
        verb: str,
        begun: float,
        *,
        again: bool = False,
    ) -> Registration:
        plan = tuple(RegistrationPlacement(new) if p.layer is old else p for p in self.plan)
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
        text = registration.source if verb in ("add", "replace") else None
        change = Replan(self, plan, verb, registration, text)
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
        calls = layers_on(self.plan)
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
            return [p.layer for p in self.plan]

    def __str__(self) -> str:
        return str(self.report())

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return self.report()._repr_mimebundle_()


def _took(begun: float) -> str:
    return f"{(time.perf_counter() - begun) * 1000:.2f} ms"
