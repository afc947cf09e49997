"""Callbacks that others have registered with the webui: replaced, muted or moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .changes import ApplyContext, Change, Skipped, Undo, only_once

if TYPE_CHECKING:
    from collections.abc import Callable

    from livepatch.adapters.runtime import WebuiRuntime


@dataclass(frozen=True)
class Callback(Change):
    """A change of what the webui calls at an event.

    Attributes:
        action: ``replace``, ``remove``, ``move``; or ``add``, to a list that the webui offers no
            function to register with.
        event: the event.
        label: the name that the webui calls the registration.
        new: the name of the function among the extension's own.
        after: of a move, the name of the registration to come behind; None: it comes first.
    """

    action: str
    event: str
    label: str
    new: str = ""
    after: str | None = None

    @property
    def about(self) -> str:
        """Action, event and name."""
        return f"{self.action} callback {self.event}/{self.label}"

    def apply(self, context: ApplyContext) -> Undo:
        """Change the webui's list."""
        called = _Called(context.webui, self.event)
        entries = called.entries()
        new = context.names[self.new] if self.new else None
        if self.action == "add":
            entries.append(new)
            called.forget_order()
            return only_once(lambda: called.take(new))
        entry = next((e for e in entries if _name_of(e) == self.label), None)
        if entry is None:
            raise Skipped(f"nothing is registered there by the name {self.label}")
        before = entries[: entries.index(entry)]
        if self.action == "replace":
            other = _with_callback(entry, new)
            entries[entries.index(entry)] = other
            called.forget_order()
            return only_once(lambda: called.exchange(other, entry, before))
        entries.remove(entry)
        was_only = not entries
        if self.action == "move":
            names = [_name_of(e) for e in entries]
            entries.insert(names.index(self.after) + 1 if self.after in names else 0, entry)
        called.forget_order()
        return only_once(lambda: called.exchange(entry, entry, before, was_only=was_only))


@dataclass(frozen=True)
class _Called:
    """What the webui calls at an event."""

    webui: WebuiRuntime
    event: str

    def entries(self) -> list[Any]:
        """The webui's list."""
        entries = self.webui.callbacks_of(self.event)
        if entries is None:
            raise Skipped(f"this webui has no event {self.event}")
        return entries

    def forget_order(self) -> None:
        """Have the webui forget the order that it had worked out of it."""
        self.webui.forget_order(self.event)

    def take(self, item: Any) -> None:
        """Take something of ours out."""
        entries = self.entries()
        if item in entries:
            entries.remove(item)
        self.forget_order()

    def exchange(
        self, present: Any, own: Any, before: list[Any], *, was_only: bool = False
    ) -> None:
        """Put the webui's own back where it stood, as far as its neighbours are there."""
        entries = self.entries()
        if not (entries or before or was_only):
            return  # the webui has cleared its callbacks: it registers them anew
        was_there = present in entries
        if was_there:
            entries.remove(present)
        elif present is not own:
            return
        places = [entries.index(e) + 1 for e in before if e in entries]
        entries.insert(max(places, default=0), own)
        self.forget_order()


def _name_of(entry: Any) -> str:
    name = getattr(entry, "name", None)
    if isinstance(name, str) and name != "unnamed":
        return name
    callback = getattr(entry, "callback", entry)
    return str(getattr(callback, "__qualname__", None) or type(callback).__qualname__)


def _with_callback(entry: Any, callback: Callable[..., Any] | None) -> Any:
    if not hasattr(entry, "callback"):
        return callback
    if hasattr(entry, "_replace"):
        return entry._replace(callback=callback)
    fields = getattr(entry, "__dataclass_fields__", ("script", "callback", "name"))
    return type(entry)(*(callback if f == "callback" else getattr(entry, f) for f in fields))
