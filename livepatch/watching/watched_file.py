"""One watched file: its code runs on every save, and its changes are its own.

What it no longer says is taken back. A version that raises changes nothing: the former one stays.
"""

from __future__ import annotations

import contextlib
import linecache
import logging
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from types import ModuleType
from typing import TYPE_CHECKING, Any

from livepatch.engine import Change, Layer, live_layers, transaction
from livepatch.engine.answers import answer, counted
from livepatch.engine.changing.change import apply, taken_back
from livepatch.engine.changing.locks import Lock
from livepatch.engine.changing.registry import registry
from livepatch.engine.errors import is_refusal
from livepatch.engine.layers.owners import OWNER
from livepatch.engine.layers.stacks import Restack
from livepatch.engine.shown import shown
from livepatch.errors import FileNotTrusted
from livepatch.files import read_trusted
from livepatch.history.journal import journal

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from livepatch.engine import Step

THREAD = "livepatch-watch"

log = logging.getLogger("livepatch")


@dataclass(frozen=True)
class WatchError:
    """Why the present version of a watched file is not live.

    Attributes:
        file: its path.
        line: the line in it that raised, or does not compile; None where there is none.
        message: what was raised, on one line.
    """

    file: str
    line: int | None
    message: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return shown(f"{where}: {self.message}")


class WatchedFile:
    """A file whose changes are true as it says them.

    Args:
        path: its path, absolute.

    Attributes:
        owner: whose its layers are.
        error: why its present version is not live; None where it is.
        answer: what its last good version did.
        since: when that was, in UTC.
        laid: how many layers it laid then.
        is_unread: whether its present version was not even read: it is somebody else's, say. What
            fixes that need not be a save.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.owner = f"file {path}"
        self.error: WatchError | None = None
        self.answer = ""
        self.since: datetime | None = None
        self.is_unread = False
        self.laid = 0
        self._name = _free_name(path)
        self._step: Step | None = None
        self._others: list[Change] = []
        self._lock = Lock()

    def own_layers(self) -> list[Any]:
        """The layers that are the file's at present."""
        return [layer for layer in live_layers() if layer.owner == self.owner]

    @property
    def changes_something(self) -> bool:
        """Whether anything of it is live: what it did may have been restored since."""
        return bool(self.own_layers() or self._others)

    def save(self) -> bool:
        """Run the present version; when it fails, the former one stays as it is.

        Returns:
            Whether it is live.
        """
        with self._lock:
            begun = time.perf_counter()
            text = self._read()
            if text is None:
                return False
            try:
                code = compile(text, str(self.path), "exec", dont_inherit=True)
                count = self._run(code, text)
            # Whatever a file raises, SystemExit too: the webui and the watching go on.
            except BaseException as error:
                self._fail(error)
                is_ours = threading.current_thread().name == THREAD
                if isinstance(error, KeyboardInterrupt) and not is_ours:
                    raise  # Stop, in the cell that began to watch
                return False
            milliseconds = (time.perf_counter() - begun) * 1000
            facts = counted(count, "layer"), f"{milliseconds:.0f} ms"
            self.answer = answer(f"loaded {self.path.name}", *facts)
            self.error, self.since = None, datetime.now(timezone.utc)
            self.laid = len(self.own_layers())
            if self in _gone:
                _gone.remove(self)
            log.info("livepatch: %s", self.answer)
            return True

    def _read(self) -> bytes | None:
        """The text that will run, once it is known that only trusted users can have written it.

        Read once: what is checked is what is compiled.
        """
        try:
            text = read_trusted(self.path, f"run the watched file {self.path}", links=True)
        except (OSError, FileNotTrusted) as error:
            message = _message(error)
            if not (self.is_unread and self.error and self.error.message == message):
                self._fail(error)
            self.is_unread = True
            return None
        self.is_unread = False
        return text

    def gone(self) -> None:
        """Take back everything of a file that is there no more."""
        with self._lock:
            self.error, self.is_unread = None, False
            try:
                with transaction() as step:
                    self._take_back_others()
                    self._sweep(())
            except Exception as error:
                if not is_refusal(error):
                    raise
                self._fail(error)
                return
            self._remember(step, ())
            for layer in _waiting(self.owner):
                layer.remove()
            sys.modules.pop(self._name, None)
            linecache.cache.pop(str(self.path), None)
            self._forget_earlier_ones()
            self.since = None
            self.answer = answer(f"took back {self.path.name}")
            log.info("livepatch: %s", self.answer)

    def _forget_earlier_ones(self) -> None:
        """Undo brings back the file that went last: more of them would stay in memory for good."""
        for file in _gone:
            if file is not self and file._step is not None:
                journal.supersede(file._step)
                _known.pop(file.path, None)
        _gone[:] = [self]

    def _run(self, code: Any, text: bytes) -> int:
        module = ModuleType(self._name)
        module.__file__ = str(self.path)
        module.__spec__ = spec_from_file_location(self._name, self.path) or ModuleSpec(
            self._name, None
        )
        vars(module)[OWNER] = self.owner
        former = sys.modules.get(self._name)
        waiting = _waiting(self.owner)
        shown = linecache.cache.get(str(self.path))
        sys.modules[self._name] = module
        # The lines of the version that runs: what stands in the file by the time that someone
        # asks may be another one. An entry without a time is not compared with the file.
        _show_lines(self.path, text)
        try:
            with transaction() as step:
                self._take_back_others()
                begins = len(step.changes)
                exec(code, vars(module))
                made = step.changes[begins:]
                self._sweep(_layers_of(made))
        except BaseException:  # whatever it raised passes on; its module must not stay half run
            if former is None:
                sys.modules.pop(self._name, None)
            else:
                sys.modules[self._name] = former
            if shown is None:
                linecache.cache.pop(str(self.path), None)
            else:
                linecache.cache[str(self.path)] = shown
            for layer, pending in _waiting(self.owner).items():
                if waiting.get(layer) is not pending:
                    layer.remove()
            raise
        for layer, pending in _waiting(self.owner).items():
            if waiting.get(layer) is pending:  # the former version's, and not asked for again
                layer.remove()
        self._remember(step, made)
        return len(self.own_layers())

    def _take_back_others(self) -> None:
        """Take back what the former version did, but for its own layers.

        Those are laid in place of the former ones, so that no call meets the webui's own code in
        between.
        """
        if self._others:
            apply(*(taken_back(change) for change in reversed(self._others)))

    def _is_own_layer(self, change: Change) -> bool:
        if not isinstance(change, Restack) or change.placement.layer.owner != self.owner:
            return False
        before = {p.layer for p in change.before if p.layer.owner != self.owner}
        return before <= {p.layer for p in change.after}

    def _sweep(self, kept: Collection[Layer]) -> None:
        """Take off the file's layers that its new version does not have."""
        for layer in self.own_layers():
            if isinstance(layer, Layer) and layer not in kept and layer.state != "pending":
                layer.remove()

    def _remember(self, step: Step, made: Collection[Change]) -> None:
        self._others = [change for change in made if not self._is_own_layer(change)]
        if step.changes:
            if self._step is not None:
                # Undo goes back by one version: more of them would stay in memory for good.
                journal.supersede(self._step)
            self._step = step

    def _fail(self, error: BaseException) -> None:
        self.error = WatchError(str(self.path), _line_of(error, str(self.path)), _message(error))
        log.warning("livepatch: %s", self.error)


