"""Who prints where: cells into the notebook, the webui into its own output."""

from __future__ import annotations

import pytest


def test_a_cell_prints_into_the_notebook(kernel_client, kernel_webui):
    answer = kernel_client.run(
        "import sys\nprint('to the notebook')\nprint('as an error', file=sys.stderr)"
    )
    assert (answer.stdout, answer.stderr) == ("to the notebook\n", "as an error\n")
    assert "to the notebook" not in kernel_webui.output("stdout")
    assert "as an error" not in kernel_webui.output("stderr")


def test_the_webuis_handlers_print_into_its_own_output_while_a_cell_runs(
    kernel_client, kernel_webui
):
    before = kernel_webui.output().count("the webui says hello")
    answer = kernel_client.run(
        "import urllib.request\n"
        f"print(urllib.request.urlopen('http://127.0.0.1:{kernel_webui.port}/hello').read())"
    )
    assert answer.stdout == """b'{"hello":"world"}'\n"""
    assert answer.stderr == ""
    kernel_webui.wait_for("the webui says hello", times=before + 1)
    kernel_webui.wait_for("the webui warns", "stderr")


def test_threads_and_pool_jobs_of_a_cell_print_into_the_notebook(kernel_client, kernel_webui):
    answer = kernel_client.run(
        "import threading\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "thread = threading.Thread(target=print, args=('from a thread',))\n"
        "thread.start(); thread.join()\n"
        "with ThreadPoolExecutor(1) as pool:\n"
        "    pool.submit(print, 'from a pool').result()\n"
    )
    assert answer.stdout == "from a thread\nfrom a pool\n"
    assert not {"from a thread", "from a pool"} & set(kernel_webui.output())


def test_a_pool_that_a_cell_used_first_still_prints_for_the_webui(kernel_client, kernel_webui):
    kernel_client.run(
        "import threading\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from livepatch.kernel.context import inside\n"
        "pool = ThreadPoolExecutor(1)\n"
        "pool.submit(print, 'a job of the cell').result()"
    )
    kernel_client.run("with inside(None):\n    pool.submit(print, 'a job of the webui').result()")
    assert kernel_webui.wait_for("a job of the webui")
    assert "a job of the cell" not in kernel_webui.output()


def test_a_thread_prints_into_the_cell_that_started_it(kernel_client):
    kernel_client.run(
        "import threading\n"
        "go = threading.Event()\n"
        "def late():\n"
        "    go.wait(); print('late')\n"
        "thread = threading.Thread(target=late); thread.start()"
    )
    second = kernel_client.run("go.set(); thread.join(); print('second cell')")
    assert second.stdout == "second cell\n"


def test_a_webui_that_puts_streams_of_its_own_there_takes_no_cells_output(
    fresh_webui, fresh_client
):
    webui = fresh_webui("--attach")
    client = fresh_client(webui)
    client.run(
        "import io, sys, threading\n"
        "from livepatch.kernel.context import inside\n"
        "written = io.BytesIO()\n"
        "with inside(None):  # as the webui does it\n"
        "    before, sys.stdout = sys.stdout, io.TextIOWrapper(written, write_through=True)\n"
        "    theirs = sys.stdout"
    )
    assert client.run("print('to the notebook')").stdout == "to the notebook\n"
    client.run("with inside(None):\n    print('of the webui')")
    assert client.run("written.getvalue()").result == repr(b"of the webui\n")
    client.control("shutdown_request", {"restart": True})
    cell = "import io, sys; from livepatch.kernel.context import inside\n"
    cell += "with inside(None): sys.stdout = io.TextIOWrapper(io.BytesIO())"
    client.run(cell)
    assert client.run("print('and after a restart')").stdout == "and after a restart\n"


@pytest.mark.parametrize(
    ("code", "results"),
    [
        ("1 + 1", ["2"]),
        ("1 + 1;", []),
        ("x = 1", []),
        ("None", []),
        ("import asyncio\nawait asyncio.sleep(0, result='awaited')", ["'awaited'"]),
        ("def f():\n    'no result'\nf()", []),
        ("%config InteractiveShell.ast_node_interactivity = 'all'", []),
    ],
)
def test_results_are_displayed(kernel_client, code, results):
    assert kernel_client.run(code).results == results
    kernel_client.run("%config InteractiveShell.ast_node_interactivity = 'last_expr'")


def test_every_result_of_a_cell_is_displayed_where_that_was_asked_for(kernel_client):
    kernel_client.run("%config InteractiveShell.ast_node_interactivity = 'all'")
    try:
        assert kernel_client.run("1\nfor i in range(2):\n    i\n3").results == ["1", "0", "1", "3"]
    finally:
        kernel_client.run("%config InteractiveShell.ast_node_interactivity = 'last_expr'")


def test_earlier_results_are_at_hand(kernel_client):
    kernel_client.run("'first'")
    assert kernel_client.run("_ + ' and more'").result == "'first and more'"


def test_rich_displays_reach_the_notebook(kernel_client):
    answer = kernel_client.run("from IPython.display import HTML\ndisplay(HTML('<b>bold</b>'))")
    (display,) = answer.displays
    assert display["text/html"] == "<b>bold</b>"


