"""Every way of holding a function: new after replace, old after restore, identity intact."""

from __future__ import annotations

import pytest
from holding_kinds import KINDS, LIMITS, Program

import livepatch as lp

CASES = [
    pytest.param(kind, form, id=f"{kind} - {form if kind.value is None else 'value'}")
    for kind in KINDS
    for form in (kind.forms if kind.value is None else ("value",))
]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Starts the program of a row; a row whose library is not installed is skipped."""
    # Programs that were edited within a second have pyc files that look up to date.
    monkeypatch.setattr("sys.dont_write_bytecode", True)

    def start(kind):
        if kind.missing():
            pytest.skip(f"needs {', '.join(kind.missing())}")
        return Program(kind, tmp_path)

    return start


def test_the_table_has_a_hundred_different_kinds():
    assert len(KINDS) >= 127
    assert len({str(kind) for kind in [*KINDS, *LIMITS]}) == len([*KINDS, *LIMITS])
    needed = [kind for kind in KINDS if kind.needs]
    assert len(KINDS) - len(needed) >= 127  # with the standard library alone


@pytest.mark.parametrize(("kind", "form"), CASES)
def test_new_after_replace_and_old_after_restore(kind, form, run):
    with run(kind) as program:
        old = program.call()
        before = program.snapshot()
        assert "old" in old
        layer = lp.replace(program.target, program.new(form))
        assert program.call() == old.replace("old", "new")
        assert program.is_intact()
        assert layer.state == "active"
        lp.restore(program.target)
        assert program.call() == old
        assert program.is_intact()
        assert program.snapshot() == before


@pytest.mark.parametrize("kind", [kind for kind in LIMITS if not kind.error], ids=str)
def test_what_stays_old_is_named_in_the_answer(kind, run):
    with run(kind) as program:
        old = program.call()
        before = program.snapshot()
        layer = lp.replace(program.target, program.new())
        assert program.call() == old
        for words in kind.says:
            assert words in str(layer)
        layer.remove()
        assert program.call() == old
        assert program.snapshot() == before


@pytest.mark.parametrize("kind", [kind for kind in LIMITS if kind.error], ids=str)
def test_what_cannot_be_done_is_refused_and_changes_nothing(kind, run):
    with run(kind) as program:
        before = program.snapshot()
        new = program.new()
        with pytest.raises(getattr(lp, kind.error)) as refusal:
            lp.replace(program.target, new)
        asked, found, advice = str(refusal.value).splitlines()
        assert asked.startswith("replace ")
        for words in kind.says:
            assert words in found
        assert advice
        assert program.snapshot() == before
        assert len(lp.patches()) == 0
