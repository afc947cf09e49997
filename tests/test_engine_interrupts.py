"""An interrupt at any moment leaves every commit whole: what patches() says is what runs."""

from __future__ import annotations

import ctypes
import os
import random
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from samples import functions

import livepatch as lp
from livepatch.engine.masking import deliver

INTERRUPTS = 2_000
TESTS = Path(__file__).parent


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


def disagreement():
    """What is wrong between the layers and the behaviour, if anything."""
    patched = [layer.state for layer in lp.patches() if layer.target == "samples.functions.plain"]
    expected = ("new", 1, 7, 8) if patched == ["active"] else ("old", 1, 2, 1)
    return None if functions.plain(1) == expected else (patched, functions.plain(1))


@pytest.fixture
def _threads_take_turns_often():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("_threads_take_turns_often")
def test_interrupts_at_random_moments_leave_layers_and_behaviour_in_agreement():
    wrong, handled, ready = [], [0], [-1]

    def patch_and_restore():
        while handled[0] < INTERRUPTS:
            try:
                ready[0] = handled[0]
                replace_and_restore()
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
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (TESTS, TESTS.parent)))},
    )
    assert result.stdout == "300 []\n", result.stderr
