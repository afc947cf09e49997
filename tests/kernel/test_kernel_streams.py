"""What cells print where the webui has no streams, closed ones, or a pipe that nobody empties."""

from __future__ import annotations

import json
import os
import urllib.request
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from reach_support import Place, RunningWebui

# A webui that does something to its streams before it serves; it answers what is asked in Python.
SERVER = """
import http.server, os, sys, urllib.parse
import livepatch

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = str(eval(urllib.parse.unquote(self.path[1:]))).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)

def fill():
    # A flush of what is written in the end waits until somebody reads.
    os.set_blocking(1, False)
    for size in (4096, 1):
        try:
            while True:
                os.write(1, b"x" * size)
        except BlockingIOError:
            pass
    os.set_blocking(1, True)
    sys.stdout.write("what a flush would wait for")

{streams}
livepatch.attach("server")
server.serve_forever()
"""

STREAMS = {
    "none": "sys.stdout = sys.stderr = None",
    "closed": "sys.stdout.close(); sys.stderr.close()",
}


def serve(here: Place, streams: str) -> RunningWebui:
    here.script.write_text(SERVER.format(streams=streams))
    webui = here.start_unprepared()
    assert ask(webui, "1 + 1") == "2"  # it serves when the kernel is there
    return webui


def ask(webui: RunningWebui, expression: str) -> str:
    address = f"http://127.0.0.1:{webui.port}/{urllib.request.quote(expression)}"
    with urllib.request.urlopen(address, timeout=30) as answer:
        return str(answer.read().decode())


@pytest.mark.skipif(os.name != "posix", reason="descriptors of POSIX")
@pytest.mark.parametrize("streams", list(STREAMS))
def test_a_kernel_hears_whatever_became_of_the_webuis_streams(here: Place, streams: str) -> None:
    webui = serve(here, STREAMS[streams])
    for number in range(2):  # the first request is answered before the streams matter
        code = f"import sys; print({number}); print('an error', file=sys.stderr); 'a result'"
        found = here.livepatch("exec", "server", "-c", code)
        assert (found.stdout, found.stderr) == (f"{number}\n'a result'\n", "an error\n")
    assert here.livepatch("detach", "server").returncode == 0
    assert json.loads(here.livepatch("list", "--json").stdout) == []
    assert ask(webui, "1 + 1") == "2"


@pytest.mark.skipif(os.name != "posix", reason="pipes that block")
def test_a_kernel_hears_while_nobody_reads_what_the_webui_prints(here: Place) -> None:
    # Buffered, also where PYTHONUNBUFFERED is set.
    webui = serve(here, "sys.stdout = open(1, 'w', buffering=8192, closefd=False)")
    ask(webui, "fill()")
    for number in range(2):  # the first request is answered before its flush
        assert here.livepatch("exec", "server", "-c", f"print({number})").stdout == f"{number}\n"
    assert here.livepatch("detach", "server").returncode == 0
    assert ask(webui, "1 + 1") == "2"


def test_streams_that_were_not_there_are_not_there_again_after_detach(here: Place) -> None:
    webui = serve(here, STREAMS["none"])
    assert ask(webui, "print('of the webui'), print('likewise', file=sys.stderr)") == (
        "(None, None)"
    )
    assert here.livepatch("exec", "server", "-c", "print('of a cell')").stdout == "of a cell\n"
    assert here.livepatch("detach", "server").returncode == 0
    assert ask(webui, "sys.stdout, sys.stderr") == "(None, None)"


NO_MEMORY = """
session = get_ipython().kernel.session
pack = session.pack
def no_memory(content):
    if len(str(content)) > 10**5:
        raise MemoryError("not for that much")
    return pack(content)
session.pack = no_memory
"""


def test_a_print_for_which_there_is_no_memory_is_its_cells_error(fresh_webui, fresh_client) -> None:
    client = fresh_client(fresh_webui("--attach"))
    client.run(NO_MEMORY)
    assert client.run("print('x' * 10**7)").error == "MemoryError"
    assert client.run("display({'text/plain': 'x' * 10**7}, raw=True)").error == "MemoryError"
    assert client.run("print('hello')").stdout == "hello\n"
    # Too short for its cell to wait for it: what fails later is said where it would stand.
    answer = client.run("print('x' * 2 * 10**5)\nprint('and on')")
    assert "output was lost here (MemoryError: not for that much)" in answer.stdout
    assert client.control("livepatch_info_request")["status"] == "ok"
    assert client.run("print('hello again')").stdout == "hello again\n"


FAILS_ONCE = """
stream = get_ipython().kernel.{stream}
handle = stream._handle_recv
def fail():
    stream._handle_recv = handle
    raise MemoryError("while a message comes")
stream._handle_recv = fail
"""


@pytest.mark.parametrize("stream", ["control_stream", "shell_stream"])
def test_a_channel_looks_at_its_socket_again_after_a_message_that_failed(
    fresh_webui, fresh_client, stream: str
) -> None:
    """ZeroMQ tells of a message once; it lies at the socket until somebody looks."""
    client = fresh_client(fresh_webui("--attach"))
    client.run(FAILS_ONCE.format(stream=stream))
    assert client.control("livepatch_info_request")["status"] == "ok"
    assert client.run("print('hello')").stdout == "hello\n"


def test_what_no_utf8_has_is_printed(kernel_client) -> None:
    """Half a surrogate pair, which a careless slice of JSON brings."""
    assert kernel_client.run(r"print('\ud83d')").stdout == "\ud83d\n"
    assert kernel_client.run(r"'\ud83d'").result == r"'\ud83d'"
    assert kernel_client.run("print('hello')").stdout == "hello\n"
