"""The kernel provisioner: Jupyter's own managers and servers on a webui that is not theirs."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager, KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from reach_support import Place, place
from tornado.web import HTTPError

from livepatch.reach.kernelspecs import write_kernelspec
from livepatch.reach.webuis import choose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_client.asynchronous.client import AsyncKernelClient

ENDLESS = "import time\nprint('started', flush=True)\nwhile True: time.sleep(0.01)"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with place() as folder:
        for name, value in folder.environment.items():
            if os.environ.get(name) != value:
                monkeypatch.setenv(name, value)
        for name in ("LIVEPATCH_WEBUI", "LIVEPATCH_TRANSPORT"):
            monkeypatch.delenv(name, raising=False)
        yield folder


async def ask(client: AsyncKernelClient, code: str, started: asyncio.Event | None = None) -> str:
    """Run code; answers the text of its last expression, or the name of its exception."""
    texts: list[str] = []

    def take(message: dict[str, Any]) -> None:
        if message["msg_type"] == "execute_result":
            texts.append(message["content"]["data"]["text/plain"])
        elif message["msg_type"] == "error":
            texts.append(message["content"]["ename"])
        elif message["msg_type"] == "stream" and started is not None:
            started.set()

    await client.execute_interactive(code, timeout=20, output_hook=take)
    return "".join(texts)


async def open_client(manager: AsyncKernelManager) -> AsyncKernelClient:
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=20)
    return client


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_a_manager_attaches_interrupts_restarts_and_lets_go(here: Place, transport: str) -> None:
    webui = here.start(LIVEPATCH_TRANSPORT=transport)
    connection = choose().connection
    assert connection["transport"] == transport
    assert ("curve_publickey" in connection) == (transport == "tcp")

    async def use() -> None:
        manager = AsyncKernelManager(kernel_name="livepatch-greeter")
        await manager.start_kernel()
        client = await open_client(manager)
        assert await ask(client, "import os; os.getpid()") == str(webui.pid)

        started = asyncio.Event()
        busy = asyncio.ensure_future(ask(client, ENDLESS, started))
        await started.wait()
        await manager.interrupt_kernel()
        assert await busy == "KeyboardInterrupt"

        assert await ask(client, "kept = 1; kept") == "1"
        await manager.restart_kernel()
        assert await manager.is_alive()
        assert await ask(client, "kept") == "NameError"

        client.stop_channels()
        await manager.shutdown_kernel()
        assert not await manager.is_alive()

    asyncio.run(use())
    assert webui.get() == "hello"
    assert here.livepatch("exec", "-c", "1").stdout == "1\n"
    assert [path.name for path in here.runtime.glob("c-*")] == []


def test_closing_one_notebook_leaves_the_cell_of_another_alone(here: Place) -> None:
    here.start()

    async def use() -> None:
        first, second = (AsyncKernelManager(kernel_name="livepatch-greeter") for _ in range(2))
        await first.start_kernel()
        await second.start_kernel()
        client = await open_client(first)
        started = asyncio.Event()
        code = "import time\nprint(1, flush=True)\nwhile not stop(): time.sleep(0.01)\n'done'"
        await ask(client, "import pathlib; stop = pathlib.Path('stop').exists")
        busy = asyncio.ensure_future(ask(client, code, started))
        await started.wait()
        await second.shutdown_kernel()
        await second.shutdown_kernel(now=True)
        (here.folder / "stop").touch()
        assert await busy == "'done'"
        client.stop_channels()
        await first.shutdown_kernel(now=True)

    asyncio.run(use())


def test_a_manager_without_asyncio_works_too(here: Place) -> None:
    webui = here.start()
    manager = KernelManager(kernel_name="livepatch-greeter")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=20)
        reply = client.execute("import __main__; __main__.greeting = lambda: 'hi'", reply=True)
        assert reply["content"]["status"] == "ok"
        assert webui.get() == "hi"
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
    assert webui.get() == "hi"


def test_a_notebook_is_executed_in_the_webui(here: Place) -> None:
    webui = here.start()
    cells = [nbformat.v4.new_code_cell("import __main__; __main__.greeting()")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, kernel_name="livepatch-greeter", timeout=60).execute()
    assert notebook.cells[0].outputs[0]["data"]["text/plain"] == "'hello'"

    notebook.cells.append(nbformat.v4.new_code_cell("1 / 0"))
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        NotebookClient(notebook, kernel_name="livepatch-greeter", timeout=60).execute()
    assert webui.get() == "hello"


def test_the_end_of_the_webui_is_noticed(here: Place) -> None:
    webui = here.start()

    async def use() -> None:
        manager = AsyncKernelManager(kernel_name="livepatch-greeter")
        await manager.start_kernel()
        assert await manager.is_alive()
        webui.end()
        assert not await manager.is_alive()
        await manager.shutdown_kernel(now=True)

    asyncio.run(use())


def test_an_attached_client_survives_the_webuis_restart(here: Place) -> None:
    webui = here.start()

    async def use() -> None:
        manager = AsyncKernelManager(kernel_name="livepatch-greeter")
        await manager.start_kernel()
        client = await open_client(manager)
        assert await ask(client, "import os; os.getpid()") == str(webui.pid)
        webui.end()
        assert not await manager.is_alive()
        successor = await asyncio.to_thread(here.start)
        await manager.restart_kernel(now=True)
        assert await manager.is_alive()
        await client.wait_for_ready(timeout=20)
        assert await ask(client, "import os; os.getpid()") == str(successor.pid)
        client.stop_channels()
        await manager.shutdown_kernel(now=True)

    asyncio.run(use())


def test_without_a_choice_a_client_is_told_what_runs(here: Place) -> None:
    write_kernelspec(None)
    write_kernelspec("greeter")

    async def refusal(kernel_name: str) -> HTTPError:
        with pytest.raises(HTTPError) as refused:
            await AsyncKernelManager(kernel_name=kernel_name).start_kernel()
        return refused.value

    nothing = asyncio.run(refusal("livepatch-greeter"))
    assert nothing.status_code == 409
    assert "livepatch run SCRIPT" in str(nothing)
    first, second = here.start("--name", "one"), here.start("--name", "two")
    several = asyncio.run(refusal("livepatch"))
    assert f"one (pid {first.pid})" in str(several)
    assert f"two (pid {second.pid})" in str(several)
    assert "\n" not in str(several)
    assert "one (pid" in str(asyncio.run(refusal("livepatch-greeter")))


def test_the_environment_chooses_among_webuis_of_one_name(here: Place) -> None:
    here.start()
    second = here.start()

    async def use() -> None:
        manager = AsyncKernelManager(kernel_name="livepatch-greeter")
        await manager.start_kernel(env={**os.environ, "LIVEPATCH_WEBUI": str(second.pid)})
        client = await open_client(manager)
        assert await ask(client, "import os; os.getpid()") == str(second.pid)
        client.stop_channels()
        await manager.shutdown_kernel()

    asyncio.run(use())


def test_a_restart_stays_with_its_webui_when_another_one_was_started(here: Place) -> None:
    write_kernelspec(None)
    first = here.start("--name", "one")

    async def use() -> None:
        manager = AsyncKernelManager(kernel_name="livepatch")
        await manager.start_kernel()
        await asyncio.to_thread(here.start, "--name", "two")
        await manager.restart_kernel()
        client = await open_client(manager)
        assert await ask(client, "import os; os.getpid()") == str(first.pid)
        client.stop_channels()
        await manager.shutdown_kernel()

    asyncio.run(use())
