"""Stop ends the cell, whatever it is doing; kernel and webui go on."""

from __future__ import annotations

import ast
import asyncio
import threading
from pathlib import Path

import pytest

import livepatch
from livepatch.kernel.interrupts import Interrupts
from livepatch.kernel.interrupts import _set_async_exception as set_async_exception
from livepatch.kernel.waits import _condition_wait

# Closed, for a socket that is dropped open is shown in a warning, by Python code in a finalizer: a
# Stop that comes there is lost.
SOCKETS = "import selectors, socket; ours, theirs = socket.socketpair()\nwith ours, theirs"
SERVER = "import socket, urllib.request\nwith socket.create_server(('127.0.0.1', 0)) as server:"

BUSY = {
    "a loop": "while True: pass",
    "time.sleep": "import time; time.sleep(60)",
    "from time import sleep": "from time import sleep; sleep(60)",
    "Queue.get": "import queue; queue.Queue().get()",
    "Event.wait": "import threading; threading.Event().wait(60)",
    "Future.result": "from concurrent.futures import Future; Future().result()",
    "Thread.join": (
        "import threading\ngo = threading.Event()\n"
        "t = threading.Thread(target=go.wait)\nt.start()\n"
        "try:\n    t.join()\nfinally:\n    go.set()"
    ),
    "a subprocess": "import subprocess; subprocess.run(['sleep', '60'])",
    "a subprocess with output": (
        "import subprocess; subprocess.run(['sleep', '60'], capture_output=True)"
    ),
    # Interrupted while it starts its process, IPython fails with an UnboundLocalError of its own.
    "a shell command": "!echo waiting; sleep 60",
    "await": "import asyncio; await asyncio.sleep(60)",
    "await of a busy coroutine": "async def busy():\n    while True: pass\nawait busy()",
    "gather": "import asyncio; await asyncio.gather(asyncio.sleep(60), asyncio.sleep(60))",
    "input": "input('never answered')",
    "socket.recv": f"{SOCKETS}:\n    ours.recv(1)",
    "a socket's file": f"{SOCKETS}:\n    ours.makefile('rb').readline()",
    "accept": f"{SERVER}\n    server.accept()",
    "select.select": f"{SOCKETS}:\n    import select; select.select([ours], [], [])",
    "a selector": (
        f"{SOCKETS}, selectors.DefaultSelector() as selector:\n"
        "    selector.register(ours, selectors.EVENT_READ); selector.select()"
    ),
    "an HTTP request": (
        f"{SERVER}\n    urllib.request.urlopen(f'http://127.0.0.1:{{server.getsockname()[1]}}/')"
    ),
    "Semaphore.acquire": "import threading; threading.Semaphore(0).acquire()",
    "Popen.wait": (
        "import subprocess; process = subprocess.Popen(['sleep', '60'])\n"
        "try:\n    process.wait()\nfinally:\n    process.kill()"
    ),
}


@pytest.mark.parametrize("code", BUSY.values(), ids=BUSY.keys())
def test_stop_ends_the_cell(kernel_client, kernel_webui, code):
    stdin = (lambda message: None) if "input" in code else None
    if stdin is not None:
        answered = []

        def stop(message):
            answered.append(message)
            kernel_client.interrupt()

        answer = kernel_client.run(code, stdin=stop)
        assert answered
    else:
        answer = kernel_client.run_and_interrupt(code, waits=code.startswith("!"))
    # IPython may take an interrupt of a shell command for the command's own, and end that.
    expected = [("error", "KeyboardInterrupt"), *([("ok", "")] if code.startswith("!") else [])]
    assert (answer.status, answer.error) in expected
    assert kernel_client.run("'goes on'").result == "'goes on'"
    assert kernel_webui.get("/hello") == {"hello": "world"}


def test_the_webui_serves_while_a_cell_is_busy(kernel_client, kernel_webui):
    served = []

    def ask(printed):
        if "waiting" in printed:
            served.extend(kernel_webui.get("/hello") for _ in range(20))
            kernel_client.interrupt()

    kernel_client.run("print('waiting', flush=True)\nwhile True: pass", when_printed=ask)
    assert served == [{"hello": "world"}] * 20


def test_an_interrupt_between_cells_is_nobodys(kernel_client):
    for _ in range(50):
        kernel_client.interrupt()
        assert kernel_client.run("1").result == "1"


