"""The events of a Gradio page as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.looking.callables import target_of
from livepatch.reports.places import place_column
from livepatch.reports.report import Report
from livepatch.reports.table import Column

from .functions import MOST_LISTED, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .event import LiveEvent


def events_table(path: str, events: Sequence[LiveEvent]) -> Report[LiveEvent]:
    """The events of a page.

    Args:
        path: whose events.
        events: the events.

    Returns:
        A report of the events.
    """
    columns: list[Column[LiveEvent]] = [
        Column("", lambda event: event.index),
        Column("api name", lambda event: event.api_name or ""),
        Column("trigger", _triggers),
        Column("inputs", lambda event: listed(event.event.inputs)),
        Column("outputs", lambda event: listed(event.event.outputs)),
        Column("owner", lambda event: event.owner),
        Column("remark", _remark),
        Column("function", _function),
        place_column("where", lambda event: event.place),
    ]
    return Report(f"{path[:1].upper()}{path[1:]}", events, columns, "no event")


def _triggers(event: LiveEvent) -> str:
    targets = event.targets
    more = [f"… {len(targets)} in all"] if len(targets) > MOST_LISTED else []
    return ", ".join([*targets[:MOST_LISTED], *more])


def _function(event: LiveEvent) -> str:
    function = event.function
    if function is None:
        return "in the browser"
    return target_of(function)


def _remark(event: LiveEvent) -> str:
    done = [f"{layer.verb} by {layer.owner}" for layer in event.layers if layer.state == "active"]
    return ", ".join([*done, *(["streams"] * bool(event.streams))])
