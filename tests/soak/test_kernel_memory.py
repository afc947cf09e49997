"""Long outputs of cells: nothing of them is kept, and little memory is an error of the cell."""

from __future__ import annotations

import os

import pytest

LITTLE_LEFT = """
import re, resource
size = int(re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (size + 150 * 10**6, resource.RLIM_INFINITY))
"""


def test_what_cells_print_and_display_is_not_kept(fresh_webui, fresh_client) -> None:
    """100 MB, as a notebook does it and as `livepatch exec` does."""
    client = fresh_client(fresh_webui("--attach"))
    client.run("import tracemalloc; tracemalloc.start()")
    kept = "import gc; gc.collect(); tracemalloc.get_traced_memory()[0]"
    before = int(client.run(kept).result)
    printed = 0
    for options in ({}, {"store_history": False}):
        answer = client.run("for _ in range(50): print('x' * 10**6)", **options)
        printed += len(answer.stdout)
        answer = client.run("display({'text/plain': 'x' * 10**7}, raw=True)", **options)
        assert len(answer.displays[0]["text/plain"]) == 10**7
        assert client.run("raise ValueError('x' * 10**7)", **options).error == "ValueError"
    assert printed == 2 * 50 * (10**6 + 1)
    client.run("1 / 0")  # %debug goes to the last error, which is kept
    assert int(client.run(kept).result) - before < 5 * 10**6


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="Linux tells its size")
def test_a_long_print_with_little_address_space_left(fresh_webui, fresh_client) -> None:
    """100 MB with 150 MB left: pieces of it are all that is needed besides."""
    webui = fresh_webui("--attach")
    client = fresh_client(webui)
    client.run(LITTLE_LEFT)
    assert client.run("print('x' * 10**8)").stdout == "x" * 10**8 + "\n"
    assert client.run("print('x' * 10**9)").error == "MemoryError"
    assert client.run("print('hello')").stdout == "hello\n"
    assert webui.get("/hello") == {"hello": "world"}


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="Linux tells its size")
def test_a_long_display_with_little_address_space_left(fresh_webui, fresh_client) -> None:
    """It is one message: where that fits into no memory its cell gets the error."""
    webui = fresh_webui("--attach")
    client = fresh_client(webui)
    client.run(LITTLE_LEFT)
    assert client.run("display({'text/plain': 'x' * 10**8}, raw=True)").error == "MemoryError"
    assert client.run("print('hello')").stdout == "hello\n"
    assert webui.get("/hello") == {"hello": "world"}