def test_interrupts_that_come_as_cells_end_hit_no_later_cell(kernel_webui, fresh_client):
    """Interrupts from a second front end, as fast as they go, while the first runs short cells."""
    runs, stops = fresh_client(kernel_webui), fresh_client(kernel_webui)
    done = threading.Event()

    def stop_again_and_again():
        while not done.is_set():
            stops.interrupt()

    stopper = threading.Thread(target=stop_again_and_again)
    stopper.start()
    try:
        endings = {runs.run("sum(range(20000))").error for _ in range(100)}
    finally:
        done.set()
        stopper.join()
    assert endings <= {"", "KeyboardInterrupt"}
    assert runs.run("'unharmed'").result == "'unharmed'"


def test_a_cell_leaves_the_lock_of_all_changes_free(kernel_client):
    """What Python 3.14 lets an interrupt do: it takes the lock and does not give it back."""
    taken = (
        "from livepatch.engine.changing.registry import registry\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def is_free():\n"
        "    free = registry.lock.acquire(blocking=False)\n"
        "    return free and not registry.lock.release()\n"
        "registry.lock.acquire(), registry.lock.acquire()\n"
        "ThreadPoolExecutor(1).submit(is_free).result()"
    )
    assert kernel_client.run(taken).result == "False"
    assert kernel_client.run("ThreadPoolExecutor(1).submit(is_free).result()").result == "True"


def test_an_interrupt_of_join_leaves_the_thread_what_it_is(kernel_client):
    """Python up to 3.12 takes the thread for ended."""
    kernel_client.run(
        "import threading\n"
        "go = threading.Event()\n"
        "thread = threading.Thread(target=go.wait); thread.start()"
    )
    for _ in range(5):
        assert kernel_client.run_and_interrupt("thread.join()").error == "KeyboardInterrupt"
        assert kernel_client.run("thread.is_alive()").result == "True"
    assert kernel_client.run("go.set(); thread.join(); thread.is_alive()").result == "False"


def test_an_interrupt_leaves_one_thread_that_sends_the_output(kernel_client):
    """Else every thread sends by itself, at the same time, on one socket."""
    kernel_client.run("import sys\nsender = sys.stdout.pub_thread.thread")
    for _ in range(20):
        answer = kernel_client.run_and_interrupt("while True: sender.is_alive()")
        assert answer.error == "KeyboardInterrupt"
        assert kernel_client.run("sender.is_alive()").result == "True"


def test_an_error_that_an_interrupt_left_is_the_interrupt():
    """IPython's own `return result`, where the interrupt came before there was a result."""
    interrupts = Interrupts()

    async def cell():
        try:
            interrupts.interrupt()
            while True:
                pass
        finally:
            raise UnboundLocalError

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(interrupts.execute(cell()))
    assert not interrupts.is_executing()


def test_a_cell_may_catch_its_interrupt(kernel_client):
    answer = kernel_client.run_and_interrupt(
        "import time\n"
        "try:\n"
        "    print('waiting', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    print('caught')",
        waits=True,
    )
    assert answer.status == "ok"
    assert "caught" in answer.stdout


def test_an_interrupt_waits_until_a_commit_is_whole(kernel_client):
    code = (
        "import time\n"
        "from livepatch.engine.changing.masking import masked\n"
        "from livepatch.engine.changing.registry import registry\n"
        "steps = []\n"
        "def commit():\n"
        "    steps.clear()\n"
        "    steps.append('begun')\n"
        "    print('waiting', flush=True)\n"
        "    while not registry.held_back: pass\n"
        "    steps.append('done')\n"
        "masked(commit)"
    )
    assert kernel_client.run_and_interrupt(code, waits=True).error == "KeyboardInterrupt"
    assert kernel_client.run("steps").result == "['begun', 'done']"


def test_a_notification_between_two_slices_is_not_lost(kernel_client):
    """`Condition.wait` in slices, hammered by notifications at every moment of a slice."""
    code = (
        "import threading, time\n"
        "condition, tokens, taken = threading.Condition(), [], []\n"
        "def give():\n"
        "    for number in range(200):\n"
        "        time.sleep(0.0497 if number % 20 == 0 else 0.0003)\n"
        "        with condition:\n"
        "            tokens.append(number); condition.notify()\n"
        "giver = threading.Thread(target=give); giver.start()\n"
        "while len(taken) < 200:\n"
        "    with condition:\n"
        "        while not tokens:\n"
        "            condition.wait()\n"
        "        taken.append(tokens.pop(0))\n"
        "taken == list(range(200))"
    )
    assert kernel_client.run(code).result == "True"


