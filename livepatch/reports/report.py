"""What a verb answers: data with a text and an HTML form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from livepatch.engine.shown import LINES, shown

from .html import html_line, html_table
from .text import text_table

Item = TypeVar("Item")
Columns = dict[str, Callable[[Any], object]]


class Report(Sequence[Item], Generic[Item]):
    """A sequence of things that shows as a table, in a terminal and in a notebook.

    Args:
        title: one line that says what is listed.
        items: the things themselves.
        columns: for each heading, how to get the cell from a thing.
        empty: what to say when there is nothing.

    Example:
        >>> print(Report("Words", ["kernel"], {"word": str, "length": len}))
        Words
        word    length
        kernel  6
    """

    def __init__(
        self, title: str, items: Sequence[Item], columns: Columns, empty: str = "nothing"
    ) -> None:
        self.title = title
        self.items = tuple(items)
        self.columns = columns
        self.empty = empty

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def rows(self) -> list[list[str]]:
        """The cells as text, a list for each thing."""
        return [[str(get(item)) for get in self.columns.values()] for item in self.items]

    def __str__(self) -> str:
        return self._text(self.rows())

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        # Not application/json as well: JupyterLab prefers it to HTML and shows a tree of items.
        rows = self.rows()
        html = html_table(self.title, list(self.columns), rows, self.empty)
        return {"text/plain": self._text(rows), "text/html": html}

    def _text(self, rows: list[list[str]]) -> str:
        if not rows:
            return f"{shown(self.title)}: {self.empty}"
        return f"{shown(self.title)}\n{text_table(list(self.columns), rows)}"


@dataclass(frozen=True)
class Answer:
    """The one line that says what a verb did and what it could not reach.

    Attributes:
        line: the answer line, its facts divided by ``·``.
        python: the equivalent Python call.
        source: a text to show below, such as a diff.
    """

    line: str
    python: str = ""
    source: str = ""

    def __str__(self) -> str:
        python = f"\n= {shown(self.python)}" if self.python else ""
        source = f"\n{shown(self.source.rstrip(), keep=LINES)}" if self.source else ""
        return f"{shown(self.line)}{python}{source}"

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        html = html_line(self.line, self.python, self.source)
        return {"text/plain": str(self), "text/html": html}
