"""An interrupt at any moment leaves every commit whole: what patches() says is what runs."""

from __future__ import annotations

import ctypes
import random
import subprocess
import sys
import textwrap
import threading

from samples import functions

import livepatch as lp
from livepatch.engine.masking import deliver

INTERRUPTS = 2_000


def raise_in(thread_id):
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread_id), ctypes.py_object(KeyboardInterrupt)
    )


def new_plain(a, b=7, *, c=8):
    return ("new", a, b, c)


def disagreement():
    """What is wrong between the layers and the behaviour, if anything."""
    patched = [layer.state for layer in lp.patches() if layer.target == "samples.functions.plain"]
    expected = ("new", 1, 7, 8) if patched == ["active"] else ("old", 1, 2, 1)
    return None if functions.plain(1) == expected else (patched, functions.plain(1))


def test_interrupts_at_random_moments_leave_layers_and_behaviour_in_agreement():
    wrong, interrupted, stop = [], [0], threading.Event()

    def patch_and_restore():
        while not stop.is_set():
            try:
                lp.replace("samples.functions.plain", new_plain)
                lp.restore("samples.functions.plain")
            except KeyboardInterrupt:
                interrupted[0] += 1
                check()

    def check():
        try:
            if (found := disagreement()) is not None:
                wrong.append(found)
        except KeyboardInterrupt:
            interrupted[0] += 1
            check()

    def run():
        try:
            patch_and_restore()
        except KeyboardInterrupt:  # one that was still under way at the end
            pass

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    random_numbers = random.Random(7)
    pause = threading.Event()
    for _ in range(INTERRUPTS):
        pause.wait(random_numbers.random() * 0.001)
        deliver(thread.ident, lambda: raise_in(thread.ident))
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    assert interrupted[0] > INTERRUPTS / 2
    assert wrong == []
    lp.restore_all()
    assert functions.plain(1) == ("old", 1, 2, 1)


def test_ctrl_c_on_the_main_thread_leaves_commits_whole():
    script = textwrap.dedent(
        """
        import os, random, signal, sys, threading
        import livepatch as lp
        from samples import functions

        def new_plain(a, b=7, *, c=8):
            return ("new", a, b, c)

        done = threading.Event()

        def send():
            numbers, pause = random.Random(3), threading.Event()
            for _ in range(300):
                pause.wait(numbers.random() * 0.001)
                os.kill(os.getpid(), signal.SIGINT)
            done.set()

        def agree():
            patched = bool(lp.patches())
            return (functions.plain(1)[0] == "new") == patched

        count = wrong = 0
        threading.Thread(target=send, daemon=True).start()
        while not done.is_set():
            try:
                lp.replace("samples.functions.plain", new_plain)
                lp.restore("samples.functions.plain")
            except KeyboardInterrupt:
                count += 1
                wrong += not agree()
        print(count > 100, wrong)
        """
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=__file__.rpartition("/")[0],
    )
    assert result.stdout == "True 0\n", result.stderr