@pytest.mark.parametrize("kind", [threading.Lock, threading.RLock])
def test_an_interrupt_of_a_wait_leaves_its_lock_as_the_block_around_expects_it(kind):
    """Else it was `RuntimeError: release unlocked lock` that ended the cell."""
    lock, found = kind(), []
    condition = threading.Condition(lock)

    def wait_again_and_again():
        (taken,) = map(lock.acquire, (True,))
        try:
            while taken:
                _condition_wait(condition, 0)
        finally:
            lock.release()

    def work():
        while len(found) < 300:
            try:
                wait_again_and_again()
            except BaseException as error:
                found.append(type(error))

    thread = threading.Thread(target=work)
    thread.start()
    pause = threading.Event()
    for sent in range(300):
        while len(found) < sent:
            pause.wait(0.0001)
        set_async_exception(thread.ident, KeyboardInterrupt)
    thread.join()
    assert set(found) == {KeyboardInterrupt}


def test_waits_of_a_cell_last_as_long_as_asked(kernel_client):
    """Several slices, and never shorter than asked; how much longer is the machine's matter."""
    code = (
        "import queue, subprocess, threading, time\n"
        "def lasts(wait, *arguments, **options):\n"
        "    start = time.monotonic()\n"
        "    try: wait(*arguments, **options)\n"
        "    except (queue.Empty, subprocess.TimeoutExpired): pass\n"
        "    return time.monotonic() - start >= 0.199\n"
        "go = threading.Event()\n"
        "waiting = threading.Thread(target=go.wait); waiting.start()\n"
        "process = subprocess.Popen(['sleep', '60'])\n"
        "lasted = [lasts(time.sleep, 0.2), lasts(queue.Queue().get, timeout=0.2),\n"
        "    lasts(threading.Event().wait, 0.2), lasts(waiting.join, 0.2),\n"
        "    lasts(process.wait, timeout=0.2), lasts(process.communicate, timeout=0.2)]\n"
        "go.set(); process.kill(); process.wait()\n"
        "lasted, waiting.join(60), waiting.is_alive()"
    )
    assert kernel_client.run(code).result == f"({[True] * 6}, None, False)"


def test_waits_of_a_cell_end_when_there_is_something(kernel_client):
    """Waits without a timeout, or with one that is far away, end with what they wait for."""
    code = (
        "import queue, subprocess, threading\n"
        "items, event = queue.Queue(), threading.Event()\n"
        "def give():\n"
        "    items.put('item'); event.set()\n"
        "giver = threading.Thread(target=give); giver.start()\n"
        "(items.get(timeout=3600), event.wait(3600), giver.join(3600), giver.is_alive(),\n"
        " subprocess.run(['cat'], input='echo', capture_output=True, text=True).stdout)"
    )
    assert kernel_client.run(code).result == "('item', True, None, False, 'echo')"


def test_the_webuis_own_waits_are_the_originals(kernel_client):
    code = (
        "import threading, time\n"
        "seen = []\n"
        "def look():\n"
        "    seen.append(threading.Condition.wait.__module__)\n"
        "    seen.append(threading.Condition.wait.__name__)\n"
        "thread = threading.Thread(target=look); thread.start(); thread.join()\n"
        "seen, threading.Condition.wait.__name__"
    )
    assert kernel_client.run(code).result == "(['threading', 'wait'], '_condition_wait')"


