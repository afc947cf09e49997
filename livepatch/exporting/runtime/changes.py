"""A change of an extension, as its ``changes.py`` lists them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from livepatch.adapters.runtime import WebuiRuntime

    from .definitions import Definition

Undo = Any  # a function without arguments


class Skipped(Exception):
    """A change does not fit this webui; it is left out and the others are made."""


@dataclass(frozen=True)
class ApplyContext:
    """What a change can see of its extension.

    Attributes:
        owner: whose the changes are.
        names: the namespace with the extension's own functions, classes and values.
        definitions: those that are compiled in the place of their targets.
        app: the webui's app, where there is one.
        webui: the webui.
        made_with: the versions it was made with.
        verify: whether the originals have to be those that it was made against.
    """

    owner: str
    names: dict[str, Any]
    definitions: Sequence[Definition]
    app: Any
    webui: WebuiRuntime
    made_with: dict[str, str | None]
    verify: bool = True


class Change(ABC):
    """One change of the webui, which can be taken back."""

    @property
    @abstractmethod
    def about(self) -> str:
        """What it changes, for people."""

    @property
    def awaited(self) -> str:
        """The dotted name of what may come only with a module that is not loaded yet, if any."""
        return ""

    @abstractmethod
    def apply(self, context: ApplyContext) -> Undo:
        """Make it true.

        Returns:
            What takes it back.

        Raises:
            Skipped: it does not fit this webui.
        """


def only_once(undo: Callable[[], None]) -> Callable[[], None]:
    """A way back that can be called again without an effect."""
    done: list[bool] = []

    def once() -> None:
        if not done:
            done.append(True)
            undo()

    return once
