"""Threads that call a function all the time while others change it."""

from __future__ import annotations

import contextlib
import itertools
import sys
import threading
import time
import types
from collections import Counter
from pathlib import Path

import livepatch as lp
from livepatch import engine

ENGINE = str(Path(engine.__file__).parent)
CALLERS = 8

# Every call answers words, and the words of one call are the same when it was not torn: the code,
# the defaults and the keyword-only defaults of one version.
SUBJECT = """
def f(a="base", b="base", *, k="base"):
    return [("base", a, b, k)]
def numbers(a="base", *, k="base"):
    yield "base", a, k
class C:
    def m(self, a="base", *, k="base"):
        return [("base", a, k)]
"""
# One more parameter, one less, no defaults at all: each with the words of its own.
VERSIONS = """
def one(a="one", *, k="one"):
    return [("one", a, k)]
def two(a="two", b="two", c="two", *, k="two", l="two"):
    return [("two", a, b, c, k, l)]
def three(*rest, **more):
    return [("three", *rest, *more)]
"""
TEXT = 'def four(a="four", b="four", c="four", *, k="four"):\n    return [("four", a, b, c, k)]'


def module(name, text):
    """A loaded module of this text."""
    made = types.ModuleType(name)
    exec(compile(text, f"<{name}>", "exec"), vars(made))
    return made


@contextlib.contextmanager
def subject():
    """The module ``hammered`` that is called and changed."""
    made = sys.modules["hammered"] = module("hammered", SUBJECT)
    try:
        yield made
    finally:
        del sys.modules["hammered"]


@contextlib.contextmanager
def callers(call):
    """Threads that call until the body has ended; yields what they saw."""
    seen: Counter = Counter()
    ended = threading.Event()
    lock = threading.Lock()
    begun = threading.Barrier(CALLERS + 1)

    def work():
        mine: Counter = Counter()
        begun.wait(10)
        while not ended.is_set():
            try:
                answer = tuple(map(tuple, call()))
            except Exception as error:
                answer = f"{type(error).__name__}: {error}"
            mine[answer] += 1
        with lock:
            seen.update(mine)

    before = sys.getswitchinterval()
    threads = [threading.Thread(target=work) for _ in range(CALLERS)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        begun.wait(10)
        yield seen
    finally:
        ended.set()
        for thread in threads:
            thread.join(60)
        sys.setswitchinterval(before)


def at_every_instruction(change, call):
    """Make a change and call before each instruction that the engine executes for it.

    What threads hit by chance is hit here for certain: every state between two instructions.
    """
    seen: Counter = Counter()

    def trace(frame, event, argument):
        if not frame.f_code.co_filename.startswith(ENGINE):
            return None
        frame.f_trace_opcodes = True
        seen[tuple(map(tuple, call()))] += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        change()
    finally:
        sys.settrace(before)
    return seen


def torn(seen):
    """The answers that no single version gives, with their number."""
    return {
        answer: count
        for answer, count in seen.items()
        if isinstance(answer, str) or any(len(set(words)) != 1 for words in answer)
    }


def versions():
    """The new codes in turn: functions of another module, and a text that is swapped in."""
    made = module("versions", VERSIONS)
    return [made.one, made.two, made.three, TEXT]


def within(cycles, seconds):
    """The numbers of the cycles, as far as the time allows."""
    end = time.monotonic() + seconds
    return itertools.takewhile(lambda _: time.monotonic() < end, range(cycles))


def replace_and_restore(call, target, news, cycles, seconds=float("inf")):
    """Change a function in cycles under calling threads; answer what the threads saw."""
    with callers(call) as seen:
        for cycle in within(cycles, seconds):
            lp.replace(target, news[cycle % len(news)])
            if cycle % 3 == 0:  # from one version straight to the next, too
                lp.replace(target, news[(cycle + 1) % len(news)])
            lp.restore(target)
    return seen


WRAPPERS = """
def bottom(original, a="bottom", *, k="bottom"):
    return [("bottom", a, k), *original()]
def middle(original, a="middle", b="middle", *, k="middle"):
    return [("middle", a, b, k), *original()]
def top(original, *, k="top"):
    return [("top", k), *original()]
"""


def middle_comes_and_goes(call, target, cycles, seconds=float("inf")):
    """Lay a layer between two others and take it away; answer what the threads saw."""
    made = module("wrappers", WRAPPERS)
    lp.wrap(target, made.bottom)
    middle = lp.wrap(target, made.middle)
    lp.wrap(target, made.top)
    with callers(call) as seen:
        for cycle in within(cycles, seconds):
            if cycle % 2:
                middle.off()
                middle.on()
            else:
                middle.remove()
                lp.undo()
    lp.restore(target)
    return seen


def orders(seen):
    """The orders of layers that calls went through."""
    return {tuple(words[0] for words in answer) for answer in seen}
