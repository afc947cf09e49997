"""Loading and unloading apps, as the engine's protocol of changes has it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from livepatch.engine.changing.change import Change, ChangeDescription
from livepatch.engine.changing.registry import registry as engine_registry
from livepatch.errors import PatchRefused

from . import dependencies, registry
from .steps import AppStep, Notes
from .tables import Migrated, TableStep, step_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .live import LiveDjango
    from .record import AppRecord

Result = TypeVar("Result")


class AppsChange(Change):
    """The step of some apps from what they are to what they become: all of them or none.

    Args:
        changed: the apps that are other than at the start.
        steps: what becomes of each app.
        verb: the user's verb.
        owner: whose change it is.
        call: the equivalent Python call.
    """

    def __init__(
        self, changed: ChangedApps, steps: list[AppStep], verb: str, owner: str, call: str
    ) -> None:
        self.changed, self.live = changed, changed.live
        self.steps, self.verb, self.owner, self.call = steps, verb, owner, call
        self.notes = Notes()
        self._tables: list[TableStep] = []

    @property
    def asked(self) -> str:
        """The request in words."""
        return f"{self.verb} {', '.join(step.label for step in self.steps)}"

    def prepare(self) -> None:
        """See that the apps are where this step begins or ends."""
        self.live.begin()
        for step in self.steps:
            if step.label not in self.live.placements:
                self.live.placements[step.label] = self.live.start[step.label] = step.before
            present = self.live.placements[step.label]
            if present is not step.before and present is not step.after:
                raise PatchRefused(
                    self.asked,
                    f"{step.label} has been changed again since",
                    "lp.journal has the later steps; undo those first",
                )

    def commit(self) -> None:
        """Make it true: tables, models, registrations, URLs."""
        if self._is(lambda step: step.after):
            return
        self.notes = outside_of_loops(self._move)
        self._take_note()

    def revert(self) -> None:
        """What was before; rows and tables stay where they are not in the way of the old code."""
        if self._is(lambda step: step.before):
            self._take_note()
            return
        self.notes = outside_of_loops(self._move_back)
        self._take_note()

    def _move(self) -> Notes:
        tables = [t for s in self.steps if (t := self._table_step(s)) is not None]
        notes = self.live.move(self.steps, tables, self.asked)
        self._tables = tables
        return notes

    def _move_back(self) -> Notes:
        steps = [step.reversed for step in reversed(self.steps)]
        tables = [t for s in steps if (t := self._table_step_back(s)) is not None]
        return self.live.move(steps, tables, f"take back: {self.asked}")

    def describe(self) -> ChangeDescription:
        """What it is, for the journal."""
        labels = ", ".join(step.label for step in self.steps)
        return ChangeDescription(
            self.verb, f"app {labels}", self.owner, labels, self.call, tuple(self.notes.facts)
        )

    def _is(self, side: Callable[[AppStep], Any]) -> bool:
        placements = self.live.placements
        return all(placements.get(step.label) is side(step) for step in self.steps)

    def _table_step_back(self, step: AppStep) -> TableStep | None:
        for table in self._tables:
            if table.label == step.label and isinstance(table, Migrated):
                if step.after is None:
                    return None  # as at an unload, the tables stay
                return Migrated(table.version, fresh=False, undone=table)
        return self._table_step(step)

    def _table_step(self, step: AppStep) -> TableStep | None:
        old = step.before.version if step.before else None
        new = step.after.version if step.after else None
        return step_for(old, new, self.live.unloaded.get(step.label))

    def _take_note(self) -> None:
        """While an app is other than at the start, everybody knows of it."""
        live, start = self.live, self.live.start
        if all(placed is start.get(label) for label, placed in live.placements.items()):
            engine_registry.changed.pop(id(live), None)
            outside_of_loops(live.end)
        else:
            engine_registry.changed[id(live)] = self.changed


class ChangedApps:
    """The apps that are other than they were when the server started, and the way back.

    Args:
        live: what is published.
        records: what the verbs answered last, by label.
    """

    path = "the apps of Django"

    def __init__(self, live: LiveDjango, records: Mapping[str, AppRecord]) -> None:
        self.live = live
        self.records = records

    def labels(self) -> list[str]:
        """Which they are."""
        placements, start = self.live.placements, self.live.start
        return [label for label, placed in placements.items() if placed is not start.get(label)]

    def own_layers(self) -> list[AppRecord]:
        """Those apps, as what the verbs answer."""
        return [self.records[label] for label in self.labels()]

    def way_back(self) -> Change:
        """The change that makes every app what it was when the server started."""
        changed, configs = self.labels(), registry.live().configs
        order = dependencies.in_order([label for label in changed if label in configs], configs)
        labels = [label for label in reversed(order) if label in changed]
        labels += [label for label in changed if label not in labels]
        placements, start = self.live.placements, self.live.start
        steps = [AppStep(label, placements[label], start.get(label)) for label in labels]
        return AppsChange(self, steps, "restore", "livepatch", "restore_all()")


def outside_of_loops(work: Callable[[], Result]) -> Result:
    """Run work on a thread without an event loop, and wait for it.

    A notebook's cell runs on a thread with a loop, where Django's ORM refuses to work
    (``SynchronousOnlyOperation``).
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(context.run(work))
        except BaseException as error:
            errors.append(error)
        finally:
            _close_connections()

    context = contextvars.copy_context()
    thread = threading.Thread(target=run, name="livepatch-django", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _close_connections() -> None:
    from django.db import connections

    connections.close_all()