def test_reads_of_a_cell_are_those_of_the_standard_library(kernel_client):
    """What is there is read, a timeout is one, flags and closed sockets are what they were."""
    code = (
        "import select, selectors, socket, threading, time\n"
        "ours, theirs = socket.socketpair()\n"
        "def lasts(read, error):\n"
        "    start = time.monotonic()\n"
        "    try: read()\n"
        "    except error: return time.monotonic() - start >= 0.199\n"
        "    return time.monotonic() - start >= 0.199 if error is OSError else None\n"
        "def fails(read, error):\n"
        "    try: read()\n"
        "    except error: return True\n"
        "giver = threading.Timer(0.12, theirs.sendall, [b'abc']); giver.start()\n"
        "found = [ours.recv(1), ours.recv_into(buffer := bytearray(2)), bytes(buffer)]\n"
        "ours.settimeout(0.2)\n"
        "found.append(lasts(lambda: ours.recv(1), TimeoutError))\n"
        "found.append(lasts(lambda: select.select([ours], [], [], 0.2), OSError))\n"
        "selector = selectors.DefaultSelector(); selector.register(ours, selectors.EVENT_READ)\n"
        "found.append(lasts(lambda: selector.select(0.2), OSError))\n"
        "ours.settimeout(None)\n"
        "found.append(fails(lambda: ours.recv(1, socket.MSG_DONTWAIT), BlockingIOError))\n"
        "ours.setblocking(False)\n"
        "found.append(fails(lambda: ours.recv(1), BlockingIOError))\n"
        "theirs.close(); found.append(ours.recv(1))\n"
        "found.append(select.select([ours], [], [])[0] == [ours])\n"
        "ours.close(); found.append(fails(lambda: ours.recv(1), OSError))\n"
        "found"
    )
    expected = [b"a", 2, b"bc", True, True, True, True, True, b"", True, True]
    assert kernel_client.run(code).result == str(expected)


def test_a_stop_that_reaches_nothing_says_in_what_call_the_cell_is(kernel_client):
    """A lock of the interpreter's own cannot be waited for in slices."""
    kernel_client.run("import threading\nlock = threading.Lock(); lock.acquire()")
    said = []

    def react(printed):
        said.append(printed)
        if "waiting" in printed:
            kernel_client.interrupt()
        if "cannot be interrupted" in printed:
            subshell = kernel_client.control("create_subshell_request")["subshell_id"]
            message = kernel_client.connection.session.msg(
                "execute_request", {"code": "lock.release()", "silent": True}
            )
            message["header"]["subshell_id"] = subshell
            kernel_client.connection.shell_channel.send(message)

    # Not flushed: it is sent a moment later, from another thread, when the cell waits already.
    answer = kernel_client.run("print('waiting')\nlock.acquire()", when_printed=react)
    assert answer.error == "KeyboardInterrupt"
    (told,) = [text for text in said if "cannot be interrupted" in text]
    assert "lock.acquire()" in told


def test_a_stop_that_python_dropped_in_a_finalizer_is_to_be_sent_again(kernel_client):
    """As Ctrl-C is: an exception in ``__del__`` goes nowhere."""
    said = []

    def react(printed):
        said.append(printed)
        if "waiting" in printed or "press Stop again" in printed:
            kernel_client.interrupt()

    code = (
        "import time\n"
        "class Dropped:\n"
        "    def __del__(self):\n"
        "        print('waiting', flush=True)\n"
        "        while True: pass\n"
        "Dropped() and None\n"
        "time.sleep(600)"
    )
    answer = kernel_client.run(code, when_printed=react)
    assert answer.error == "KeyboardInterrupt"
    assert sum("press Stop again" in text for text in said) == 1


def test_an_interrupt_is_never_cleared_but_absorbed():
    """SetAsyncExc(tid, NULL) makes Python 3.12 slow for good and locks 3.11 up under a debugger."""
    package = Path(livepatch.__file__).parent
    given = [
        ast.unparse(call.args[1])
        for path in package.rglob("*.py")
        if "set_async_exc" in (text := path.read_text(encoding="utf-8")).lower()
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call) and "set_async_exc" in ast.unparse(call.func).lower()
    ]
    assert set(given) == {"KeyboardInterrupt"}


def test_a_cell_is_as_fast_after_interrupts_as_before(kernel_client):
    """The best of twenty, so that other load on the machine does not count."""
    code = (
        "import time\n"
        "def fastest():\n"
        "    def once():\n"
        "        began = time.perf_counter(); sum(i for i in range(20000))\n"
        "        return time.perf_counter() - began\n"
        "    return min(once() for _ in range(20))\n"
    )
    before = float(kernel_client.run(f"{code}fastest()").result)
    for _ in range(10):
        kernel_client.run_and_interrupt("while True: pass")
    assert float(kernel_client.run("fastest()").result) < 2 * before
