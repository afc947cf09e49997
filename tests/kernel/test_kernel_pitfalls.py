"""The tables of pitfalls: each row has a test, and a fix whose undoing that test notices."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pitfalls import UNDOINGS

import livepatch

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs"
UNDONE = {test.partition("[")[0] for undoing in UNDOINGS for test in undoing.tests}


def rows(name: str) -> list[set[str]]:
    """The tests that each row of a document's table names, where the table has tests at all."""
    found, is_table = [], False
    for line in (DOCS / name).read_text(encoding="utf-8").splitlines():
        is_table = line.startswith("|") and (is_table or line.endswith("| test |"))
        if is_table:
            found.append(set(re.findall(r"`(test_\w+::test_\w+)`", line)))
    return found[2:]  # below its head


@pytest.mark.parametrize("name", ["kernel.md", "security.md"])
def test_each_row_names_a_test_that_notices_the_missing_mend(name):
    """``tests/soak/pitfalls.py`` undoes them and looks."""
    table = rows(name)
    assert len(table) > 15
    assert [row for row in table if not row & UNDONE] == []


def test_what_is_undone_stands_in_a_table():
    assert set().union(*rows("kernel.md"), *rows("security.md")) >= UNDONE


def test_the_named_tests_are_there():
    for test in sorted(UNDONE.union(*rows("kernel.md"), *rows("security.md"))):
        file, _, name = test.partition("::")
        source = next(TESTS.rglob(f"{file}.py")).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE), test


def test_what_is_undone_is_there_to_be_undone():
    package = Path(livepatch.__file__).parent
    for undoing in UNDOINGS:
        source = (package / undoing.file).read_text(encoding="utf-8")
        assert source.count(undoing.fix) == 1, undoing
        compile(source.replace(undoing.fix, undoing.without), undoing.file, "exec")
