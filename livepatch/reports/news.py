"""What happened to layers by itself: guarded code that failed, and layers that became stale."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from livepatch.engine import LivepatchError, live_layers
from livepatch.engine.answers import answer, counted
from livepatch.engine.changing.locks import Lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from livepatch.engine.layers.guard import Failure


class News:
    """What nobody was told yet: each failure and each layer that became stale is told once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._failure = 0.0  # the time of the last failure that was told
        self._stale: set[int] = set()

    def lines(self) -> list[str]:
        """What has happened since this was asked last, a line for each layer."""
        with self._lock:
            return self._lines()

    def _lines(self) -> list[str]:
        layers = list(live_layers())
        stale = {id(layer): layer for layer in layers if layer.state == "stale"}
        became = [layer for key, layer in stale.items() if key not in self._stale]
        self._stale = set(stale)
        return [
            *self._failed(layers),
            *(f"stale: {_whose(one)} · {why(one)}" for one in became),
        ]

    def _failed(self, layers: list[Any]) -> Iterator[str]:
        told = self._failure
        for layer in layers:
            new = [one for one in _failures(layer) if one.time > told]
            if new:
                self._failure = max(self._failure, new[-1].time)
                off = "switched off" if layer.state == "off" else "the layer below answered"
                done = f"{counted(len(new), 'failure')} in {_whose(layer)}"
                yield answer(done, off, f"the last: {new[-1].error}", f"%patches {layer.target}")


def why(layer: Any) -> str:
    """Why a layer is in the state in which it is, where it came to that by itself; else nothing.

    Args:
        layer: a layer, or a registration and the like.
    """
    state = layer.state
    failures = _failures(layer)
    if failures:
        count = counted(len(failures), "failure")
        last = failures[-1]
        at = datetime.fromtimestamp(last.time).astimezone()
        by = "by its guard: " if state == "off" else ""
        return f"{by}{count}, the last at {at:%H:%M:%S}: {last.error}"
    return _why_stale(layer) if state == "stale" else ""


def _why_stale(layer: Any) -> str:
    for stack in getattr(layer, "stacks", ()):
        if not stack.is_reached():
            try:
                stack.check("look at it", lambda: True)
            except LivepatchError as error:
                return error.found
            return "its name leads to something else now: loaded again, or assigned"
    return getattr(layer, "why", "") or "the webui has dropped what it was on"


def _failures(layer: Any) -> list[Failure]:
    return list(getattr(layer, "failures", ()))


def _whose(layer: Any) -> str:
    name = layer.owner if layer.name == layer.verb else f"{layer.owner}'s {layer.name!r}"
    return f"{layer.target} ({name})"


news = News()
