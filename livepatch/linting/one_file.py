"""One file of an extension against the rules: what the process that reads does."""

from __future__ import annotations

import ast
import dataclasses
from importlib.util import decode_source
from pathlib import Path
from typing import TYPE_CHECKING

from livepatch.files.untrusted import Unreadable, read_untrusted

from .callbacks import callbacks
from .findings import Finding, Unless, Where, not_looked_at
from .ignoring import Ignores
from .importing import (
    heavy_functions,
    install_only_installs,
    preload_only_defines,
    registers,
    work_at_import,
)
from .javascript import javascript, parser
from .jobs import Looked
from .patching import patching, put_back
from .portability import portability
from .requirements import requirements
from .rules import RULES
from .source import PythonFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .jobs import Job

MOST_FINDINGS = 1_000
"""Of one file."""
LONGEST_MESSAGE = 300
LONGEST_NAME = 100
"""In characters: what is longer is no name of a setting."""


def look_at(job: Job) -> Looked:
    """One file against the rules that it can be judged by alone.

    Args:
        job: the file.
    """
    looked = Looked(job.shown)
    try:
        content = read_untrusted(job.path, inside=job.inside)
        looked.size = len(content)
        _read_excuses(looked, job, content)
        _collect(looked, _judged(looked, job, content))
    except Unreadable as unreadable:
        looked.findings.append(not_looked_at(job.shown, str(unreadable)))
        _read_excuses(looked, job, unreadable.beginning)
    except (RecursionError, MemoryError):
        looked.findings.append(not_looked_at(job.shown, "is nested too deeply for some rules"))
    return looked


def _judged(looked: Looked, job: Job, content: bytes) -> Iterable[Finding | Unless | Where]:
    if job.path.endswith(".py"):
        return _python(looked, job, content)
    if job.path.endswith(".js"):
        return _javascript(job, content)
    return requirements(job.shown, _text(content))


def _collect(looked: Looked, found: Iterable[Finding | Unless | Where]) -> None:
    """Take what is found, up to a number: a file can break a rule in every line."""
    for count, one in enumerate(found):
        if count == MOST_FINDINGS:
            why = f"has more than {MOST_FINDINGS:,} findings: the others are not listed"
            looked.findings.append(not_looked_at(looked.shown, why))
            return
        if isinstance(one, Unless):
            looked.unless.append(dataclasses.replace(one, finding=_cut(one.finding)))
        elif isinstance(one, Where):
            looked.where.append(dataclasses.replace(one, finding=_cut(one.finding)))
        else:
            looked.findings.append(_cut(one))


def _cut(finding: Finding) -> Finding:
    """A finding of usual length: an expression that it quotes may be as long as the file."""
    if len(finding.message) <= LONGEST_MESSAGE:
        return finding
    return dataclasses.replace(finding, message=f"{finding.message[:LONGEST_MESSAGE]}…")


def _python(looked: Looked, job: Job, content: bytes) -> Iterator[Finding | Unless | Where]:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        yield _no_python(job.shown, error)
        return
    file = PythonFile(Path(job.path), job.shown, job.role, tree, frozenset(job.own))
    file.webui = None if job.webui is None else Path(job.webui)
    file.heavy = heavy_functions(file)
    looked.is_entry, looked.registers = job.role == "entry", registers(file)
    names = sorted(t for t in file.texts if len(t) <= LONGEST_NAME and _is_name(t))
    looked.facts = {"text": names, "put back": sorted(put_back(file))}
    looked.facts["heavy"] = sorted(file.heavy)
    yield from work_at_import(file)
    yield from install_only_installs(file)
    yield from preload_only_defines(file)
    yield from portability(file)
    yield from patching(file)
    yield from callbacks(file)


def _is_name(text: str) -> bool:
    """Whether a text can name a setting, or an option as ``--with-words``."""
    return text.removeprefix("--").replace("-", "_").isidentifier()


def _no_python(shown: str, error: Exception) -> Finding:
    line = getattr(error, "lineno", None) or 1
    said = getattr(error, "msg", None) or str(error)
    if isinstance(error, (RecursionError, MemoryError)):
        said = "it is nested too deeply for Python's parser"
    return Finding(shown, line, "LP001", f"it is not Python: {said}", RULES["LP001"].fix)


def _javascript(job: Job, content: bytes) -> list[Finding]:
    reader = parser()
    if reader is None:
        why = "the file is not checked: there is no parser of JavaScript in this environment"
        return [Finding(job.shown, 1, "LP004", why, RULES["LP004"].fix)]
    text, name = _text(content), job.extension
    return javascript(reader, job.shown, text, name, has_callbacks=job.has_callbacks)


def _read_excuses(looked: Looked, job: Job, content: bytes) -> None:
    is_python = job.path.endswith(".py")
    text = _python_text(content) if is_python else _text(content)
    ignores = Ignores(job.shown, text, is_python=is_python)
    looked.excuses = {line: sorted(codes) for line, codes in ignores.codes.items()}
    looked.faults = [_cut(fault) for fault in ignores.faults[:MOST_FINDINGS]]


def _python_text(content: bytes) -> str:
    """The text of a Python file, by the encoding that it names."""
    try:
        return decode_source(content)
    except (SyntaxError, ValueError, LookupError):
        return _text(content)


def _text(content: bytes) -> str:
    """The text of any other file, its lines ended as Python and tree-sitter count them."""
    text = content.decode("utf-8-sig", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")
