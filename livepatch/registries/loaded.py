"""An extension that is loaded, and the change that brings it in or takes it out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from livepatch.engine.answers import counted
from livepatch.engine.changing.change import Change, ChangeDescription, apply
from livepatch.engine.changing.registry import registry

from .containers import InDict, InList
from .points import look_again

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from .containers import Put


@dataclass(eq=False)
class LoadedExtension:
    """What is known of an extension that livepatch loaded into the running webui.

    Attributes:
        name: its name.
        path: its folder or file.
        puts: what it put into the webui, in the order in which it did.
        changes: what it changed through livepatch while it loaded.
        milliseconds: how long it took to load.
        facts: what else is to be said of it.
        is_whole: whether that is all: of one that the webui loaded itself only what is registered
            under its files is known.
        exports: what of it livepatch has exported once: it makes and takes back its own changes.
    """

    name: str
    path: Path
    puts: list[Put] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    milliseconds: float = 0.0
    facts: list[str] = field(default_factory=list)
    is_whole: bool = True
    exports: list[Any] = field(default_factory=list)
    owner: str = "notebook"
    is_there: bool = False
    on_change: Callable[[LoadedExtension], None] | None = field(default=None, repr=False)

    verb = "load"

    @property
    def target(self) -> str:
        """What it is, for people."""
        return f"extension {self.name}"

    @property
    def state(self) -> str:
        """``active``, or ``off`` when it was the webui's own and was unloaded."""
        return "active" if self.is_there else "off"

    def off(self) -> None:
        """Take it out."""
        if self.is_there:
            apply(self.change(comes=False))

    def on(self) -> None:
        """Bring it in again."""
        if not self.is_there:
            apply(self.change(comes=True))

    def remove(self) -> None:
        """Make it as it was before livepatch loaded or unloaded it."""
        apply(self.change(comes=not self.is_whole))

    def change(self, *, comes: bool) -> ExtensionChange:
        """The change that brings it in or takes it out."""
        assert self.on_change is not None
        return ExtensionChange(self, comes=comes, on_change=self.on_change)

    def touched(self) -> set[int]:
        """The containers it put something into, by identity."""
        return {id(put.container) for put in self.puts if isinstance(put, (InDict, InList))}


class ExtensionChange(Change):
    """Brings in what an extension has put into the webui, or takes it out.

    Args:
        loaded: the extension.
        comes: whether the change brings it in.
        on_change: learns that the extension has come or gone.
    """

    def __init__(
        self, loaded: LoadedExtension, *, comes: bool, on_change: Callable[[LoadedExtension], None]
    ) -> None:
        self.loaded = loaded
        self.comes = comes
        self.on_change = on_change

    def prepare(self) -> None:
        """Nothing stands against it: what others changed meanwhile is left alone."""

    def commit(self) -> None:
        """Bring it in, or take it out."""
        self._make(is_there=self.comes)

    def revert(self) -> None:
        """The other way."""
        self._make(is_there=not self.comes)

    def describe(self) -> ChangeDescription:
        """What it is, for the journal."""
        verb = "load" if self.comes else "unload"
        facts = tuple(in_words(self.loaded.puts))
        return ChangeDescription(
            verb, f"extension {self.loaded.name}", "livepatch", self.loaded.name, None, facts
        )

    def _make(self, *, is_there: bool) -> None:
        if is_there:
            for put in self.loaded.puts:
                put.put_back()
        else:
            for put in reversed(self.loaded.puts):
                put.take_out()
        self.loaded.is_there = is_there
        self.loaded.on_change = self.on_change
        self.on_change(self.loaded)
        look_again()
        # One that livepatch loaded was not there before, one of the webui's own was.
        if is_there is not self.loaded.is_whole:
            registry.changed.pop(id(self.loaded), None)
        else:
            registry.changed[id(self.loaded)] = ChangedExtension(self.loaded)


class ChangedExtension:
    """An extension that livepatch loaded, or one of the webui's that it unloaded."""

    def __init__(self, loaded: LoadedExtension) -> None:
        self.loaded = loaded

    @property
    def path(self) -> str:
        """What it is, for people."""
        return self.loaded.target

    def own_layers(self) -> list[LoadedExtension]:
        """The extension, as a layer on the webui."""
        return [self.loaded]

    def way_back(self) -> Change:
        """The change that makes it as it was."""
        return self.loaded.change(comes=not self.loaded.is_whole)


def in_words(puts: Sequence[Put]) -> list[str]:
    """What was put somewhere, in words: ``2 callbacks``, ``1 route``."""
    counts: dict[str, int] = {}
    for put in puts:
        word = "patch" if type(put).__name__ == "InAttribute" else put.where
        if not word.startswith("_"):
            word = word.partition(" ")[0] if word.startswith("callback ") else word
            counts[word] = counts.get(word, 0) + 1
    several = {"patch": "patches"}
    return [counted(count, word, several.get(word)) for word, count in counts.items()]
