"""What every test relies on."""

from __future__ import annotations

import pytest

import livepatch as lp


@pytest.fixture(autouse=True)
def _own_code_afterwards():
    """No test leaves a patch to the next."""
    yield
    lp.restore_all()
    assert len(lp.patches()) == 0
