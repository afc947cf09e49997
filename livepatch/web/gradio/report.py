"""The events of a Gradio page as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.reports.report import Report

from .functions import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livepatch.reports.table import Columns

    from .event import LiveEvent


def events_table(path: str, events: Sequence[LiveEvent]) -> Report[LiveEvent]:
    """The events of a page.

    Args:
        path: whose events.
        events: the events.

    Returns:
        A report of the events.
    """
    columns: Columns[LiveEvent] = {
        "": lambda event: event.index,
        "api name": lambda event: event.api_name or "",
        "trigger": lambda event: listed(event.targets),
        "inputs": lambda event: listed(event.inputs),
        "outputs": lambda event: listed(event.outputs),
        "function": _function,
        "owner": lambda event: event.owner,
        "where": lambda event: event.place,
        "remark": _remark,
    }
    return Report(f"{path[:1].upper()}{path[1:]}", events, columns, "no event")


def _function(event: LiveEvent) -> str:
    function = event.function
    if function is None:
        return "in the browser"
    name = getattr(function, "__qualname__", type(function).__name__)
    return f"{name} (streams)" if event.streams else str(name)


def _remark(event: LiveEvent) -> str:
    done = [f"{layer.verb} by {layer.owner}" for layer in event.layers if layer.state == "active"]
    return ", ".join(done)
