"""The live changes, ready to be written as an extension."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from livepatch.this_webui.detect import host

if TYPE_CHECKING:
    from .gathering import Gatherer
    from .runtime.changes import Change


@dataclass
class Live:
    """What is live, as the changes of an extension.

    Attributes:
        gatherer: what the changes need.
        changes: the changes, in the order in which they are to be made.
        definitions: the texts that are compiled in the place of their targets, in the order of
            their numbers, each with what it is about.
        callbacks: of each event, the names of the functions to be registered.
        hooks: of each hook of the webui, the name of the function.
        stand_ins: of each target a line of Python that makes something of its kind, for the check.
        left_out: what is not exported, for people.
        real_paths: what the targets are called in this process, where another one calls them
            otherwise.
        originals: of each value, what it was.
        functions: the functions of hooks, by their names in the extension.
        middleware: the names of the app's middleware without the changes and with them.
        called: of each event whose callbacks are changed, the names without the changes and with
            them; ``*`` is one of the extension's own.
    """

    gatherer: Gatherer
    changes: list[Change] = field(default_factory=list)
    definitions: list[tuple[str, str]] = field(default_factory=list)
    callbacks: dict[str, list[str]] = field(default_factory=dict)
    hooks: dict[str, str] = field(default_factory=dict)
    stand_ins: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    real_paths: dict[str, str] = field(default_factory=dict)
    originals: dict[str, object] = field(default_factory=dict)
    functions: dict[str, Any] = field(default_factory=dict)
    middleware: dict[str, list[str]] = field(default_factory=lambda: {"base": [], "live": []})
    called: dict[str, tuple[list[str], list[str]]] = field(default_factory=dict)

    def path_elsewhere(self, path: str) -> str:
        """What another process of the webui calls a target."""
        elsewhere = host().path_elsewhere(path)
        if elsewhere != path:
            self.real_paths[elsewhere] = path
        return elsewhere
