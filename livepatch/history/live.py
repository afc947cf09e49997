"""Finds what was live at the end of a session, by following its steps one by one.

A layer on a function comes with its step and goes with the step that names it as gone. Of anything
else (middleware, routes, callbacks, extensions, apps) the verbs say what takes back what.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from .shapes import is_step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .lines import Line

Identity = tuple[str, str, str]

# A verb, and the verb that it takes back when that made the entry.
TAKES_BACK = {
    "remove": "add",
    "unload": "load",
    "load": "unload",
    "unmute": "mute",
    "switch on": "switch off",
    "enable": "disable",
}
SWITCHES = {"unmute": True, "switch on": True, "enable": True} | {
    "mute": False,
    "switch off": False,
    "disable": False,
}


@dataclass
class SavedLayer:
    """A layer that was live at the end of a session, or a change of another kind.

    Attributes:
        step: the number of the step that made it as it was at the end.
        time: when, in UTC, ISO 8601.
        cell: the notebook's cell, as its number, where there was one.
        line: what the file says of the change.
        first: the verb that began it: an added route that was moved was added.
        on: whether it was switched on.
    """

    step: int
    time: str
    cell: int | None
    line: Line
    first: str
    on: bool = True

    @property
    def identity(self) -> Identity:
        """Target, owner and name."""
        return self.line["target"], self.line["owner"], self.line["name"]

    @classmethod
    def from_data(cls, data: Any) -> SavedLayer | None:
        """What ``as_data`` answered once, read from a file; None where it cannot be that."""
        if not isinstance(data, dict) or not is_step({**data, "changes": [data.get("line")]}):
            return None
        first, on = data.get("first"), data.get("on")
        if not (isinstance(first, str) and isinstance(on, bool)):
            return None
        return cls(data["step"], data.get("time", ""), data.get("cell"), data["line"], first, on)

    def as_data(self) -> Line:
        """It, as JSON can have it."""
        return asdict(self)


class _Live:
    """What is live after the steps that were followed, in the order in which it was laid."""

    def __init__(self, base: Iterable[SavedLayer]) -> None:
        self.layers = {layer.identity: replace(layer) for layer in base}

    def follow(self, step: Line, line: Line) -> None:
        """Take one change of a step in."""
        gone = [self.layers.pop(tuple(one), None) for one in line.get("gone", ())]
        identity, verb = (line["target"], line["owner"], line["name"]), line["verb"]
        entry = self.layers.get(identity)
        if verb == "adopt":
            return  # what others did is the webui's own from now on
        if verb == "restore":
            self._restore(line)
        elif verb == "take back":
            self.layers.pop(identity, None)
        elif "stack" in line and verb in SWITCHES:
            self._switch(entry, verb)
        elif "stack" in line:
            self._lay(step, line, identity, entry)
        else:
            self._follow_other(step, line, identity, entry, gone)

    def _follow_other(
        self,
        step: Line,
        line: Line,
        identity: Identity,
        entry: SavedLayer | None,
        gone: list[SavedLayer | None],
    ) -> None:
        verb = line["verb"]
        if entry is not None and entry.first == TAKES_BACK.get(verb):
            del self.layers[identity]
        elif entry is not None and verb in SWITCHES:
            self._switch(entry, verb)
        elif not SWITCHES.get(verb, False):  # switched on again from what it was before us
            self._lay(step, line, identity, entry)
            if any(one is not None and one.first == "add" for one in gone):
                self.layers[identity].first = "add"

    def _lay(self, step: Line, line: Line, identity: Identity, entry: SavedLayer | None) -> None:
        first = entry.first if entry else line["verb"]
        layer = SavedLayer(step["step"], step.get("time", ""), step.get("cell"), line, first)
        self.layers[identity] = layer  # in its old place, where it had one

    def _switch(self, entry: SavedLayer | None, verb: str) -> None:
        if entry is not None:
            entry.on = SWITCHES[verb]

    def _restore(self, line: Line) -> None:
        """Everything of ours on something was taken back: of a function, ``gone`` says what."""
        targets = set(line.get("targets", ())) | {line["target"]}
        if "stack" not in line:
            self.layers = {i: one for i, one in self.layers.items() if i[0] not in targets}


def live_after(steps: Iterable[Line], base: Iterable[SavedLayer] = ()) -> list[SavedLayer]:
    """What is live after some steps, in the order in which it was laid.

    Args:
        steps: the steps that were not undone, in their order.
        base: what was live before them.
    """
    live = _Live(base)
    for step in steps:
        for line in step["changes"]:
            live.follow(step, line)
    return list(live.layers.values())


def is_of_a_file(change: Line) -> bool:
    """Whether a watched file made a change: it makes it again at each start."""
    return bool(change["owner"].startswith("file "))
