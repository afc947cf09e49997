"""What the long runs share."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kernel_support import Client, Notebook, Webui, clients, webuis_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
