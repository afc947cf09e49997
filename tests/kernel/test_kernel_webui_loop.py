"""``%%webui``: a cell on the webui's own event loop, as good as any other cell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

LOOPS = Path(__file__).parents[1] / "apps" / "kernel_loops_webui.py"

WHERE = """%%webui
import asyncio, threading
await asyncio.sleep(0)
threading.current_thread().name, type(asyncio.get_running_loop()).__module__.partition(".")[0]
"""


def plain(traceback):
    return re.sub(r"\x1b\[[0-9;]*m", "", traceback)


@pytest.fixture(scope="module")
def client(kernel_client):
    kernel_client.run("%load_ext livepatch")
    return kernel_client


@pytest.mark.parametrize(
    "kind",
    ["uvicorn", "uvloop", "aiohttp", "aiohttp on uvloop", "aiohttp in a thread"],
)
def test_the_cell_runs_where_the_webui_serves(fresh_webui, fresh_client, kind):
    for needed in kind.split():
        if needed in ("uvloop", "aiohttp"):
            pytest.importorskip(needed)
    webui = fresh_webui(kind, script=LOOPS)
    client = fresh_client(webui)
    client.run("%load_ext livepatch")
    served = webui.get("/where")
    assert client.run(WHERE).result == str((served["thread"], served["loop"]))


def test_gradios_loop_is_found_in_gradios_thread(fresh_webui, fresh_client):
    pytest.importorskip("gradio")
    client = fresh_client(fresh_webui("gradio", script=LOOPS))
    client.run("%load_ext livepatch")
    thread = client.run(
        "from livepatch.web.servers import servers\n[s.thread.name for s in servers()]"
    ).result.strip("[]'")
    assert thread not in ("MainThread", "livepatch-kernel")
    assert client.run(WHERE).result.startswith(f"('{thread}', ")


def test_a_webui_without_a_loop_is_told_in_three_lines(fresh_webui, fresh_client):
    client = fresh_client(fresh_webui("no loop", script=LOOPS))
    client.run("%load_ext livepatch")
    client.run("%%bash\ntrue")  # IPython runs a loop in a thread for this; it is not the webui's
    answer = client.run("%%webui\nran = True")
    assert answer.error == "HostUnsupported"
    _, found, advice = answer.message.splitlines()
    assert "no event loop" in found
    assert "kernel_loops_webui.py:" in found or "selectors.py:" in found
    assert "leave %%webui out" in advice
    assert client.run("'ran' in globals()").result == "False"


def test_names_land_in_the_notebook_and_come_from_there(client):
    client.run("given = 20")
    answer = client.run(
        "%%webui\n"
        "import asyncio\n"
        "def double(x):\n"
        "    return 2 * x\n"
        "taken = await asyncio.sleep(0, double(given))"
    )
    assert (answer.status, answer.results) == ("ok", [])
    assert client.run("taken, double(1)").result == "(40, 2)"


@pytest.mark.parametrize(
    ("cell", "results"),
    [
        ("1 + 1", ["2"]),
        ("1 + 1;", []),
        ("x = 1", []),
        ("None", []),
        ("# nothing", []),
        ("import asyncio\nawait asyncio.sleep(0, 'awaited')", ["'awaited'"]),
        ("for i in range(2):\n    i", []),
        ("%who_ls module_type_nobody_has", ["[]"]),
    ],
)
def test_the_last_expression_is_displayed(client, cell, results):
    assert client.run(f"%%webui\n{cell}").results == results


def test_every_expression_is_displayed_where_that_was_asked_for(client):
    client.run("%config InteractiveShell.ast_node_interactivity = 'all'")
    try:
        assert client.run("%%webui\n1\nx = 2\n3").results == ["1", "3"]
    finally:
        client.run("%config InteractiveShell.ast_node_interactivity = 'last_expr'")


def test_the_result_is_at_hand_in_the_next_cell(client):
    client.run("%%webui\n'from the loop'")
    assert client.run("_").result == "'from the loop'"


def test_output_comes_back_to_the_cell_and_the_webuis_stays_the_webuis(client, kernel_webui):
    before = kernel_webui.output().count("the webui says hello")
    answer = client.run(
        "%%webui\n"
        "import asyncio, sys, threading\n"
        "print('printed on the loop')\n"
        "print('an error', file=sys.stderr)\n"
        "thread = threading.Thread(target=print, args=('from a thread',))\n"
        "thread.start(); thread.join()\n"
        "await asyncio.create_task(asyncio.to_thread(print, 'from a pool'))\n"
        "display('displayed')\n"
        "get_ipython() is not None"
    )
    assert answer.stdout == "printed on the loop\nfrom a thread\nfrom a pool\n"
    assert answer.stderr == "an error\n"
    assert [display["text/plain"] for display in answer.displays] == ["'displayed'"]
    assert answer.result == "True"
    kernel_webui.get("/hello")
    kernel_webui.wait_for("the webui says hello", times=before + 1)
    assert "printed on the loop" not in kernel_webui.output()


def test_an_error_shows_the_cells_lines_and_none_of_ours(client, kernel_webui):
    answer = client.run("%%webui\nimport asyncio\nawait asyncio.sleep(0)\n1 / 0")
    assert (answer.status, answer.error) == ("error", "ZeroDivisionError")
    assert "livepatch" not in plain(answer.traceback)
    assert "run_cell_magic" not in plain(answer.traceback)
    assert "line 4" in plain(answer.traceback)
    assert "Cell In[" in plain(answer.traceback)
    assert kernel_webui.get("/hello") == {"hello": "world"}


def test_the_debugger_finds_the_cells_frame(client):
    client.run("%%webui\ndef fail(number):\n    return number / 0\nfail(4321)")
    commands = iter(["p number", "q"])
    answer = client.run("%debug", stdin=lambda _: client.connection.input(next(commands)))
    assert "4321" in answer.stdout


@pytest.mark.parametrize(
    "leaving", ["exit()", "import sys; sys.exit(3)", "raise KeyboardInterrupt"]
)
def test_nothing_that_a_cell_raises_ends_the_webui(client, kernel_webui, leaving):
    client.run(f"%%webui\n{leaving}")
    assert kernel_webui.get("/hello") == {"hello": "world"}
    assert client.run("%%webui\n'goes on'").result == "'goes on'"


def test_wrong_syntax_is_shown_as_such(client):
    answer = client.run("%%webui\nx = = 1")
    assert answer.error == "SyntaxError"


def test_stop_ends_the_code_at_its_next_await(client, kernel_webui):
    answer = client.run(
        "%%webui\n"
        "import asyncio\n"
        "stopped = False\n"
        "try:\n"
        "    print('waiting', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "finally:\n"
        "    stopped = True",
        when_printed=lambda text: client.interrupt() if "waiting" in text else None,
    )
    assert answer.error == "KeyboardInterrupt"
    assert "asyncio.sleep(60)" in plain(answer.traceback)
    assert client.run("stopped").result == "True"
    assert kernel_webui.get("/hello") == {"hello": "world"}


def test_the_code_may_catch_its_stop(client):
    answer = client.run(
        "%%webui\n"
        "import asyncio\n"
        "try:\n"
        "    print('waiting', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "except asyncio.CancelledError:\n"
        "    print('caught')",
        when_printed=lambda text: client.interrupt() if "waiting" in text else None,
    )
    assert answer.status == "ok"
    assert "caught" in answer.stdout


# The loop has taken the code up, and the cell's thread is still on its way back.
SLOW_HANDING_OVER = """
import pathlib, time
from livepatch.web.servers import serving_loop
loop = serving_loop().loop
def hand_over(*args, **kwargs):
    del loop.call_soon_threadsafe
    handle = loop.call_soon_threadsafe(*args, **kwargs)
    while not pathlib.Path({release!r}).exists():
        time.sleep(0.01)
    return handle
