"""Reports as HTML for a notebook: no scripts, no outside files, JupyterLab's own colours.

The ``--jp-*`` variables are those of JupyterLab's theme, light or dark; the system colours behind
them (CSS Color 4) serve where there is no theme.
"""

from __future__ import annotations

from html import escape as escape_html
from typing import TYPE_CHECKING

from livepatch.engine.answers import Caution
from livepatch.engine.shown import LINES, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

TEXT = "var(--jp-content-font-color1, CanvasText)"
QUIET = "var(--jp-content-font-color2, GrayText)"
BORDER = "var(--jp-border-color2, ButtonBorder)"
CODE = "var(--jp-code-font-family, monospace)"


def escape(text: str, *, keep: str = "") -> str:
    r"""A text as HTML shows it, with what is not printable escaped as in a terminal.

    Args:
        text: the text.
        keep: what stays as it is: ``LINES`` for a text of several lines.

    Example:
        >>> print(escape("<a>\x1b"))
        &lt;a&gt;\x1b
    """
    return escape_html(shown(text, keep=keep))


def html_paragraph(text: str) -> str:
    """One sentence, such as why there is no table."""
    return f'<p style="color:{TEXT};margin:0">{escape(text)}</p>'


def html_facts(facts: Sequence[str], python: str, source: str) -> str:
    """An answer: what was done, then further facts more quietly, then the Python call.

    Args:
        facts: what was done, and what has to be said of it: a caution as loud as what was done.
        python: the equivalent Python call; empty: none.
        source: a text to show below; empty: none.
    """
    done, *others = facts
    parts = [f"<strong>{escape(done)}</strong>"]
    parts += [
        f" · <strong>{escape(fact)}</strong>"
        if isinstance(fact, Caution)
        else f'<span style="color:{QUIET}"> · {escape(fact)}</span>'
        for fact in others
    ]
    html = f'<div style="color:{TEXT}">{"".join(parts)}</div>'
    if python:
        html += f'<div style="color:{QUIET};font-family:{CODE}">= {escape(python)}</div>'
    if source:
        html += f'<pre style="color:{TEXT};margin:4px 0 0">{escape(source, keep=LINES)}</pre>'
    return html


def breakable(text: str) -> str:
    """A cell's text; a long path is broken behind its slashes rather than cut off by the page.

    Example:
        >>> breakable("/a/b")
        '/a/<wbr>b'
    """
    cell = escape(text)
    # Asked first, as most have none, and no regular expression: there may be thousands of cells.
    if "/" in text or "\\" in text:
        cell = cell[:1] + cell[1:].replace("/", "/<wbr>").replace("\\", "\\<wbr>")
    return cell
