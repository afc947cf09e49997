"""The table of pitfalls: each row has a test, and a mend whose undoing that test notices."""

from __future__ import annotations

import re
from pathlib import Path

from pitfalls import UNDOINGS

import livepatch

TESTS = Path(__file__).parent
TABLE = TESTS.parent / "docs" / "kernel.md"
UNDONE = {test.partition("[")[0] for undoing in UNDOINGS for test in undoing.tests}


def rows() -> list[set[str]]:
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    return [set(re.findall(r"`(test_\w+::test_\w+)`", line)) for line in lines[1:]]


def test_each_row_names_a_test_that_notices_the_missing_mend():
    """``tests/soak/pitfalls.py`` undoes them and looks."""
    table = rows()
    assert len(table) > 20
    assert [row for row in table if not row & UNDONE] == []
    assert set().union(*table) >= UNDONE


def test_the_named_tests_are_there():
    for test in sorted(UNDONE.union(*rows())):
        file, _, name = test.partition("::")
        source = (TESTS / f"{file}.py").read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE), test


def test_what_is_undone_is_there_to_be_undone():
    package = Path(livepatch.__file__).parent
    for undoing in UNDOINGS:
        source = (package / undoing.file).read_text(encoding="utf-8")
        assert source.count(undoing.mend) == 1, undoing
        compile(source.replace(undoing.mend, undoing.without), undoing.file, "exec")
