"""Checks the shape of a journal's lines, so that no content of a file can break a reader.

A line is cut off when a disk is full or a process is killed, and files are edited by hand.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .lines import Line

LONGEST_LINE = 16_000_000  # bytes
FORMS = ("text", "function", "lambda", "class", "value", "other", None)

_MOST_DIGITS = 15  # a time in microseconds; int() of millions of digits takes hours


def parsed(data: bytes) -> Line | None:
    """A line as data; None where it is not JSON object of text that can be shown and compiled.

    Example:
        >>> parsed(b'{"step": 1}')
        {'step': 1}
        >>> parsed(b'{"step": 1e999}') is parsed(b'{"step": ') is None
        True
    """
    try:
        text = data.decode()
        line = json.loads(
            text, parse_int=_whole_number, parse_float=_refuse, parse_constant=_refuse
        )
        if "\\u" in text:  # "\ud800" is JSON, and no text
            json.dumps(line, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # deep nesting; UnicodeError is a ValueError
        return None
    return line if isinstance(line, dict) else None


def _whole_number(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(digits[:_MOST_DIGITS])
    return int(digits)


def _refuse(number: str) -> None:
    raise ValueError(number)  # no line has one, 1e999 is infinite


def is_step(line: Mapping[str, Any]) -> bool:
    """Whether a line is a step that a replay can take up, in each of its fields."""
    changes = line.get("changes")
    return (
        is_number(line.get("step"))
        and isinstance(line.get("time", ""), str)
        and (line.get("cell") is None or is_number(line["cell"]))
        and isinstance(changes, list)
        and all(isinstance(change, dict) and _is_change(change) for change in changes)
    )


def is_number(value: Any) -> bool:
    """Whether a value counts something.

    Example:
        >>> is_number(1), is_number(True), is_number(-1), is_number("1")
        (True, False, False, False)
    """
    return type(value) is int and value >= 0


def _is_change(change: Mapping[str, Any]) -> bool:
    guard = change.get("guard", False)
    return (
        all(isinstance(change.get(word), str) for word in ("verb", "target", "owner", "name"))
        and all(_is_text_or_none(change.get(word)) for word in ("source", "original", "module"))
        and isinstance(change.get("stack", ""), str)
        and change.get("form", "other") in FORMS
        and (guard is False or (is_number(guard) and guard > 0))
        and _is_list_of_texts(change.get("names", []))
        and _is_list_of_texts(change.get("targets", []))
        and isinstance(gone := change.get("gone", []), list)
        and all(_is_list_of_texts(one) and len(one) == 3 for one in gone)
    )


def _is_text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
