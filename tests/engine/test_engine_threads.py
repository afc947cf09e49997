"""A function that eight threads call is changed: no call is torn, none fails.

The long run is ``tests/soak/test_threads.py``.
"""

from __future__ import annotations

from soak import hammer

import livepatch as lp

CYCLES, SECONDS = 300, 1.0  # whichever ends first, of each test


def test_no_call_is_torn_by_replace_and_restore():
    with hammer.subject() as app:
        seen = hammer.replace_and_restore(app.f, "hammered.f", hammer.versions(), CYCLES, SECONDS)
        assert hammer.torn(seen) == {}
        assert len({answer[0][0] for answer in seen}) > 1  # the callers did see changes


def test_no_call_is_torn_by_a_change_of_a_generator():
    with hammer.subject() as app:
        news = ["def numbers(a='one', b='one', *, k='one'):\n    yield 'one', a, b, k"]
        seen = hammer.replace_and_restore(app.numbers, "hammered.numbers", news, CYCLES, SECONDS)
        assert hammer.torn(seen) == {}


def test_no_call_is_torn_at_any_instruction_of_a_change():
    def change():
        for new in hammer.versions():
            lp.replace("hammered.f", new)
        lp.restore("hammered.f")

    with hammer.subject() as app:
        seen = hammer.at_every_instruction(change, app.f)
        assert hammer.torn(seen) == {}
        assert {answer[0][0] for answer in seen} == {"base", "one", "two", "three", "four"}


def test_no_call_is_torn_while_a_layer_in_the_middle_comes_and_goes():
    with hammer.subject() as app:
        seen = hammer.middle_comes_and_goes(app.f, "hammered.f", CYCLES, SECONDS)
        assert hammer.torn(seen) == {}
        both = {("top", "middle", "bottom", "base"), ("top", "bottom", "base")}
        # Which of the two other threads come to see is the scheduler's; the next test sees both.
        assert hammer.orders(seen) <= both


def test_no_call_is_torn_at_any_instruction_of_a_change_between_layers():
    def change():
        middle.off()
        middle.on()
        middle.remove()
        lp.undo()

    wrappers = hammer.module("wrappers", hammer.WRAPPERS)
    with hammer.subject() as app:
        lp.wrap("hammered.f", wrappers.bottom)
        middle = lp.wrap("hammered.f", wrappers.middle)
        lp.wrap("hammered.f", wrappers.top)
        seen = hammer.at_every_instruction(change, app.f)
        assert hammer.torn(seen) == {}
        both = {("top", "middle", "bottom", "base"), ("top", "bottom", "base")}
        assert hammer.orders(seen) == both
        lp.restore("hammered.f")
