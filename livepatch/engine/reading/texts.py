"""Texts that came from a cell, where ``inspect``, ``linecache`` and tracebacks find them.

Each text is written to a file of its own in a private folder, and its code objects carry that
file's name. ``linecache`` alone would do until somebody calls ``linecache.clearcache()``; a loader
in the code's globals would be asked then, but those globals are the webui's module, whose loader
answers with the module's own text. A file needs nobody's help. ipykernel names cells in the same
way, after files in the temporary folder.

A text is kept while a code object of its own lives, and its file until then or to the exit. Paths
are strings here: ``pathlib`` interns their parts, and the interpreter's table of such strings grows
with every name that ever was.
"""

from __future__ import annotations

import atexit
import collections
import contextlib
import hashlib
import linecache
import os
import re
import shutil
import tempfile
import tokenize
import weakref
from types import CodeType
from typing import TYPE_CHECKING

from ..changing.locks import Lock
from .sources import UNWRITTEN, texts_elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def name_of(text: str, path: str) -> str:
    """The file name to compile a text with, before it is known whether a file can be had.

    Args:
        text: the whole source text.
        path: the dotted name of its target.
    """
    # A lone surrogate is fine in a literal, but has no UTF-8.
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
    return f"{UNWRITTEN}{path} {digest}>"


class _Text:
    """A text, and the code objects that came of it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.codes: list[weakref.ref[CodeType]] = []

    def is_used(self) -> bool:
        """Whether a code object of it lives; those that ended are forgotten."""
        self.codes = [code for code in self.codes if code() is not None]
        return bool(self.codes)


class Texts:
    """The texts of one process, by the file name that their code objects carry."""

    def __init__(self) -> None:
        self._texts: dict[str, _Text] = {}
        self._lock = Lock()
        # A code object can end anywhere, also while this thread holds the lock: its end is only
        # noted, and cleared up after with the next text.
        self._ended: collections.deque[str] = collections.deque()
        self._folder: str | None = None
        self._process = 0

    def keep(self, name: str, text: str, code_of: Callable[[str], CodeType]) -> CodeType:
        """Make a text findable for as long as its code lives.

        Args:
            name: what ``name_of`` said.
            text: the whole source text.
            code_of: makes the code object, with those nested in it, that carries a file name.

        Returns:
            What ``code_of`` made.
        """
        with self._lock:
            self._clear_up()
            filename = self._written(name, text)
            code = code_of(filename)
            kept = self._texts.setdefault(filename, _Text(text))
            kept.codes += [
                weakref.ref(part, lambda _, ended=self._ended: ended.append(filename))  # type: ignore[misc]
                for part in _with_nested(code)
            ]
        if filename == name:
            self.lines(filename)
        return code

    def lines(self, filename: str) -> list[str] | None:
        """The lines of a text; None for a file that is not ours."""
        kept = self._texts.get(filename)
        if kept is None:
            return None
        lines = kept.text.splitlines(keepends=True)
        if filename not in linecache.cache and not os.path.exists(filename):
            # There is no file: the disk is full, or somebody cleaned the temporary folder. Without
            # a modification time, linecache.checkcache() takes the entry for a loader's and leaves
            # it alone.
            linecache.cache[filename] = (len(kept.text), None, lines, filename)
        return lines

    def __len__(self) -> int:
        return len(self._texts)

    def _written(self, name: str, text: str) -> str:
        """The file with a text, or the name itself where none can be written."""
        readable = re.sub(r"[^\w.]+", "_", name[len(UNWRITTEN) : -1], flags=re.ASCII)
        filename = None
        try:
            filename = os.path.join(self._private_folder(), f"{readable[-120:]}.py")
            if filename not in self._texts or not os.path.exists(filename):
                with open(filename, "wb") as file:
                    file.write(_encoded(text))
        except (OSError, SyntaxError, UnicodeError):
            # No disk, no space, or a coding cookie that the text cannot be written in: a change
            # does not fail for that.
            if filename is not None:
                _delete(filename)
            return name
        return filename

    def _private_folder(self) -> str:
        # After a fork the folder is the parent's.
        if self._folder is None or self._process != os.getpid() or not os.path.isdir(self._folder):
            self._process = os.getpid()
            self._folder = tempfile.mkdtemp(prefix="livepatch-")  # with mode 0700
            atexit.register(_remove_folder, self._folder, self._process)
        return self._folder

    def _clear_up(self) -> None:
        while self._ended:
            filename = self._ended.popleft()
            kept = self._texts.get(filename)
            if kept is not None and not kept.is_used():
                del self._texts[filename]
                linecache.cache.pop(filename, None)
                if self._folder == os.path.dirname(filename) and self._process == os.getpid():
                    _delete(filename)


def _encoded(text: str) -> bytes:
    """As linecache will decode it: a coding cookie counts in a file, though not in a text."""
    lines = iter(text.encode().splitlines(keepends=True))
    encoding, _ = tokenize.detect_encoding(lambda: next(lines, b""))
    return text.encode(encoding)


def _with_nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _with_nested(constant)


def _delete(filename: str) -> None:
    with contextlib.suppress(OSError):  # never written, or gone already: that is what was wanted
        os.unlink(filename)


def _remove_folder(folder: str, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


texts = Texts()
texts_elsewhere.append(texts.lines)