def test_an_error_shows_the_cells_lines_and_none_of_ours(kernel_client):
    answer = kernel_client.run("def fail():\n    return 1 / 0\nfail()")
    assert (answer.status, answer.error) == ("error", "ZeroDivisionError")
    assert "return" in answer.traceback
    assert "livepatch" not in answer.traceback
    assert kernel_client.run("'goes on'").result == "'goes on'"


def test_an_awaiting_cells_error_shows_none_of_our_lines(kernel_client):
    answer = kernel_client.run("import asyncio\nawait asyncio.sleep(0)\n1 / 0")
    assert answer.error == "ZeroDivisionError"
    assert "livepatch" not in answer.traceback


def test_shell_commands_print_into_the_notebook(kernel_client):
    assert kernel_client.run("!echo from a shell").stdout.strip() == "from a shell"


def test_bytes_to_the_buffer_reach_the_notebook(kernel_client):
    answer = kernel_client.run("import sys\nsys.stdout.buffer.write('grün'.encode())\nNone")
    assert answer.stdout == "grün"


def test_input_asks_in_the_notebook(kernel_client):
    def answer_with_name(message):
        assert message["content"]["prompt"] == "name? "
        kernel_client.connection.input("Ada")

    assert kernel_client.run("input('name? ')", stdin=answer_with_name).result == "'Ada'"


def test_passwords_are_asked_for_in_the_notebook(kernel_client):
    def answer_with_password(message):
        assert message["content"]["password"] is True
        kernel_client.connection.input("secret")

    code = "import getpass\ngetpass.getpass('password? ')"
    assert kernel_client.run(code, stdin=answer_with_password).result == "'secret'"


def test_breakpoint_asks_in_the_notebook(kernel_client):
    commands = iter(["p 6 * 7", "c"])

    def command(_message):
        kernel_client.connection.input(next(commands))

    answer = kernel_client.run("def stop():\n    breakpoint()\nstop()", stdin=command)
    assert "42" in answer.stdout
    assert answer.status == "ok"


def test_the_debugger_asks_in_the_notebook(kernel_client):
    kernel_client.run("def fail(number):\n    return number / 0\nfail(4321)")
    commands = iter(["p number", "q"])

    def command(_message):
        kernel_client.connection.input(next(commands))

    assert "4321" in kernel_client.run("%debug", stdin=command).stdout


def test_a_comm_made_in_a_cell_reaches_the_front_end(kernel_client):
    opened = []

    def take(message):
        if message["msg_type"] == "comm_open":
            opened.append(message["content"]["target_name"])

    kernel_client.connection.execute_interactive(
        "from comm import create_comm\nchannel = create_comm(target_name='ours')",
        output_hook=take,
        timeout=30,
    )
    assert opened == ["ours"]


def test_a_widgets_callback_prints_into_the_notebook_and_finds_the_shell(
    kernel_client, kernel_webui
):
    kernel_client.run(
        "from comm import create_comm\n"
        "def clicked(message):\n"
        "    global seen\n"
        "    seen = get_ipython() is not None\n"
        "    print('clicked')\n"
        "channel = create_comm(target_name='button')\n"
        "channel.on_msg(clicked)"
    )
    comm_id = kernel_client.run("channel.comm_id").result.strip("'")
    session = kernel_client.connection.session
    message = session.msg("comm_msg", {"comm_id": comm_id, "data": {}})
    kernel_client.connection.shell_channel.send(message)
    assert kernel_client.run("seen").result == "True"
    assert "clicked" not in kernel_webui.output()


def test_a_comm_can_be_closed_by_the_webui(kernel_client):
    seen = []

    def take(message):
        if message["msg_type"] in ("comm_open", "comm_close"):
            seen.append(message["msg_type"])
        assert message["msg_type"] != "error", message["content"]

    kernel_client.run("1")  # reads what was published before
    kernel_client.connection.execute_interactive(
        "from comm import create_comm\n"
        "from livepatch.kernel.context import inside\n"
        "channel = create_comm(target_name='closed')\n"
        "with inside(None):\n"
        "    channel.close()\n"
        "assert channel.comm_id not in get_ipython().kernel.comm_manager.comms",
        output_hook=take,
        timeout=30,
    )
    assert seen == ["comm_open", "comm_close"]


CAPTURES = {
    "redirect_stdout": (
        "import contextlib, io\n"
        "with contextlib.redirect_stdout(buffer := io.StringIO()):\n"
        "    {print}\n"
        "captured = buffer.getvalue()"
    ),
    "redirect_stderr": (
        "import contextlib, io, sys\n"
        "with contextlib.redirect_stderr(buffer := io.StringIO()):\n"
        "    {print_error}\n"
        "captured = buffer.getvalue()"
    ),
    "%%capture": "%%capture out\n{print}",
    "capture_output": (
        "from IPython.utils.io import capture_output\n"
        "with capture_output() as out:\n    {print}\n"
        "captured = out.stdout"
    ),
}


