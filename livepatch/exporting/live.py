"""The live changes, ready to be written as an extension."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

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
    """

    gatherer: Gatherer
    changes: list[Change] = field(default_factory=list)
    definitions: list[tuple[str, str]] = field(default_factory=list)
    callbacks: dict[str, list[str]] = field(default_factory=dict)
    hooks: dict[str, str] = field(default_factory=dict)
    stand_ins: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
