"""Own times as a table with bars: how long each part takes, and how long the loop waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livepatch.engine.shown import shown

from .html import BORDER, CODE, QUIET, TEXT, breakable, escape
from .report import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .report import Columns

WIDTH, HEIGHT, CELLS = 160, 10, 20
OWN = "var(--jp-brand-color2, #8ab4e8)"
BUSY = "var(--jp-warn-color1, #c25b00)"
NUMBERS = frozenset({"calls", "own ms", "95 %", "busy ms", "share"})


def timing_report(title: str, parts: Sequence[Any], empty: str) -> TimingReport:
    """The figures of some parts.

    Args:
        title: what was timed.
        parts: each with ``group``, ``name``, ``owner``, ``place``, ``calls``, ``median``, ``p95``,
            ``busy`` (ms of a call), ``total`` and ``total_busy`` (ms of all calls).
        empty: what to say when there are none.
    """
    return TimingReport(title, parts, empty)


class TimingReport(Report[Any]):
    """A table of own times with a bar for each part, as text and as inline SVG."""

    def __init__(self, title: str, parts: Sequence[Any], empty: str) -> None:
        wholes: dict[str, float] = {}
        longest: dict[str, float] = {}
        for part in parts:
            wholes[part.group] = wholes.get(part.group, 0.0) + part.total
            longest[part.group] = max(longest.get(part.group, 0.0), part.total)
        self.longest = longest
        columns: Columns = {
            "group": lambda part: part.group,
            "name": lambda part: part.name,
            "owner": lambda part: part.owner,
            "calls": lambda part: part.calls,
            "own ms": lambda part: _figure(part.median, part.calls),
            "95 %": lambda part: _figure(part.p95, part.calls),
            "busy ms": lambda part: _figure(part.busy, part.calls),
            "share": lambda part: _share(part.total, wholes[part.group]),
            "where": lambda part: part.place,
        }
        super().__init__(title, parts, columns, empty)

    def __str__(self) -> str:
        if not self.items:
            return f"{shown(self.title)}: {self.empty}"
        headings = [*list(self.columns)[:-1], "█ busy ░ own", "where"]
        rows = [
            [*row[:-1], self._text_bar(part), row[-1]]
            for part, row in zip(self.items, self.rows(), strict=True)
        ]
        return f"{shown(self.title)}\n{_aligned(headings, rows)}"

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return {"text/plain": str(self), "text/html": self._html()}

    def _shares(self, part: Any) -> tuple[float, float]:
        """How long the bar is and how much of it is busy, of the longest one of its group."""
        longest = self.longest[part.group]
        if longest <= 0:
            return 0.0, 0.0
        own = part.total / longest
        return own, min(part.total_busy / longest, own)

    def _text_bar(self, part: Any) -> str:
        own, busy = (round(share * CELLS) for share in self._shares(part))
        return "█" * busy + "░" * (own - busy)

    def _html(self) -> str:
        if not self.items:
            return (
                f'<p style="color:{TEXT};margin:0">{escape(self.title)}: {escape(self.empty)}</p>'
            )
        headings = list(self.columns)
        headings.insert(-1, "")
        head = "".join(
            f'<th scope="col" style="{_cell(name)}">{_legend() if not name else escape(name)}</th>'
            for name in headings
        )
        body = "".join(map(self._row, self.items, self.rows()))
        return (
            f'<table style="border-collapse:collapse;color:{TEXT}">'
            f'<caption style="caption-side:top;text-align:left;color:{QUIET}">'
            f"{escape(self.title)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )

    def _row(self, part: Any, row: list[str]) -> str:
        cells = [
            f'<td style="{_cell(name)};font-family:{CODE}">{breakable(text)}</td>'
            for name, text in zip(self.columns, row, strict=True)
        ]
        cells.insert(-1, f'<td style="{_cell("")}">{self._svg(part)}</td>')
        return f"<tr>{''.join(cells)}</tr>"

    def _svg(self, part: Any) -> str:
        own, busy = (round(share * WIDTH, 1) for share in self._shares(part))
        told = f"{part.name}: {part.total:.2f} ms own, {part.total_busy:.2f} ms of it loop-busy"
        return (
            f'<svg role="img" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">'
            f"<title>{escape(told)}</title>"
            f'<rect width="{own}" height="{HEIGHT}" style="fill:{OWN}"/>'
            f'<rect width="{busy}" height="{HEIGHT}" style="fill:{BUSY}"/></svg>'
        )


def _legend() -> str:
    squares = "".join(
        f'<span style="display:inline-block;width:9px;height:9px;background:{color}"></span>'
        f"&nbsp;{word}&ensp;"
        for color, word in ((BUSY, "busy"), (OWN, "own"))
    )
    return f'<span style="font-weight:normal;white-space:nowrap">{squares}</span>'


def _cell(name: str) -> str:
    align = "right" if name in NUMBERS else "left"
    return f"text-align:{align};padding:2px 10px 2px 0;border-bottom:1px solid {BORDER}"


def _aligned(headings: list[str], rows: list[list[str]]) -> str:
    table = [headings, *([shown(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    lines = []
    for row in table:
        cells = [
            cell.rjust(width) if name in NUMBERS else cell.ljust(width)
            for name, cell, width in zip(headings, row, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _figure(milliseconds: float, calls: int) -> str:
    if not calls:
        return "-"
    digits = 3 if milliseconds < 0.1 else 2 if milliseconds < 100 else 0
    return f"{milliseconds:.{digits}f}"


def _share(total: float, whole: float) -> str:
    return f"{total / whole:.0%}" if whole > 0 else "-"
