"""What the long runs share."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kernel_support import Client, Notebook, Webui, clients, demo_in_a_notebook, webuis_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def notebook() -> Iterator[Notebook]:
    """An ordinary notebook kernel for one test."""
    with tempfile.TemporaryDirectory(prefix="lp-") as folder:
        started = Notebook(Path(folder))
        yield started
        started.close()


@pytest.fixture(scope="module")
def demo() -> Iterator[Notebook]:
    """An ordinary notebook kernel, for the tests of one file, in which the demo was started."""
    with demo_in_a_notebook() as started:
        yield started


@pytest.fixture(scope="module")
def kernel_webui() -> Iterator[Webui]:
    """A webui with a kernel in it, for the tests of one file."""
    with tempfile.TemporaryDirectory(prefix="lp-") as folder:
        webui = Webui(Path(folder), "--attach")
        yield webui
        webui.close()


@pytest.fixture(scope="module")
def kernel_client(kernel_webui: Webui) -> Iterator[Client]:
    """A front end of that webui's kernel."""
    client = Client(kernel_webui.connection_file)
    yield client
    client.close()


@pytest.fixture
def fresh_webui() -> Iterator[Callable[..., Webui]]:
    """Starts webuis for one test, and ends them."""
    with tempfile.TemporaryDirectory(prefix="lp-") as folder, webuis_in(Path(folder)) as start:
        yield start


@pytest.fixture
def fresh_client() -> Iterator[Callable[[Webui | Notebook], Client]]:
    """Connects front ends for one test, and lets them go."""
    with clients() as connect:
        yield connect
