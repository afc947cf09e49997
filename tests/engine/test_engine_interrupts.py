"""An interrupt at any moment leaves every commit whole: what patches() says is what runs."""

from __future__ import annotations

import ast
import ctypes
import dis
import gc
import os
import random
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from types import CodeType

import pytest
from samples import functions

import livepatch as lp
from livepatch.engine.changing.masking import deliver, holding, masked
from livepatch.engine.changing.registry import registry

INTERRUPTS = 2_000
TESTS = Path(__file__).parents[1]
PACKAGE = Path(lp.__file__).parent


def raise_in(thread_id):
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread_id), ctypes.py_object(KeyboardInterrupt)
    )


def new_plain(a, b=7, *, c=8):
    return ("new", a, b, c)


def replace_and_restore():
    """Until an interrupt comes; most of the time is spent in commits."""
    while True:
        layer = lp.replace("samples.functions.plain", new_plain)
        for _ in range(5):
            layer.off()
            layer.on()
        lp.restore("samples.functions.plain")


def use_the_lock_where_it_is_free():
    while True:
        holding(registry.lock, bool, wait=False)


def disagreement():
    """What an interrupt left wrong between the layers and the behaviour, or held, if anything."""
    if registry.lock._is_owned():  # this thread goes on; every other would wait for ever
        registry.lock.release()
        return "the lock is still held"
    patched = [layer.state for layer in lp.patches() if layer.target == "samples.functions.plain"]
    expected = ("new", 1, 7, 8) if patched == ["active"] else ("old", 1, 2, 1)
    return None if functions.plain(1) == expected else (patched, functions.plain(1))


@pytest.fixture
def _threads_take_turns_often():
    watcher = registry.watcher  # of a change that waited: it sets the interval too
    if watcher is not None:
        watcher.join(30)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    # A callback of the collector (hypothesis has one) swallows an interrupt: nobody handles it.
    gc.disable()
    yield
    gc.enable()
    sys.setswitchinterval(interval)


@pytest.mark.parametrize("work", [replace_and_restore, use_the_lock_where_it_is_free])
@pytest.mark.usefixtures("_threads_take_turns_often")
def test_interrupts_at_random_moments_leave_layers_and_behaviour_in_agreement(work):
    wrong, handled, ready = [], [0], [-1]

    def patch_and_restore():
        while handled[0] < INTERRUPTS:
            try:
                ready[0] = handled[0]
                work()
            except KeyboardInterrupt:
                wrong.extend(filter(None, [disagreement()]))
                handled[0] += 1

    thread = threading.Thread(target=patch_and_restore, daemon=True)
    thread.start()
    numbers, pause = random.Random(7), threading.Event()
    for number in range(INTERRUPTS):
        # One interrupt is under way at a time: the next is sent when the last was looked at.
        while ready[0] < number and thread.is_alive():
            pause.wait(0.0001)
        pause.wait(numbers.random() * 0.001)
        deliver(thread.ident, lambda: raise_in(thread.ident))
    thread.join(30)
    assert handled[0] == INTERRUPTS
    assert wrong == []
    lp.restore_all()
    assert functions.plain(1) == ("old", 1, 2, 1)


def test_a_commit_begins_after_a_delivery_that_found_its_thread_unmasked():
    """Else the interrupt falls into the commit that began between the question and the raising."""
    delivering, may_go_on, begun = threading.Event(), threading.Event(), threading.Event()

    def raise_late():
        delivering.set()
        assert may_go_on.wait(20)

    committing = threading.Thread(target=masked, args=(begun.set,))
    delivery = threading.Thread(target=lambda: deliver(committing.ident or 0, raise_late))
    delivery.start()
    assert delivering.wait(20)
    committing.start()
    assert not begun.wait(0.2)
    may_go_on.set()
    assert begun.wait(20)
    delivery.join(20)
    committing.join(20)


