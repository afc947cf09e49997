"""The ``def`` and ``class`` lines of a source file: what it may define, without parsing it.

A file is scanned once and its outline kept as long as it stays as it is: parsing takes a hundred
times as long. An outline may name more than the file defines (a line in a string), never less.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable

from .written import read

Question = Callable[[bytes, str], bool]

_LINE = re.compile(rb"[\r\n]([ \t\f]*)(?:async[ \t]+)?(def|class)[ \t]+([\w\x80-\xff]+)")
_BOM = b"\xef\xbb\xbf"


class Outline:
    r"""What a source file may define, and answers to what was asked of its text.

    Args:
        filename: the file.
        text: what stands in it.

    Attributes:
        functions: the names of its functions, methods included.
        classes: its classes by name, each with the functions below it, by indentation.

    Example:
        >>> outline = Outline("a.py", b"def f(): ...\nclass A:\n  def g(): ...\ndef h(): ...")
        >>> sorted(outline.functions), outline.classes
        (['f', 'g', 'h'], {'A': {'g'}})
    """

    __slots__ = ("_answers", "_filename", "classes", "functions")

    def __init__(self, filename: str, text: bytes) -> None:
        self.functions: set[str] = set()
        self.classes: dict[str, set[str]] = {}
        self._filename = filename
        self._answers: dict[tuple[Question, str], bool] = {}
        around: list[tuple[int, str]] = []  # the classes that the line may be in, by indentation
        for indent, keyword, written in _LINE.findall(b"\n" + text.removeprefix(_BOM)):
            name = sys.intern(written.decode(errors="replace"))  # the code has it as well
            while around and around[-1][0] >= len(indent):
                around.pop()
            if keyword == b"class":
                self.classes.setdefault(name, set())
                around.append((len(indent), name))
                continue
            self.functions.add(name)
            for _, cls in around:
                self.classes[cls].add(name)

    def says(self, question: Question, name: str) -> bool:
        """What a text says of a name: the text is read when that is first asked."""
        answer = self._answers.get((question, name))
        if answer is None:
            answer = question(read(self._filename) or b"", name)
            self._answers[question, name] = answer
        return answer


def outline_of(filename: str) -> Outline | None:
    """The outline of a source file; None where there is none."""
    try:
        status = os.stat(filename)
    except (OSError, ValueError):
        return None
    return _outline(filename, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4096)
def _outline(filename: str, _changed: int, _size: int) -> Outline | None:
    text = read(filename)
    return Outline(filename, text) if text else None
