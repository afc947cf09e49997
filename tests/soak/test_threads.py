"""Ten thousand changes under eight calling threads: no call is torn, none fails."""

from __future__ import annotations

import pytest

from . import hammer
from .sizes import size

CYCLES = size("CYCLES", full=10_000, reduced=500)
pytestmark = pytest.mark.timeout(3600)


def test_replace_and_restore():
    with hammer.subject() as app:
        seen = hammer.replace_and_restore(app.f, "hammered.f", hammer.versions(), CYCLES)
        print(f"{CYCLES} cycles, {seen.total():,} calls, {len(seen)} different answers")
        assert hammer.torn(seen) == {}
        assert app.f() == [("base",) * 4]


def test_replace_and_restore_of_a_method():
    with hammer.subject() as app:
        news = ["def m(self, a='one', b='one', *, k='one'):\n    return [('one', a, b, k)]"]
        held = app.C().m
        seen = hammer.replace_and_restore(held, "hammered.C.m", news, CYCLES)
        print(f"{CYCLES} cycles, {seen.total():,} calls, {len(seen)} different answers")
        assert hammer.torn(seen) == {}


def test_replace_and_restore_of_a_generator():
    with hammer.subject() as app:
        news = ["def numbers(a='one', b='one', *, k='one'):\n    yield 'one', a, b, k"]
        seen = hammer.replace_and_restore(app.numbers, "hammered.numbers", news, CYCLES)
        print(f"{CYCLES} cycles, {seen.total():,} calls, {len(seen)} different answers")
        assert hammer.torn(seen) == {}


def test_a_layer_in_the_middle_comes_and_goes():
    with hammer.subject() as app:
        seen = hammer.middle_comes_and_goes(app.f, "hammered.f", CYCLES)
        print(f"{CYCLES} cycles, {seen.total():,} calls, {len(seen)} different answers")
        assert hammer.torn(seen) == {}
        assert hammer.orders(seen) <= {
            ("top", "middle", "bottom", "base"),
            ("top", "bottom", "base"),
        }
