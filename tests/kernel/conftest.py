"""What the tests of the kernel share."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kernel_support import Client, Notebook, Webui, clients, webuis_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def notebook(kernel_folder: Path) -> Iterator[Notebook]:
    """An ordinary notebook kernel for one test."""
    started = Notebook(kernel_folder)
    yield started
    started.close()


@pytest.fixture
def kernel_folder() -> Iterator[Path]:
    """A folder with a short path: that of a socket ends at 107 characters."""
    path = Path(tempfile.mkdtemp(prefix="lp-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def kernel_webui() -> Iterator[Webui]:
    """A webui with a kernel in it, for the tests of one file."""
    path = Path(tempfile.mkdtemp(prefix="lp-"))
    webui = Webui(path, "--attach")
    yield webui
    webui.close()
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def kernel_client(kernel_webui: Webui) -> Iterator[Client]:
    """A front end of that webui's kernel."""
    client = Client(kernel_webui.connection_file)
    yield client
    client.close()


@pytest.fixture
def fresh_webui(kernel_folder: Path) -> Iterator[Callable[..., Webui]]:
    """Starts webuis for one test, and ends them."""
    with webuis_in(kernel_folder) as start:
        yield start


@pytest.fixture
def fresh_client() -> Iterator[Callable[[Webui | Notebook], Client]]:
    """Connects front ends for one test, and lets them go."""
    with clients() as connect:
        yield connect
