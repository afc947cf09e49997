"""What every test relies on."""

from __future__ import annotations

import os
import signal
import tempfile
from importlib.util import find_spec

import pytest

import livepatch as lp
from livepatch.measure import end_every_timing

# Some Pythons that run the tests of the engine have nothing but pytest.
pytest_plugins = ["account_support", "django_support", "engine_support", "journal_support"]
pytest_plugins += ["kernel_support"] * bool(find_spec("jupyter_client"))

# Where a shell runs the tests in the background, they and what they start would ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Of this process and of all that the tests start: no journal among the user's own.
_state = tempfile.TemporaryDirectory(prefix="lp-state-")
os.environ["LIVEPATCH_STATE_DIR"] = _state.name


@pytest.fixture(autouse=True)
def _own_code_afterwards():
    """No test leaves a patch to the next."""
    yield
    lp.restore_all()
    assert end_every_timing() == 0
    assert len(lp.patches()) == 0
