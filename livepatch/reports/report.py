"""What a verb answers: data with a text and an HTML form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, overload

from livepatch.engine.answers import AnswerLine
from livepatch.engine.shown import LINES, shown

from .html import html_facts
from .table import Item, cells_of, columns_of, html_of, text_of

if TYPE_CHECKING:
    from .table import Columns


class Report(Sequence[Item], Generic[Item]):
    """A sequence of things that shows as a table, in a terminal and in a notebook.

    Args:
        title: one line that says what is listed.
        items: the things themselves.
        columns: for each heading what its cell says of a thing, or :class:`Column` objects.
        empty: what to say when there is nothing.

    Example:
        >>> print(Report("Words", ["kernel"], {"word": str, "length": len}))
        Words
        word    length
        kernel  6
    """

    def __init__(
        self, title: str, items: Sequence[Item], columns: Columns[Item], empty: str = "nothing"
    ) -> None:
        self.title = title
        self.items = tuple(items)
        self.columns = columns_of(columns)
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
        return cells_of(self.columns, self.items)

    def __str__(self) -> str:
        if not self.items:
            return f"{shown(self.title)}: {self.empty}"
        return f"{shown(self.title)}\n{text_of(self.columns, self.items)}"

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        # Not application/json as well: JupyterLab prefers it to HTML and shows a tree of items.
        html = html_of(self.title, self.columns, self.items, self.empty)
        return {"text/plain": str(self), "text/html": html}


@dataclass(frozen=True)
class Answer:
    """The one line that says what a verb did and what it could not reach.

    Attributes:
        line: the answer line; one of the engine's knows the facts that it consists of.
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
        facts = self.line.facts if isinstance(self.line, AnswerLine) else (self.line,)
        html = html_facts(facts, self.python, self.source)
        return {"text/plain": str(self), "text/html": html}
