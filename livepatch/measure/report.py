"""Self times as a table with bars: how long each part takes, and how long the loop waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.reports.html import escape
from livepatch.reports.report import Report
from livepatch.reports.table import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .part import Part

WIDTH, HEIGHT, CELLS = 160, 10, 20
OWN = "var(--jp-brand-color2, #8ab4e8)"
BUSY = "var(--jp-warn-color1, #c25b00)"


def timing_report(title: str, parts: Sequence[Part], empty: str) -> Report[Part]:
    """The figures of some parts, each with a bar as text and as inline SVG.

    Args:
        title: what was timed.
        parts: what was timed.
        empty: what to say when there are none.
    """
    wholes: dict[str, float] = {}
    longest: dict[str, float] = {}
    for part in parts:
        wholes[part.group] = wholes.get(part.group, 0.0) + part.total
        longest[part.group] = max(longest.get(part.group, 0.0), part.total)
    columns: list[Column[Part]] = [
        Column("group", lambda part: part.group),
        Column("name", lambda part: part.name),
        Column("owner", lambda part: part.owner),
        Column("calls", lambda part: part.calls, is_number=True),
        Column("self ms", lambda part: _figure(part.median, part.calls), is_number=True),
        Column("p95 ms", lambda part: _figure(part.p95, part.calls), is_number=True),
        Column("busy ms", lambda part: _figure(part.busy, part.calls), is_number=True),
        Column("share", lambda part: _share(part.total, wholes[part.group]), is_number=True),
        Column(
            "█ busy ░ self",
            lambda part: _text_bar(*_lengths(part, longest)),
            html=lambda part: _svg(part, *_lengths(part, longest)),
            html_heading=_legend(),
        ),
        Column("where", lambda part: part.place),
    ]
    return Report(title, parts, columns, empty)


def _lengths(part: Part, longest: dict[str, float]) -> tuple[float, float]:
    """How long the bar is and how much of it is busy, of the longest one of its group."""
    whole = longest[part.group]
    if whole <= 0:
        return 0.0, 0.0
    own = part.total / whole
    return own, min(part.total_busy / whole, own)


def _text_bar(own: float, busy: float) -> str:
    full = round(busy * CELLS)
    return "█" * full + "░" * (round(own * CELLS) - full)


def _svg(part: Part, own: float, busy: float) -> str:
    told = f"{part.name}: {part.total:.2f} ms self, {part.total_busy:.2f} ms of it loop-busy"
    return (
        f'<svg role="img" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f"<title>{escape(told)}</title>"
        f'<rect width="{round(own * WIDTH, 1)}" height="{HEIGHT}" style="fill:{OWN}"/>'
        f'<rect width="{round(busy * WIDTH, 1)}" height="{HEIGHT}" style="fill:{BUSY}"/></svg>'
    )


def _legend() -> str:
    squares = "".join(
        f'<span style="display:inline-block;width:9px;height:9px;background:{color}"></span>'
        f"&nbsp;{word}&ensp;"
        for color, word in ((BUSY, "busy"), (OWN, "own"))
    )
    return f'<span style="font-weight:normal;white-space:nowrap">{squares}</span>'


def _figure(milliseconds: float, calls: int) -> str:
    if not calls:
        return "-"
    digits = 3 if milliseconds < 0.1 else 2 if milliseconds < 100 else 0
    return f"{milliseconds:.{digits}f}"


def _share(total: float, whole: float) -> str:
    return f"{total / whole:.0%}" if whole > 0 else "-"
