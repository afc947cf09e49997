"""``lp.lint``: an extension, file by file, against the rules."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from livepatch.engine.answers import counted
from livepatch.engine.shown import shown
from livepatch.errors import LivepatchError
from livepatch.files.kinds import kind_of
from livepatch.files.untrusted import MOST, Entry, Unreadable, entries_of, walk_untrusted

from .findings import Finding, not_looked_at
from .importing import several_entries
from .jobs import Job, Looked
from .portability import FOLDERS
from .reader import Reader
from .report import LintReport
from .running import effects_of_import

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .jobs import Role

LEFT_OUT = frozenset(
    {"__pycache__", "node_modules", "venv", "tests", "test", "build", "dist", "site-packages"}
)
MARKS = (
    *("scripts", "javascript", "install.py", "preload.py", "script.py", "__init__.py"),
    *("metadata.ini", "pyproject.toml", "extension.js"),
)
NOT_LOADED = frozenset({"setup.py", "conftest.py"})
# Of one extension; what comes after them is not looked at.
MOST_FILES = 2_000
MOST_BYTES = 50_000_000
MOST_FINDINGS = 10_000
MOST_ENDS = 8  # processes that its files end


@dataclass
class _Extension:
    """The files of one extension.

    Attributes:
        root: its folder.
        entries: its files, and the folders that are not looked at.
        inside: the folder that links must not lead out of; None where one file is meant.
        looked: what the files have.
    """

    root: Path
    entries: list[Entry]
    inside: str | None
    looked: list[Looked] = field(default_factory=list)


def lint(path: str | Path, *, run: bool = False) -> LintReport:
    r"""Check an extension against the rules of extensions.

    The files are read by a process of their own: whatever a stranger has put into them, this one
    goes on. A file or folder that cannot be looked at is a finding (LP003), and the others are
    looked at.

    Args:
        path: the extension's folder, or one file; of a folder of extensions, all of them.
        run: import the entry files in clean processes as well, to see what that does (LP120). It
            runs the extension's code, so it is not done unasked.

    Returns:
        The findings: a sequence that shows as a table, with ``.text()``, ``.json()``, ``.sarif()``.

    Raises:
        LivepatchError: there is no such folder or file, or no process can be started.

    Example:
        >>> import pathlib, tempfile, livepatch as lp
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     script = pathlib.Path(folder, "scripts", "mine.py")
        ...     script.parent.mkdir()
        ...     characters = script.write_text("import os\nos.system('ls')\n")
        ...     [(finding.line, finding.code) for finding in lp.lint(folder)]
        [(2, 'LP101'), (2, 'LP115')]
    """
    asked = f"lint {shown(path)}"
    findings: list[Finding] = []
    ignored = 0
    with Reader(asked) as reader:
        for extension in _extensions(_given(asked, path)):
            _look_at(extension, reader)
            found, excused = _judged(extension, run=run)
            findings += found
            ignored += excused
    return LintReport(f"Lint of {path}", findings, ignored)


def _given(asked: str, path: str | Path) -> Path:
    """The folder or regular file that the user means."""
    try:
        given = Path(path).expanduser()
        mode = os.stat(given).st_mode
    except (OSError, ValueError, RuntimeError) as error:
        said = getattr(error, "strerror", None) or str(error)
        is_missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
        found = "there is no such file or folder" if is_missing else f"it cannot be read: {said}"
        raise LivepatchError(asked, found, "check the path") from error
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        found = f"it is {kind_of(mode)}, neither a folder nor a regular file"
        raise LivepatchError(asked, found, "give the folder of an extension, or one of its files")
    return given


def _extensions(given: Path) -> Iterator[_Extension]:
    """The folder of each extension, and its files."""
    if not os.path.isdir(given):
        yield _Extension(given.parent, [Entry(str(given))], None)
    elif _is_marked(given):
        yield _extension(given)
    else:
        inner = [p for p in map(Path, _names_in(given)) if not _is_left_out(p.name)]
        marked = [p for p in inner if os.path.isdir(p) and _is_marked(p)]
        yield from map(_extension, marked)
        folders = {str(p) for p in marked}
        rest = [e for e in _files(given) if folders.isdisjoint(_way_to(e.path))]
        if rest:
            yield _Extension(given, rest, str(given.absolute()))


def _way_to(path: str) -> Iterator[str]:
    yield path
    yield from map(str, Path(path).parents)


def _extension(folder: Path) -> _Extension:
    return _Extension(folder, list(_files(folder)), str(folder.absolute()))


def _is_marked(folder: Path) -> bool:
    return any(os.path.exists(folder / mark) for mark in MARKS)


def _names_in(folder: Path, most: int = MOST) -> list[str]:
    try:
        return [entry.path for entry in entries_of(folder, most)[0]]
    except Unreadable:  # the walk tells of it
        return []


def _files(folder: Path) -> Iterator[Entry]:
    return walk_untrusted(folder, _is_loaded, _is_left_out)


def _is_loaded(name: str) -> bool:
    """Whether a file of that name is code that a webui may load, or says what it needs."""
    if name in NOT_LOADED or name.startswith("test_"):
        return False
    return name.endswith((".py", ".js")) or name == "requirements.txt"


def _is_left_out(name: str) -> bool:
    return name in LEFT_OUT or name.startswith(".")


def _look_at(extension: _Extension, reader: Reader) -> None:
    """Have every file of an extension read, up to what is enough of them."""
    jobs = _jobs(extension)
    ends = reader.ends
    for entry in extension.entries:
        enough = _what_is_enough(extension.looked, reader.ends - ends)
        if enough:
            root = str(extension.root)
            why = f"is not read further: {enough}"
            extension.looked.append(Looked(root, [not_looked_at(root, why)]))
            return
        if entry.trouble:
            found = [not_looked_at(entry.path, entry.trouble)]
            extension.looked.append(Looked(entry.path, found))
        else:
            extension.looked.append(reader.look_at(jobs(entry.path)))


def _what_is_enough(looked: Sequence[Looked], ends: int) -> str:
    """What of an extension has reached its limit; empty for nothing."""
    if len(looked) == MOST_FILES:
        return f"it has more than {MOST_FILES:,} files"
    if ends == MOST_ENDS:
        return f"its files ended {counted(ends, 'process', 'processes')} that read them"
    if sum(one.size for one in looked) > MOST_BYTES:
        return f"it has more than {MOST_BYTES:,} bytes of code"
    if sum(len(one.findings) + len(one.faults) for one in looked) > MOST_FINDINGS:
        return f"it has more than {MOST_FINDINGS:,} findings"
    return ""


def _jobs(extension: _Extension) -> Callable[[str], Job]:
    """What is asked about the files of an extension."""
    root = extension.root
    listed = [Path(p) for p in _names_in(root, MOST_FILES)]
    own = tuple(p.stem for p in listed if p.suffix == ".py" or os.path.isdir(p))
    name = root.absolute().name
    has_callbacks = not os.path.exists(root / "script.py")
    above = root.absolute().parent
    webui = str(above.parent) if above.name in FOLDERS else None

    def job(path: str) -> Job:
        role = _role(Path(path), root)
        file = os.path.abspath(path)
        return Job(file, path, extension.inside, name, role, own, has_callbacks, webui)

    return job


def _role(path: Path, root: Path) -> Role:
    if path.parent == root and path.name in ("install.py", "preload.py"):
        return "install" if path.name == "install.py" else "preload"
    if path.parent.name == "scripts" and path.parent.parent == root and path.name != "__init__.py":
        return "entry"
    return "module"


def _judged(extension: _Extension, *, run: bool) -> tuple[list[Finding], int]:
    """What holds of an extension once all its files have been read, and how much is excused."""
    looked = extension.looked
    findings = [finding for one in looked for finding in one.findings]
    findings += _that_hold(looked)
    findings += several_entries({one.shown: one.registers for one in looked if one.is_entry})
    if run:
        findings += _effects(extension)
    excuses = {one.shown: one.excuses for one in looked}
    kept = [f for f in findings if not _is_excused(f, excuses.get(f.path, {}))]
    faults = [fault for one in looked for fault in one.faults]
    return [*_once(kept), *faults], len(findings) - len(kept)


def _that_hold(looked: Sequence[Looked]) -> Iterator[Finding]:
    """The findings that the other files of the extension decide about."""
    facts: dict[str, set[str]] = {}
    for one in looked:
        for kind, names in one.facts.items():
            facts.setdefault(kind, set()).update(names)
    for one in looked:
        for unless in one.unless:
            if facts.get(unless.fact, set()).isdisjoint(unless.names):
                yield unless.finding
        for where in one.where:
            if not facts.get(where.fact, set()).isdisjoint(where.names):
                yield where.finding


def _effects(extension: _Extension) -> Iterator[Finding]:
    root = extension.root
    for one in extension.looked:
        is_read = not any(finding.code in ("LP001", "LP003") for finding in one.findings)
        path = Path(one.shown)
        is_loaded_first = one.is_entry or (path.suffix == ".py" and path.parent == root)
        if is_read and is_loaded_first:
            yield from effects_of_import(path, root)


def _is_excused(finding: Finding, excuses: dict[int, list[str]]) -> bool:
    """Whether a comment with a reason stands there; of what is about a whole file, anywhere."""
    if finding.code == "LP003":
        return any("LP003" in codes for codes in excuses.values())
    return finding.code in excuses.get(finding.line, ())


def _once(findings: Sequence[Finding]) -> list[Finding]:
    """One finding for each rule and line."""
    first: dict[tuple[str, int, str], Finding] = {}
    for finding in findings:
        first.setdefault((finding.path, finding.line, finding.code), finding)
    return list(first.values())
