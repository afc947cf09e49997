"""``lp.lint``: an extension, file by file, against the rules."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from livepatch.errors import LivepatchError

from .callbacks import callbacks
from .findings import Finding, LintReport
from .ignoring import Ignores
from .importing import install_only_installs, preload_only_defines, several_entries, work_at_import
from .javascript import INSTALL, javascript, parser
from .patching import patching
from .portability import portability
from .requirements import requirements
from .rules import RULES
from .running import effects_of_import
from .source import PythonFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .source import Role

LEFT_OUT = frozenset(
    {"__pycache__", "node_modules", "venv", "tests", "test", "build", "dist", "site-packages"}
)
MARKS = (
    *("scripts", "javascript", "install.py", "preload.py", "script.py", "__init__.py"),
    *("metadata.ini", "pyproject.toml", "extension.js"),
)
NOT_LOADED = frozenset({"setup.py", "conftest.py"})
LARGEST = 2_000_000
"""In bytes; larger files are data."""


def lint(path: str | Path, *, run: bool = False) -> LintReport:
    r"""Check an extension against the rules of extensions.

    Args:
        path: the extension's folder, or one file; of a folder of extensions, all of them.
        run: import the entry files in clean processes as well, to see what that does (LP120). It
            runs the extension's code, so it is not done unasked.

    Returns:
        The findings: a sequence that shows as a table, with ``.text()``, ``.json()``, ``.sarif()``.

    Raises:
        LivepatchError: there is no such folder or file.

    Example:
        >>> import pathlib, tempfile, livepatch as lp
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     script = pathlib.Path(folder, "scripts", "mine.py")
        ...     script.parent.mkdir()
        ...     characters = script.write_text("import os\nos.system('ls')\n")
        ...     [(finding.line, finding.code) for finding in lp.lint(folder)]
        [(2, 'LP101'), (2, 'LP115')]
    """
    given = Path(path).expanduser()
    if not given.exists():
        raise LivepatchError(f"lint {path}", "there is no such file or folder", "check the path")
    findings: list[Finding] = []
    notes: list[str] = []
    ignored = 0
    for root, files in _extensions(given):
        found, excused = _lint_extension(root, files, notes, run=run)
        findings += found
        ignored += excused
    return LintReport(f"Lint of {path}", findings, list(dict.fromkeys(notes)), ignored)


def _extensions(given: Path) -> Iterator[tuple[Path, list[Path]]]:
    """The folder of each extension, and its files."""
    if given.is_file():
        yield given.parent, [given]
    elif any((given / mark).exists() for mark in MARKS):
        yield given, sorted(_files(given))
    else:
        inner = [p for p in sorted(given.iterdir()) if p.is_dir() and not _is_left_out(p)]
        marked = [p for p in inner if any((p / mark).exists() for mark in MARKS)]
        for folder in marked:
            yield folder, sorted(_files(folder))
        rest = [f for f in sorted(_files(given)) if set(marked).isdisjoint(f.parents)]
        if rest:
            yield given, rest


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if not _is_left_out(path) and not path.is_symlink():
                yield from _files(path)
        elif path.name in NOT_LOADED or path.name.startswith("test_"):
            continue
        elif path.suffix in (".py", ".js") or path.name == "requirements.txt":
            yield path


def _is_left_out(folder: Path) -> bool:
    return folder.name in LEFT_OUT or folder.name.startswith(".")


def _lint_extension(
    root: Path, files: Sequence[Path], notes: list[str], *, run: bool
) -> tuple[list[Finding], int]:
    own = frozenset({p.stem for p in root.iterdir() if p.suffix == ".py" or p.is_dir()})
    name = root.absolute().name
    parsed: list[PythonFile] = []
    excuses: dict[str, Ignores] = {}
    findings: list[Finding] = []
    for path in files:
        shown = str(path)
        text = _read(path, notes)
        if text is None:
            continue
        if path.name == "requirements.txt":
            findings += requirements(shown, text)
        elif path.suffix == ".js":
            has_callbacks = not (root / "script.py").exists()
            findings += _javascript(shown, text, name, notes, has_callbacks=has_callbacks)
        excuses[shown] = Ignores(shown, text, is_python=path.suffix == ".py")
        if path.suffix == ".py":
            tree = _parsed(path, shown, text, findings)
            if tree is not None:
                parsed.append(PythonFile(path, shown, _role(path, root), tree, own))
    for file in parsed:
        findings += _python(file, parsed)
    findings += several_entries(parsed)
    if run:
        for file in parsed:
            if file.role == "entry" or file.path.parent == root:
                findings += effects_of_import(file, root)
    kept = [f for f in findings if f.path not in excuses or not excuses[f.path].excuses(f)]
    faults = [fault for ignores in excuses.values() for fault in ignores.faults]
    return [*_once(kept), *faults], len(findings) - len(kept)


def _python(file: PythonFile, parsed: Sequence[PythonFile]) -> Iterator[Finding]:
    others = [other for other in parsed if other is not file]
    yield from work_at_import(file)
    yield from install_only_installs(file)
    yield from preload_only_defines(file)
    yield from portability(file, others)
    yield from patching(file, others)
    yield from callbacks(file)


def _once(findings: Sequence[Finding]) -> list[Finding]:
    """One finding for each rule and line."""
    first: dict[tuple[str, int, str], Finding] = {}
    for finding in findings:
        first.setdefault((finding.path, finding.line, finding.code), finding)
    return list(first.values())


def _javascript(
    shown: str, text: str, name: str, notes: list[str], *, has_callbacks: bool
) -> list[Finding]:
    reader = parser()
    if reader is None:
        notes.append(f"JavaScript was not looked at: {INSTALL}")
        return []
    return javascript(reader, shown, text, name, has_callbacks=has_callbacks)


def _parsed(path: Path, shown: str, text: str, findings: list[Finding]) -> ast.Module | None:
    try:
        return ast.parse(text, str(path))
    except (SyntaxError, ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None) or 1
        said = getattr(error, "msg", None) or str(error)
        findings.append(
            Finding(shown, line, "LP001", f"it is no Python: {said}", RULES["LP001"].fix)
        )
        return None


def _read(path: Path, notes: list[str]) -> str | None:
    try:
        if path.stat().st_size > LARGEST:
            notes.append(f"{path} is larger than {LARGEST} bytes and was not looked at")
            return None
        return path.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError as error:
        notes.append(f"{path} could not be read: {error.strerror}")
        return None


def _role(path: Path, root: Path) -> Role:
    if path.parent == root and path.name in ("install.py", "preload.py"):
        return "install" if path.name == "install.py" else "preload"
    if path.parent.name == "scripts" and path.parent.parent == root and path.name != "__init__.py":
        return "entry"
    return "module"