_known: dict[Path, WatchedFile] = {}
_gone: list[WatchedFile] = []


def known_file(path: Path) -> WatchedFile:
    """A file with what it did, also when it was watched before."""
    return _known.setdefault(path, WatchedFile(path))


def _layers_of(changes: Collection[Change]) -> set[Layer]:
    return {
        change.placement.layer
        for change in changes
        if isinstance(change, Restack) and change.verb not in ("restore", "switch off", "switch on")
    }


def _waiting(owner: str) -> dict[Layer, Any]:
    return {layer: p for layer, p in registry.pending.copy().items() if layer.owner == owner}


def _free_name(path: Path) -> str:
    """The name of its module: no other module has it, or it is another watched file's."""
    stem = "".join(c if c.isalnum() else "_" for c in path.stem)
    name = f"livepatch_watched_{stem}"
    number = 1
    while getattr(sys.modules.get(name), "__file__", str(path)) != str(path):
        number += 1
        name = f"livepatch_watched_{stem}_{number}"
    return name


def _show_lines(path: Path, text: bytes) -> None:
    with contextlib.suppress(SyntaxError, UnicodeDecodeError):  # it has compiled: it can be decoded
        from importlib.util import decode_source

        lines = decode_source(text).splitlines(keepends=True)
        linecache.cache[str(path)] = (len(text), None, lines, str(path))


def _line_of(error: BaseException, file: str) -> int | None:
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno
    line, frame = None, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == file:
            line = frame.tb_lineno
        frame = frame.tb_next
    return line


def _message(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    said = " · ".join(line for line in str(text).splitlines() if line.strip())
    return shown(f"{type(error).__name__}: {said}" if said else type(error).__name__)