loop.call_soon_threadsafe = hand_over
"""


def test_the_code_may_catch_a_stop_that_comes_while_it_is_handed_over(client, kernel_folder):
    release = kernel_folder / "handed over"

    def react(text):
        if "waiting" in text:
            client.interrupt()
            release.touch()

    client.run(SLOW_HANDING_OVER.format(release=str(release)))
    answer = client.run(
        "%%webui\n"
        "import asyncio\n"
        "try:\n"
        "    print('waiting', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "except asyncio.CancelledError:\n"
        "    print('caught')",
        when_printed=react,
    )
    assert answer.status == "ok"
    assert "caught" in answer.stdout


def test_a_cell_that_holds_the_loop_is_told_so_while_it_does(client, kernel_folder):
    """And Stop leaves the webui's thread alone: it ends the code when that awaits."""
    release = kernel_folder / "release"
    said = []

    def react(text):
        said.append(text)
        if "holds the webui's event loop" in text:
            client.interrupt()
        if "cancelled at its next await" in text:
            release.touch()

    answer = client.run(
        "%%webui\n"
        "import asyncio, pathlib, time\n"
        "ended = None\n"
        f"release = pathlib.Path({str(release)!r})\n"
        "try:\n"
        "    while not release.exists():\n"
        "        time.sleep(0.01)\n"
        "    ended = 'released'\n"
        "    await asyncio.sleep(60)\n"
        "except asyncio.CancelledError:\n"
        "    ended = 'cancelled'\n",
        when_printed=react,
    )
    assert answer.error == "KeyboardInterrupt"
    assert "asyncio.to_thread" in "".join(said)
    assert client.run("%%webui\nended").result == "'cancelled'"


def test_a_cell_that_held_the_loop_is_told_for_how_long(client):
    answer = client.run("%%webui\nimport time\ntime.sleep(0.55)")
    assert "held the webui's event loop for 0." in answer.stderr
    assert "asyncio.to_thread" in answer.stderr


def test_a_cell_that_awaits_is_told_nothing(client):
    assert client.run("%%webui\nimport asyncio\nawait asyncio.sleep(0.7)").stderr == ""
