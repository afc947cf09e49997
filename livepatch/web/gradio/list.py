"""The events of one Gradio page, and livepatch's changes of them.

Gradio keeps an event in one object that every session shares, so a change of that object reaches
open pages too. What new pages and clients are told (the config, the API description) follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livepatch.engine.changing.registry import registry
from livepatch.looking.callables import file_of, name_of
from livepatch.web.operations import (
    Operation,
    OperationLayer,
    OperationList,
    OperationPlacement,
    Operations,
    renewed,
)
from livepatch.web.routes.openapi import await_calls

from .functions import Streams, attributes_for, config_of, fitting, silent, streams

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from livepatch.measure import Meter

    Timed = Callable[[Any, Any], Any]


class EventLayer(OperationLayer):
    """One change of an event: what ``replace`` and ``mute`` answer."""


class EventList(OperationList):
    """The events of a page.

    Attributes:
        blocks: the page, a ``gradio.Blocks``.
        apps: the apps that serve it and keep descriptions of it.
        meter: what can time it, once somebody asked for one.
        timed: makes a timed function of one that an event runs; None: nothing is timed now.
    """

    def __init__(self, blocks: Any, path: str) -> None:
        super().__init__(path)
        self.blocks = blocks
        self.apps: list[Any] = []
        self._own: dict[int, dict[str, Any]] = {}
        self._written: dict[int, Any] = {}
        self._streams: dict[int, Streams] = {}
        self._own_config: Any = None
        self._shown_config: Any = None
        self.meter: Meter | None = None
        self.timed: Timed | None = None

    def events(self) -> dict[int, Any]:
        """Gradio's own object of each event, by the number that clients call it by."""
        events = self.blocks.fns
        return dict(events) if isinstance(events, dict) else dict(enumerate(events))

    @property
    def has_queue(self) -> bool:
        """Whether the page has a queue, which streams need: before Gradio 4 it may have none."""
        return bool(getattr(self.blocks, "enable_queue", True))

    def renew(self, blocks: Any) -> None:
        """Go on with the page that the webui has made in the place of this one.

        Args:
            blocks: the new page, a ``gradio.Blocks``.
        """
        before, shown = [*self.events().values()], self.published
        again_by = self._known_by
        known = {id(event): again_by(event) for event in before}
        for key in [*self._written]:
            self._forget(key)
        self.blocks, self.apps, self.published = blocks, [], ()
        self._own_config = self._shown_config = None
        again = renewed(
            before, self.events().values(), lambda event: known.get(id(event)) or again_by(event)
        )
        for placement in self.plan:
            slot, new, anchor = placement.patch
            # Not another placement: undo and redo know it by this one.
            placement.patch = Operation(again.get(id(slot), slot), new, anchor)
        self.publish(shown)

    def _known_by(self, event: Any) -> Hashable:
        own = self.own_function(event)
        return getattr(event, "api_name", None) or "", name_of(own) if own else "", file_of(own)

    def refresh(self) -> None:
        """Nothing to carry over: an event is the webui's again as soon as someone assigns it."""

    def effective(self, slot: Any, operations: Operations) -> OperationPlacement | None:
        """Of the operations on an event the one that counts: a mute, else the last that is on."""
        on = [o for o in operations if o.on and o.patch.slot is slot]
        counting = [o for o in on if o.layer.verb == "mute"] or on
        return counting[-1] if counting else None

    def mutes_of(self, event: Any) -> list[OperationPlacement]:
        """What mutes an event, the first first."""
        return [o for o in self.plan if o.patch.slot is event and o.layer.verb == "mute"]

    def own_function(self, event: Any) -> Any:
        """The webui's own function of an event."""
        return self._own.get(id(event), {"fn": event.fn})["fn"]

    def function(self, event: Any) -> Any:
        """The function that an event runs, as the user gave it."""
        operation = self.effective(event, self.plan)
        return self.own_function(event) if operation is None else operation.layer.function

    def is_foreign(self, event: Any) -> bool:
        """Whether someone else gave an event another function since we did."""
        return id(event) in self._written and event.fn is not self._written[id(event)]

    def has_effect(self, operation: OperationPlacement) -> bool:
        """Whether the page still has the event, and what was put there."""
        present = any(event is operation.patch.slot for event in self.events().values())
        return present and not self.is_foreign(operation.patch.slot)

    def publish(self, shown: Operations) -> None:
        """Give the events their functions, then tell whoever describes them."""
        touched = {id(o.patch.slot): o.patch.slot for o in (*self.published, *shown)}
        self.published = shown
        for event in touched.values():
            self._put(event, self.effective(event, shown))
        self._describe(touched)

    def measure_by(self, timed: Timed | None) -> None:
        """Let the calls that come from now on be timed, or no longer; clients notice nothing."""
        self.timed = timed
        running = [event for event in self.events().values() if event.fn is not None]
        for event in running:
            self._put(event, self.effective(event, self.published))

    def _put(self, event: Any, operation: OperationPlacement | None) -> None:
        key = id(event)
        if self.is_foreign(event):
            if operation is None:
                # Who gave it another function did so to the webui's own: the rest was ours.
                own = {name: value for name, value in self._own[key].items() if name != "fn"}
                vars(event).update(own)
                self._forget(key)
            return
        if key not in self._own:
            self._own[key] = {n: getattr(event, n) for n in attributes_for(event, event.fn)}
        own = self._own[key]
        counter = self._streams.get(key)
        if operation is None:
            attributes = own
            if counter is not None and counter.running and not streams(own["fn"]):
                # A stream of ours is under way: Gradio would take it for a plain call's answer.
                attributes = {**own, **attributes_for(event, fitting(own["fn"], event.fn))}
                counter.when_done = lambda: self._settle(event)
        else:
            new = operation.patch.new
            if operation.layer.verb == "mute":
                new = silent(self.function_below(event, operation), event)
            new = fitting(new, own["fn"])
            if streams(new) and not streams(own["fn"]):
                counter = self._streams.setdefault(key, Streams())
                counter.when_done = None
                new = counter.counting(new)
            elif counter is not None and counter.running:
                new = fitting(new, event.fn)
            attributes = {**own, **attributes_for(event, new)}
        if self.timed is not None and attributes["fn"] is not None:
            attributes = {**attributes, "fn": self.timed(event, attributes["fn"])}
        self._written[key] = attributes["fn"]
        # One call that no other thread gets in between of: a request sees all of it or none.
        vars(event).update(attributes)
        if operation is None and attributes is own:
            self._forget(key)

    def function_below(self, event: Any, muted: OperationPlacement) -> Any:
        """The function whose signature a muted event keeps: its clients are told the same."""
        below = tuple(o for o in self.published if o is not muted and o.layer.verb != "mute")
        operation = self.effective(event, below)
        return self.own_function(event) if operation is None else operation.patch.new

    def _settle(self, event: Any) -> None:
        """Give an event its own function back, now that no stream of ours runs any more."""
        with registry.lock:
            if self.effective(event, self.published) is None and id(event) in self._own:
                self._streams.pop(id(event), None)
                self._put(event, None)
                self._describe({id(event): event})

    def _forget(self, key: int) -> None:
        for known in (self._own, self._written, self._streams):
            known.pop(key, None)

    def _describe(self, touched: dict[int, Any]) -> None:
        """Let the config and the API description say what the events are now."""
        config = getattr(self.blocks, "config", None)
        if isinstance(config, dict):
            numbers = {number: e for number, e in self.events().items() if id(e) in touched}
            if config is not self._shown_config:  # nothing of ours is in it
                self._own_config = config
            own = self._own_config
            described = [
                self._described(entry, own_entry, numbers.get(entry.get("id", position)))
                for position, (entry, own_entry) in enumerate(
                    zip(config.get("dependencies", []), own.get("dependencies", []), strict=True)
                )
            ]
            new = {**config, "dependencies": described}
            if not self.published and described == own.get("dependencies"):
                # Gradio notes other things in whichever it finds, at a request.
                own.update((name, config[name]) for name in config if name != "dependencies")
                new = own
            self.blocks.config = new
            self._own_config, self._shown_config = (own, new) if self._own else (None, None)
        await_calls(getattr(type(self.blocks), "get_api_info", None))
        for app in self.apps:
            _forget_descriptions(app)
        server: Any = getattr(self.blocks, "mcp_server_obj", None)
        if getattr(server, "api_info", None):
            server.api_info = self.blocks.get_api_info()

    def _described(
        self, entry: dict[str, Any], own_entry: dict[str, Any], event: Any
    ) -> dict[str, Any]:
        """What the config says of an event.

        Args:
            entry: what it says now.
            own_entry: what it said before livepatch changed anything.
            event: Gradio's own object; None where nothing has changed.
        """
        if event is None:
            return entry
        if hasattr(event, "get_config"):
            return {**entry, **event.get_config()}
        if id(event) not in self._own:  # before Gradio 4.30: only the config knows of these
            return own_entry
        return {**entry, **config_of(entry, event.fn)}


def _forget_descriptions(app: Any) -> None:
    for name in ("api_info", "all_app_info"):
        if hasattr(app, name):
            setattr(app, name, None)
    if isinstance(getattr(app, "page_api_info", None), dict):
        app.page_api_info = {}


def with_apps(events: EventList, apps: Iterable[Any]) -> EventList:
    """Note the apps that serve the page."""
    for app in apps:
        if app is not None and not any(app is known for known in events.apps):
            events.apps.append(app)
    return events
