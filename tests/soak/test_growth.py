"""A hundred thousand changes leave no memory behind."""

from __future__ import annotations

import contextlib

import pytest

import livepatch as lp
from livepatch.history.journal import KEPT

from . import growth, hammer
from .sizes import size

CYCLES = size("GROWTH", full=100_000, reduced=5_000)
pytestmark = pytest.mark.timeout(3600)

CACHES = 16_384
"""Bytes that caches may still fill while it is measured; the smallest object takes 16 a cycle."""


def changes():
    """The cycles of changes that are measured, by name."""
    news = hammer.versions()[:3]
    text = hammer.versions()[3]
    wrappers = hammer.module("wrappers", hammer.WRAPPERS)

    def functions(number):
        lp.replace("hammered.f", news[number % len(news)]).remove()

    def new_functions(number):
        made = hammer.module("made", f"def new(a={number}, *, k='new'):\n    return a, k")
        lp.replace("hammered.f", made.new).remove()

    def one_text(number):
        lp.replace("hammered.f", text).remove()

    def wrapping(number):
        lp.wrap("hammered.f", wrappers.top).remove()

    def rolled_back(number):
        with contextlib.suppress(LookupError), lp.transaction():
            lp.replace("hammered.f", news[0])
            raise LookupError

    return [functions, new_functions, one_text, wrapping, rolled_back]


@pytest.mark.parametrize("change", changes(), ids=lambda change: change.__name__)
def test_without_the_journal(change):
    with hammer.subject(), growth.journal_off():
        slope = growth.slope(change, CYCLES)
        print(f"{change.__name__}: {slope:.3f} bytes a cycle over {CYCLES} cycles")
        assert slope < 1 + CACHES / CYCLES


def test_with_the_journal_which_is_full_by_then():
    cycles = max(CYCLES, KEPT * 10 // 2)  # else it is the journal that is measured
    with hammer.subject():
        slope = growth.slope(changes()[0], cycles)
        print(f"with the journal: {slope:.3f} bytes a cycle over {cycles} cycles")
        assert slope < 1 + CACHES / cycles
