"""What lint answers: findings, as text, JSON and SARIF."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from livepatch.reports import Report

from .findings import Finding
from .rules import RULES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livepatch.reports.table import Columns

SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


class LintReport(Report[Finding]):
    """Findings in the order of files and lines.

    Args:
        title: what was looked at.
        findings: the findings.
        ignored: how many findings a comment with a reason excuses.
    """

    def __init__(self, title: str, findings: Sequence[Finding], ignored: int = 0) -> None:
        columns: Columns[Finding] = {
            "place": lambda f: f"{f.path}:{f.line}",
            "code": lambda f: f.code,
            "found": lambda f: f.message,
            "instead": lambda f: f.fix,
        }
        super().__init__(title, sorted(findings), columns, "no findings")
        self.ignored = ignored

    def text(self) -> str:
        """One line for each finding: ``path:line: CODE message``."""
        return "".join(f"{finding}\n" for finding in self)

    def json(self) -> str:
        """An array of ``{path, line, code, message, fix}``."""
        return json.dumps([vars(finding) for finding in self], indent=1)

    def sarif(self) -> str:
        """SARIF 2.1.0, which code hosts and editors read."""
        from livepatch.own_version import VERSION

        used = sorted({finding.code for finding in self})
        driver = {
            "name": "livepatch",
            "version": VERSION,
            "rules": [_rule(code) for code in used],
        }
        results = [_result(finding, used.index(finding.code)) for finding in self]
        run = {"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}
        return json.dumps({"$schema": SARIF, "version": "2.1.0", "runs": [run]}, indent=1)


def _rule(code: str) -> dict[str, Any]:
    rule = RULES[code]
    return {
        "id": code,
        "shortDescription": {"text": rule.asks},
        "fullDescription": {"text": rule.reason},
        "help": {"text": rule.fix},
    }


def _result(finding: Finding, index: int) -> dict[str, Any]:
    place = {
        "artifactLocation": {"uri": _uri(finding.path)},
        "region": {"startLine": finding.line},
    }
    return {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": "error" if finding.code in ("LP001", "LP003", "LP004") else "warning",
        "message": {"text": f"{finding.message}. Instead: {finding.fix}"},
        "locations": [{"physicalLocation": place}],
    }


def _uri(path: str) -> str:
    """A path as a URI, whatever bytes its name is made of."""
    return quote(os.fsencode(path.replace("\\", "/")), safe="/:")