def test_an_interrupt_that_is_being_held_back_as_the_commit_ends_is_raised(monkeypatch):
    holding_back, committed = threading.Event(), threading.Event()

    class Slow(set):
        def add(self, thread):
            holding_back.set()
            assert committed.wait(20)
            # The thread has ended its mask by now, or is about to.
            while thread in registry.masked_threads:
                threading.Event().wait(0.001)
            super().add(thread)

    monkeypatch.setattr(registry, "held_back", Slow())
    own = threading.get_ident()
    delivery = threading.Thread(target=deliver, args=(own, lambda: None))

    def commit():
        delivery.start()
        assert holding_back.wait(20)
        committed.set()

    with pytest.raises(KeyboardInterrupt):
        masked(commit)
    delivery.join(20)
    assert registry.held_back == set()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no exception tables")
def test_no_interrupt_leaves_a_with_or_a_finally_past_its_exit():
    """A backward jump, where interrupts arrive, is inside the statement that it stands in.

    Python 3.13 leaves the jump back of a loop out of the exception table where it follows a
    condition (https://github.com/python/cpython/issues/130279): directly inside ``with`` or ``try``
    no loop or comprehension ends in a condition. It stands in a function, which is called there.
    Python 3.14 makes such a loop of ``any`` and ``all`` as well.
    """
    found = [
        f"{path.relative_to(PACKAGE)}:{line} in {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, name in jumps_without_exit(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def jumps_without_exit(text):
    """The lines, and functions, where an interrupt leaves a statement past its exit."""
    ways_out = [block for node in ast.walk(ast.parse(text)) for block in blocks_to_be_left(node)]
    for code in codes_in(compile(text, "<text>", "exec")):
        covered = dis.Bytecode(code).exception_entries
        for jump in dis.get_instructions(code):
            line = jump.positions.lineno or 0
            if jump.opname != "JUMP_BACKWARD" or any(
                entry.start <= jump.offset < entry.end for entry in covered
            ):
                continue
            if any(
                code.co_firstlineno <= first[0] and first[1] <= line <= last
                for *first, last in ways_out
            ):
                yield line, code.co_qualname


def blocks_to_be_left(node):
    """Of each block whose exit an interrupt has to pass: its statement's line, first and last."""
    if isinstance(node, (ast.With, ast.AsyncWith)):
        blocks = [node.body]
    elif isinstance(node, ast.Try) and node.finalbody:
        blocks = [node.body, node.orelse, *(handler.body for handler in node.handlers)]
    elif isinstance(node, ast.Try) and any(map(catches_interrupts, node.handlers)):
        blocks = [node.body]
    else:
        blocks = []
    return [(node.lineno, block[0].lineno, block[-1].end_lineno) for block in blocks if block]


def catches_interrupts(handler):
    caught = ast.unparse(handler.type) if handler.type else "BaseException"
    return "KeyboardInterrupt" in caught or "BaseException" in caught


def codes_in(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_in(constant)


def test_ctrl_c_on_the_main_thread_leaves_commits_whole():
    script = textwrap.dedent(
        """
        import os, random, signal, sys, threading
        import livepatch as lp
        from test_engine_interrupts import disagreement, replace_and_restore

        handled, wrong, ready = [0], [], [-1]
        sys.setswitchinterval(0.0002)

        def send():
            numbers, pause = random.Random(3), threading.Event()
            for number in range(300):
                while ready[0] < number:
                    pause.wait(0.0001)
                pause.wait(numbers.random() * 0.001)
                os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=send, daemon=True).start()
        while handled[0] < 300:
            try:
                ready[0] = handled[0]
                replace_and_restore()
            except KeyboardInterrupt:
                wrong += filter(None, [disagreement()])
                handled[0] += 1
        print(handled[0], wrong)
        """
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=100,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (Path(__file__).parent, TESTS, TESTS.parent))),
        },
    )
    assert result.stdout == "300 []\n", result.stderr
