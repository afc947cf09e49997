"""What lint finds, as data."""

from __future__ import annotations

from dataclasses import dataclass

from livepatch.engine.shown import shown

from .rules import RULES


@dataclass(frozen=True, order=True)
class Finding:
    """One place where a rule is broken.

    Attributes:
        path: the file.
        line: counted from 1.
        code: the rule's.
        message: what was found.
        fix: what to write instead.
    """

    path: str
    line: int
    code: str
    message: str
    fix: str

    def __str__(self) -> str:
        return shown(f"{self.path}:{self.line}: {self.code} {self.message}")

    @property
    def reason(self) -> str:
        """Why there is such a rule."""
        return RULES[self.code].reason


def not_looked_at(path: str, why: str) -> Finding:
    """The finding of a file or folder that is not looked at.

    Args:
        path: the file or folder.
        why: the reason, which follows ``it``.
    """
    return Finding(path, 1, "LP003", f"it {why}", RULES["LP003"].fix)


@dataclass(frozen=True)
class Unless:
    """A finding that does not hold where any file of the extension says otherwise.

    Attributes:
        finding: the finding.
        fact: the kind of fact that would say so: ``text`` or ``put back``.
        names: any of these would.
    """

    finding: Finding
    fact: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Where:
    """A finding that holds only where a file of the extension says so.

    Attributes:
        finding: the finding.
        fact: the kind of fact that says so: ``heavy``.
        names: any of these does.
    """

    finding: Finding
    fact: str
    names: tuple[str, ...]
