"""What the tests of the ways to a webui share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from reach_support import Place, place

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def here() -> Iterator[Place]:
    """A runtime folder for one test, and the webuis in it."""
    with place() as folder:
        yield folder
