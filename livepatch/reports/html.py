"""Reports as HTML for a notebook: no scripts, no outside files, JupyterLab's own colours.

The ``--jp-*`` variables are those of JupyterLab's theme, light or dark; the system colours behind
them (CSS Color 4) serve where there is no theme.
"""

from __future__ import annotations

from html import escape as escape_html

from livepatch.engine.shown import LINES, shown

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


def html_table(title: str, headings: list[str], rows: list[list[str]], empty: str) -> str:
    """A table with a caption, or the caption and what to say when there are no rows."""
    if not rows:
        return f'<p style="color:{TEXT};margin:0">{escape(title)}: {escape(empty)}</p>'
    head = "".join(f'<th scope="col" style="{_cell()}">{escape(text)}</th>' for text in headings)
    # A style for each cell: what a notebook that is not trusted keeps of HTML has no style sheets.
    cell = f'<td style="{_cell()};font-family:{CODE}">'
    lines = (f"</td>{cell}".join(map(breakable, row)) for row in rows)
    body = "".join(f"<tr>{cell}{line}</td></tr>" for line in lines)
    caption = f'<caption style="caption-side:top;text-align:left;color:{QUIET}">'
    return (
        f'<table style="border-collapse:collapse;color:{TEXT}">'
        f"{caption}{escape(title)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def html_line(line: str, python: str, source: str) -> str:
    """An answer line: what was done, then its facts more quietly, then the Python call."""
    done, *facts = line.split(" · ")
    parts = [f"<strong>{escape(done)}</strong>"]
    parts += [f'<span style="color:{QUIET}"> · {escape(fact)}</span>' for fact in facts]
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


def _cell() -> str:
    return f"text-align:left;padding:2px 10px 2px 0;border-bottom:1px solid {BORDER}"
