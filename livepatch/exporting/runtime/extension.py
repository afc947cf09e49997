"""An exported extension: what applies its changes, takes them back, and switches them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from livepatch.engine.changing.events import subscribe
from livepatch.engine.changing.locks import Lock
from livepatch.engine.changing.registry import registry
from livepatch.engine.errors import LivepatchError
from livepatch.engine.naming.following import follow
from livepatch.engine.naming.slots import ABSENT

from .changes import ApplyContext, Skipped
from .definitions import definitions_in
from .waiting import WhenLoaded, modules_to_come

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from livepatch.adapters.runtime import WebuiRuntime

    from .changes import Change


@dataclass
class Extension:
    """What an exported extension does.

    Args:
        name: its name.
        webui: the webui that it is for.
        changes: in the order in which they are made.
        names: answers the namespace with its own functions, classes and values; it is asked when
            the changes are made, not before.
        definitions: the file with those that are compiled in the place of their targets, and the
            function there in whose body they stand.
        made_with: the versions it was made with.
    """

    name: str
    webui: WebuiRuntime
    changes: Sequence[Change]
    names: Callable[[], dict[str, Any]]
    definitions: tuple[str, str | None]
    made_with: dict[str, str | None]
    is_on: bool = True
    app: Any = field(default=None, repr=False)
    warnings: list[str] = field(default_factory=list)
    _undo: dict[int, Callable[[], None]] = field(default_factory=dict, repr=False)
    _end: Callable[[], None] | None = field(default=None, repr=False)
    _waiting: WhenLoaded | None = field(default=None, repr=False)
    _lock: Any = field(default_factory=Lock, repr=False)
    _namespace: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def owner(self) -> str:
        """Whose the changes are, as livepatch tells it."""
        return f"extension {self.name}"

    @property
    def applied(self) -> list[str]:
        """What is changed at present."""
        return [self.changes[number].about for number in sorted(self._undo)]

    def apply(self, app: Any = None, *, verify: bool = True) -> list[str]:
        """Make the changes that are not made yet; nothing while it is switched off.

        Args:
            app: the webui's app; default: where this flavor has it.
            verify: whether the originals have to be those that it was made against.

        Returns:
            A warning for each change that does not fit this webui and was left out.
        """
        with self._lock:
            if app is not None:
                self.app = app  # while it is off too: it may be switched on later
            if not self.is_on:
                return []
            if self.app is None:
                self.app = self.webui.app()
            self.warnings = []
            if self._end is None:
                registry.kept_owners.add(self.owner)
                self._end = subscribe("modules", self.webui.named_modules)
            try:
                context = self._context(verify=verify)
            except Exception as error:  # a module that it needs is missing: the webui goes on
                self._warn(f"nothing was changed: {type(error).__name__}: {error}")
                return self.warnings
            self._wait(self._apply_missing(context), verify=verify)
            return self.warnings

    @property
    def waits_for(self) -> frozenset[str]:
        """The modules to be loaded before the last of its changes can be made."""
        return self._waiting.names if self._waiting is not None else frozenset()

    def _wait(self, to_come: set[str], *, verify: bool = True) -> None:
        if self._waiting is not None:
            self._waiting.stop()
            self._waiting = None
        if to_come:
            self._waiting = WhenLoaded(to_come, lambda: self.apply(verify=verify))

    def remove(self) -> list[str]:
        """Take the changes back, the last first.

        Returns:
            A warning for each that someone else stands in the way of.
        """
        with self._lock:
            self.warnings = []
            self._wait(set())
            for number in sorted(self._undo, reverse=True):
                undo = self._undo.pop(number)
                try:
                    undo()
                except Exception as error:
                    self._warn(f"{self.changes[number].about} stays: {_said(error)}")
            if self._end is not None:
                self._end()
                self._end = None
                registry.kept_owners.discard(self.owner)
            self.app = None
            return self.warnings

    def switch(self, *, on: bool) -> list[str]:
        """Switch it off: the originals run again, with no work of ours; or on again."""
        with self._lock:
            app = self.app
            self.is_on = bool(on)
            if on:
                return self.apply(app)
            warnings = self.remove()
            self.app = app
            return warnings

    def register(self, script_callbacks: Any, event: str, function: Callable[..., Any]) -> None:
        """Have the webui call a function at an event, where this webui has it."""
        register = getattr(script_callbacks, f"on_{event}", None)
        if register is None:
            self._warn(f"left out: callback {event}: this webui has no such event")
        else:
            register(function)

    def own(self, name: str) -> Any:
        """One of its own functions, classes or values, by its name."""
        return self._names()[name]

    def _names(self) -> dict[str, Any]:
        if self._namespace is None:
            self._namespace = self.names()
        return self._namespace

    def _context(self, *, verify: bool) -> ApplyContext:
        file, holder = self.definitions
        definitions = definitions_in(file, holder)
        return ApplyContext(
            self.owner,
            self._names(),
            definitions,
            self.app,
            self.webui,
            self.made_with,
            verify,
        )

    def _apply_missing(self, context: ApplyContext) -> set[str]:
        """Make the changes that are not made; answers the modules that some have to wait for."""
        to_come: set[str] = set()
        for number, change in enumerate(self.changes):
            if number not in self._undo:
                to_come |= self._apply(number, change, context)
        return to_come

    def _apply(self, number: int, change: Change, context: ApplyContext) -> set[str]:
        """Make one change; answers the modules that it has to wait for."""
        to_come = modules_to_come(change.awaited)
        if to_come and not _is_found(change.awaited):
            return to_come
        try:
            self._undo[number] = change.apply(context)
        except Skipped as reason:
            self._warn(f"left out: {change.about}: {reason}")
        except LivepatchError as error:
            self._warn(f"left out: {change.about}: {_said(error)}")
        except Exception as error:  # the fault of one change must not keep the webui from starting
            self._warn(f"left out: {change.about}: {type(error).__name__}: {error}")
        return set()

    def _warn(self, text: str) -> None:
        self.warnings.append(text)
        # Webuis redirect the root logger, some of them to nowhere.
        print(f"{self.name}: {text}", file=sys.stderr)


def _said(error: Exception) -> str:
    if isinstance(error, LivepatchError):
        return "; ".join(str(error).splitlines()[1:])
    return f"{type(error).__name__}: {error}"


def _is_found(path: str) -> bool:
    """Whether a name leads somewhere, though no module in ``sys.modules`` is called so."""
    found, _ = follow(path)
    return found is not None and found.value is not ABSENT