@pytest.mark.parametrize("code", CAPTURES.values(), ids=CAPTURES.keys())
def test_a_cell_captures_what_cells_print_and_nothing_of_the_webuis(
    kernel_client, kernel_webui, code
):
    """The webui's handlers print while the capture is on, into the webui's own output."""
    said = kernel_webui.output().count("the webui says hello")
    warned = kernel_webui.output("stderr").count("the webui warns")
    ask = f"urllib.request.urlopen('http://127.0.0.1:{kernel_webui.port}/hello').read()"
    kernel_client.run("import sys, threading, urllib.request\ncaptured = None")
    answer = kernel_client.run(
        code.format(
            print=f"print('captured'); {ask}",
            print_error=f"print('captured', file=sys.stderr); {ask}",
        )
    )
    assert (answer.status, answer.stdout, answer.stderr) == ("ok", "", "")
    kernel_client.run("if captured is None: captured = out.stdout")
    assert kernel_client.run("captured").result == repr("captured\n")
    kernel_webui.wait_for("the webui says hello", times=said + 1)
    kernel_webui.wait_for("the webui warns", "stderr", times=warned + 1)
    after = kernel_client.run("print('not captured')\nprint('nor this', file=sys.stderr)")
    assert (after.stdout, after.stderr) == ("not captured\n", "nor this\n")


def test_threads_of_a_cell_print_into_its_capture(kernel_client):
    kernel_client.run(
        "%%capture out\n"
        "import threading\n"
        "thread = threading.Thread(target=print, args=('from a thread',))\n"
        "thread.start(); thread.join()"
    )
    assert kernel_client.run("out.stdout").result == repr("from a thread\n")


def test_results_and_displays_are_captured_too(kernel_client):
    answer = kernel_client.run("%%capture out\ndisplay('displayed')\n6 * 7")
    assert (answer.results, answer.displays) == ([], [])
    shown = kernel_client.run("[output.data['text/plain'] for output in out.outputs]")
    assert shown.result == """["'displayed'", '42']"""
    assert kernel_client.run("1").result == "1"


def test_captures_nest(kernel_client):
    code = (
        "import contextlib, io\n"
        "with contextlib.redirect_stdout(outer := io.StringIO()):\n"
        "    print('outer')\n"
        "    with contextlib.redirect_stdout(inner := io.StringIO()):\n"
        "        print('inner')\n"
        "    print('outer again')\n"
        "outer.getvalue(), inner.getvalue()"
    )
    assert kernel_client.run(code).result == repr(("outer\nouter again\n", "inner\n"))


def test_an_interrupt_ends_a_capture(kernel_client):
    code = (
        "import contextlib, io, sys, time\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    print('waiting', file=sys.stderr, flush=True); time.sleep(60)"
    )
    assert kernel_client.run_and_interrupt(code, waits=True).error == "KeyboardInterrupt"
    assert kernel_client.run("print('seen')").stdout == "seen\n"


def test_figures_are_shown_and_the_webuis_backend_stays(kernel_client, kernel_webui):
    pytest.importorskip("matplotlib")
    kernel_client.run("import matplotlib\nmatplotlib.use('svg')\nimport matplotlib.pyplot as plt")
    switched = kernel_client.run("%matplotlib inline")
    assert switched.status == "ok", switched.traceback
    assert kernel_client.run("matplotlib.get_backend()").result == "'svg'"
    assert "MPLBACKEND" not in kernel_client.run("import os\nlist(os.environ)").result
    answer = kernel_client.run("figure = plt.figure()\nfigure.add_subplot()\ndisplay(figure)")
    assert "image/png" in answer.displays[0]


def test_a_window_for_figures_is_refused(kernel_client):
    pytest.importorskip("matplotlib")
    answer = kernel_client.run("%matplotlib tk")
    assert "needs the main thread, which is the webui's" in answer.stderr


def test_what_ipython_puts_into_builtins_elsewhere_is_the_cells_alone(kernel_client):
    assert kernel_client.run("callable(display), callable(get_ipython)").result == "(True, True)"
    code = (
        "import builtins\n"
        "[hasattr(builtins, name) for name in ('display', 'get_ipython', '__IPYTHON__', 'exit')]"
    )
    assert kernel_client.run(code).result == "[False, False, False, True]"


def test_what_the_journal_says_after_a_step_of_a_cell_is_the_webuis(
    kernel_client, kernel_webui, tmp_path
):
    (tmp_path / "file").write_text("")
    answer = kernel_client.run(
        "import os, textwrap, livepatch as lp\n"
        f"os.environ['LIVEPATCH_STATE_DIR'] = {str(tmp_path / 'file')!r}\n"
        "path = lp.journal.keep('nowhere')\n"
        "layer = lp.replace('textwrap.dedent', lambda text: text)\n"
        "print(lp.journal.flush())\n"
        "layer.remove(); lp.journal.end()"
    )
    assert (answer.stdout, answer.stderr) == ("False\n", "")
    assert kernel_webui.wait_for("livepatch: cannot write the journal to disk", "stderr")
