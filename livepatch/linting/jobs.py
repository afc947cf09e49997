"""The jobs and answers of the process that reads files: one line of JSON each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .findings import Finding, Unless, Where

Role = Literal["entry", "install", "preload", "module"]


@dataclass(frozen=True)
class Job:
    """A file to be looked at.

    Attributes:
        path: the file, absolute.
        shown: its path as findings show it.
        inside: the extension's folder, which a link must not lead out of; None: anywhere.
        extension: the extension's name.
        role: what the webui does with the file.
        own: the top-level names of the extension's own modules.
        has_callbacks: whether the webui calls functions of the page's scripts, as A1111 does.
        webui: the folder of the webui that the extension lies in; None where it lies in none.
    """

    path: str
    shown: str
    inside: str | None
    extension: str
    role: Role
    own: tuple[str, ...] = ()
    has_callbacks: bool = True
    webui: str | None = None

    def to_line(self) -> bytes:
        """The job as one line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Job:
        """The job of a line."""
        given: dict[str, Any] = json.loads(line)
        return cls(**{**given, "own": tuple(given["own"])})


@dataclass
class Looked:
    """What one file has: everything that the rules need of it once all files have been read.

    Attributes:
        shown: its path as findings show it.
        size: of what was read of it, in bytes.
        findings: what breaks a rule.
        unless: what breaks one, unless any file of the extension says otherwise.
        where: what breaks one only where a file of the extension says so.
        facts: what it says itself, by the kinds that ``unless`` and ``where`` name.
        excuses: the codes that comments ignore, by lines.
        faults: ignore comments that do not hold.
        is_entry: whether the webui executes it on its own.
        registers: whether it registers callbacks or has scripts.
    """

    shown: str
    findings: list[Finding] = field(default_factory=list)
    size: int = 0
    unless: list[Unless] = field(default_factory=list)
    where: list[Where] = field(default_factory=list)
    facts: dict[str, list[str]] = field(default_factory=dict)
    excuses: dict[int, list[str]] = field(default_factory=dict)
    faults: list[Finding] = field(default_factory=list)
    is_entry: bool = False
    registers: bool = False

    def to_line(self) -> bytes:
        """The answer as one line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Looked:
        """The answer of a line.

        Raises:
            ValueError: it is none: a process that ends says other things, or half of it.
        """
        try:
            given: dict[str, Any] = json.loads(line)
            return cls(
                shown=given["shown"],
                size=given["size"],
                findings=[Finding(**f) for f in given["findings"]],
                unless=[
                    Unless(Finding(**u["finding"]), u["fact"], tuple(u["names"]))
                    for u in given["unless"]
                ],
                where=[
                    Where(Finding(**w["finding"]), w["fact"], tuple(w["names"]))
                    for w in given["where"]
                ],
                facts=given["facts"],
                excuses={int(line): codes for line, codes in given["excuses"].items()},
                faults=[Finding(**f) for f in given["faults"]],
                is_entry=given["is_entry"],
                registers=given["registers"],
            )
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"no answer: {line[:200]!r}") from error
