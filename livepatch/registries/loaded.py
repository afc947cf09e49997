"""An extension that is loaded, and the change that brings it in or takes it out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from livepatch.engine import PatchRefused
from livepatch.engine.answers import counted
from livepatch.engine.changing.change import Change, ChangeDescription, apply
from livepatch.engine.changing.registry import registry

from .points import at_rest, look_again

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .containers import Contents, Put


class Registries(Protocol):
    """The webui's data, as the loader of its flavor knows them."""

    def contents(self) -> Contents:
        """The lists, dictionaries and sets, as they are now."""

    def built(self) -> object:
        """What the webui makes anew each time when it builds its page; None where nobody knows."""

    def found(self, loaded: LoadedExtension) -> list[Put]:
        """What is there of an extension, by its files."""

    def changed(self, loaded: LoadedExtension) -> None:
        """Learn that an extension has come or gone."""

    def forget(self, loaded: LoadedExtension) -> None:
        """Learn that an extension is the webui's own by now."""


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
    registries: Registries | None = field(default=None, repr=False)
    built: object = field(default=None, repr=False)

    verb = "load"

    @property
    def target(self) -> str:
        """What it is, for people."""
        return f"extension {self.name}"

    @property
    def state(self) -> str:
        """``active``; ``off`` when it was unloaded; ``stale`` when the webui has dropped it."""
        if not self.is_there:
            return "off"
        return "stale" if self.is_dropped() or self.is_outdated() else "active"

    def is_dropped(self) -> bool:
        """Whether it was there and the webui has nothing of it any more.

        So it is after a reload of the page, of what the webui does not load itself. Its modules
        stay in ``sys.modules``.
        """
        was = self.is_there and self._may_be_rebuilt() and any(map(is_registered, self.puts))
        return was and not any(map(is_registered, self.present()))

    def is_outdated(self) -> bool:
        """Whether the webui has loaded it itself since, as at a reload of its page.

        It is the webui's own then, whatever livepatch did with it before.
        """
        if self.registries is None or not self._may_be_rebuilt():
            return False
        if not any(map(is_registered, self.puts)):
            return False
        contents = self.registries.contents()
        if self.is_there and any(p.is_in(contents) for p in self.puts if is_registered(p)):
            return False
        return any(map(is_registered, self.registries.found(self)))

    def _may_be_rebuilt(self) -> bool:
        """Whether the webui may have built its page anew; what is muted is gone from it, too."""
        built = self.registries.built() if self.registries is not None else None
        return built is None or built is not self.built

    def present(self) -> list[Put]:
        """What the webui has of it now.

        That is what was recorded, as far as it is there, and what has come under its files since:
        a reload of the page registers other objects, in other lists.
        """
        if self.registries is None:
            return self.puts
        contents = self.registries.contents()
        kept = [put for put in self.puts if put.is_in(contents)]
        known = {(put.where, id(put.item)) for put in kept}
        found = self.registries.found(self)
        return [*kept, *(put for put in found if (put.where, id(put.item)) not in known)]

    def going(self) -> list[Put]:
        """What has to go with it: what is there, and what may come back, as what is muted."""
        present = self.present()
        if self._may_be_rebuilt() and not any(p in self.puts for p in present if is_registered(p)):
            return present
        return [*self.puts, *(put for put in present if put not in self.puts)]

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
        apply(self.way_back())

    def way_back(self) -> ExtensionChange:
        """The change that makes it as it was before livepatch loaded or unloaded it.

        What the webui itself has loaded since is left alone, and only noted.
        """
        change = self.change(comes=not self.is_whole)
        change.is_recorded = not self.is_outdated()
        return change

    def change(self, *, comes: bool) -> ExtensionChange:
        """The change that brings it in or takes it out."""
        assert self.registries is not None
        return ExtensionChange(self, comes=comes, registries=self.registries)

    def touched(self, contents: Contents) -> set[int]:
        """The containers it put something into, by identity."""
        return {id(contents[put.where]) for put in self.puts if put.where in contents}


class ExtensionChange(Change):
    """Brings in what an extension has put into the webui, or takes it out.

    Args:
        loaded: the extension.
        comes: whether the change brings it in.
        registries: the webui's data.

    Attributes:
        is_recorded: False where it only notes that the extension is the webui's own by now.
        is_made: whether it is committed, and not taken back.
    """

    def __init__(self, loaded: LoadedExtension, *, comes: bool, registries: Registries) -> None:
        self.loaded = loaded
        self.comes = comes
        self.registries = registries
        self.is_recorded = True
        self.is_made = False
        self._going: list[Put] | None = None

    def prepare(self) -> None:
        """Note what goes; what others changed meanwhile is left alone.

        Raises:
            PatchRefused: the webui has loaded the extension anew itself.
        """
        loaded = self.loaded
        if self.is_recorded and loaded.is_outdated():
            raise PatchRefused(
                f"bring in or take out the extension {loaded.name} as it was",
                "the webui has loaded it anew since, as at a reload of its page",
                f"lp.extensions().reload({loaded.name!r}) or .unload({loaded.name!r})",
            )
        # By its files others are found as well that come back in the same step.
        self._going = loaded.going() if loaded.is_there else None

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
        resting = at_rest()
        self.loaded.registries, self.loaded.built = self.registries, self.registries.built()
        if self.is_recorded:
            self._move(is_there=is_there)
        self.loaded.is_there = is_there
        self.is_made = is_there is self.comes
        if self.is_recorded:
            self.registries.changed(self.loaded)
            look_again(resting)
        else:
            self.registries.forget(self.loaded)
        # One that livepatch loaded was not there before, one of the webui's own was.
        if is_there is not self.loaded.is_whole:
            registry.changed.pop(id(self.loaded), None)
        else:
            registry.changed[id(self.loaded)] = ChangedExtension(self.loaded)

    def _move(self, *, is_there: bool) -> None:
        contents = self.registries.contents()
        if is_there:
            for put in self.loaded.puts:
                put.put_back(contents)
            return
        if self._going is not None:  # an interrupt may have it run again, half done
            self.loaded.puts = self._going
        for put in reversed(self.loaded.puts):
            put.take_out(contents)


class ChangedExtension:
    """An extension that livepatch loaded, or one of the webui's that it unloaded."""

    is_last = True
    """What it has registered may have changes of ours: they are taken back first."""

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
        return self.loaded.way_back()


def is_registered(put: Put) -> bool:
    """Whether the webui works with what was put somewhere: it is no module, nor a note of one."""
    return put.where != "module" and not put.where.startswith("_") and not _is_patch(put)


def _is_patch(put: Put) -> bool:
    return type(put).__name__ == "InAttribute"


def in_words(puts: Sequence[Put]) -> list[str]:
    """What was put somewhere, in words: ``2 callbacks``, ``1 route``."""
    counts: dict[str, int] = {}
    for put in puts:
        word = "patch" if _is_patch(put) else put.where
        if not word.startswith("_"):
            word = word.partition(" ")[0] if word.startswith("callback ") else word
            counts[word] = counts.get(word, 0) + 1
    several = {"patch": "patches"}
    return [counted(count, word, several.get(word)) for word, count in counts.items()]
