"""Callbacks that others have registered with the webui: replaced, muted or moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .changes import ApplyContext, Change, Skipped, Undo, only_once
from .webui import ROOTS, attribute_of

if TYPE_CHECKING:
    from collections.abc import Callable


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
        flavor: the webui's.
    """

    action: str
    event: str
    label: str
    new: str = ""
    after: str | None = None
    flavor: str = "a1111"

    @property
    def about(self) -> str:
        """Action, event and name."""
        return f"{self.action} callback {self.event}/{self.label}"

    def apply(self, context: ApplyContext) -> Undo:
        """Change the webui's list."""
        entries = self._list()
        new = context.names[self.new] if self.new else None
        if self.action == "add":
            entries.append(new)
            self._forget_order()
            return only_once(lambda: self._take(new))
        entry = next((e for e in entries if _name_of(e) == self.label), None)
        if entry is None:
            raise Skipped(f"nothing is registered there by the name {self.label}")
        before = entries[: entries.index(entry)]
        if self.action == "replace":
            other = _with_callback(entry, new)
            entries[entries.index(entry)] = other
            self._forget_order()
            return only_once(lambda: self._exchange(other, entry, before))
        entries.remove(entry)
        if self.action == "move":
            names = [_name_of(e) for e in entries]
            entries.insert(names.index(self.after) + 1 if self.after in names else 0, entry)
        self._forget_order()
        return only_once(lambda: self._exchange(entry, entry, before))

    def _list(self) -> list[Any]:
        if self.flavor == "comfyui":
            entries = attribute_of("server", "PromptServer", "instance", self.event_list)
        else:
            callback_map = attribute_of(self._module, "callback_map") or {}
            entries = callback_map.get(f"callbacks_{self.event}")
        if not isinstance(entries, list):
            raise Skipped(f"this webui has no event {self.event}")
        return entries

    @property
    def event_list(self) -> str:
        """The name of ComfyUI's list of handlers."""
        return f"{self.event}_handlers"

    @property
    def _module(self) -> str:
        return f"{ROOTS.get(self.flavor, 'modules')}.script_callbacks"

    def _take(self, item: Any) -> None:
        entries = self._list()
        if item in entries:
            entries.remove(item)
        self._forget_order()

    def _exchange(self, present: Any, own: Any, before: list[Any]) -> None:
        """Put the webui's own back where it stood, as far as its neighbours are there."""
        entries = self._list()
        if not entries and not before:
            return  # the webui has cleared its callbacks: it registers them anew
        was_there = present in entries
        if was_there:
            entries.remove(present)
        elif present is not own:
            return
        places = [entries.index(e) + 1 for e in before if e in entries]
        entries.insert(max(places, default=0), own)
        self._forget_order()

    def _forget_order(self) -> None:
        """A1111 keeps the order for as long as the list keeps its length."""
        cached = attribute_of(self._module, "ordered_callbacks_map")
        if isinstance(cached, dict):
            cached.pop(self.event, None)


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
