"""Ignore comments: ``# livepatch: ignore[LP101] reason``, in JavaScript with ``//``."""

from __future__ import annotations

import io
import re
import tokenize
from typing import TYPE_CHECKING

from .findings import Finding
from .rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = "livepatch:"
_COMMENT = re.compile(r"(?:#|//)\s*livepatch:\s*ignore\s*(?:\[([^\]]*)\])?[ \t]*(.*)")


class Ignores:
    """What the comments of a file excuse.

    A comment excuses the findings of its own line; one on a line of its own those of the next.

    Attributes:
        codes: the codes that are excused, by lines.
        faults: the comments that do not hold.
    """

    def __init__(self, shown: str, text: str, *, is_python: bool) -> None:
        self.faults: list[Finding] = []
        self.codes: dict[int, set[str]] = {}
        if MARK not in text:  # nearly all of them, and tokens take longer than parsing
            return
        comments = _python_comments(text) if is_python else _lines(text)
        for line, comment, alone in comments:
            self._read(shown, line, comment, alone=alone)

    def _read(self, shown: str, line: int, comment: str, *, alone: bool) -> None:
        match = _COMMENT.search(comment)
        if match is None:
            return
        codes = {code.strip() for code in (match.group(1) or "").split(",") if code.strip()}
        unknown = sorted(codes - RULES.keys())
        fault = ""
        if not codes:
            fault = "the comment names no code"
        elif unknown:
            fault = f"there is no rule {unknown[0]}"
        elif not match.group(2).strip():
            fault = f"the comment ignores {', '.join(sorted(codes))} without a reason"
        if fault:
            self.faults.append(Finding(shown, line, "LP002", fault, RULES["LP002"].fix))
            return
        self.codes.setdefault(line + alone, set()).update(codes)


def _python_comments(text: str) -> Iterator[tuple[int, str, bool]]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                alone = not token.line[: token.start[1]].strip()
                yield token.start[0], token.string, alone
    except (tokenize.TokenError, SyntaxError):  # the parser tells of it
        return


def _lines(text: str) -> Iterator[tuple[int, str, bool]]:
    for number, line in enumerate(text.split("\n"), 1):
        if MARK in line:
            yield number, line, line.lstrip().startswith(("//", "#"))
