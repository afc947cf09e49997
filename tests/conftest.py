"""What every test relies on."""

from __future__ import annotations

import os
import signal
import sys
import tempfile

import pytest
from account_support import accounts, same_files_for_all, why_no_accounts
from engine_support import App

import livepatch as lp
from livepatch.measure import end_every_timing

# Where a shell runs the tests in the background, they and what they start would ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Of this process and of all that the tests start: no journal among the user's own.
_state = tempfile.TemporaryDirectory(prefix="lp-state-")
os.environ["LIVEPATCH_STATE_DIR"] = _state.name


@pytest.fixture(autouse=True)
def _own_code_afterwards():
    """No test leaves a patch to the next, not even one that fails beside a foreign change."""
    yield
    try:
        lp.restore_all()
    except lp.ForeignChange:
        for layer in lp.patches():
            lp.adopt(layer.target)
        lp.restore_all()
        raise
    assert end_every_timing() == 0
    assert len(lp.patches()) == 0


@pytest.fixture
def app(tmp_path, monkeypatch):
    """A module for a test to write."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # edits within a second look alike
    monkeypatch.syspath_prepend(str(tmp_path))
    yield App(tmp_path)
    try:
        lp.restore_all()
    finally:
        sys.modules.pop(App.name, None)


@pytest.fixture
def a_user(make_user):
    """One more account."""
    return make_user()


@pytest.fixture
def make_user():
    """Make accounts with a group and a home of their own; they and their homes go with the test."""
    if (reason := why_no_accounts()) is not None:
        pytest.skip(reason)
    with accounts() as make:
        yield make


@pytest.fixture
def command_as():
    """Answers what has to stand before a command that an account runs, None for root.

    All that is run so sees the same files, this Python among them.
    """
    if (reason := why_no_accounts()) is not None:
        pytest.skip(reason)
    with same_files_for_all() as prefix:
        yield prefix


@pytest.fixture
def notebook():
    """A notebook's shell, in this process, with livepatch's magics."""
    from notebook_support import a_notebook  # some Pythons that run the engine's tests lack IPython

    with a_notebook() as opened:
        yield opened


@pytest.fixture
def here():
    """A runtime folder for one test, and the webuis in it."""
    from reach_support import place

    with place() as folder:
        yield folder


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Each worker gets whole files, so that what a file's tests share is started once.

    The last ones are shared out again: no worker waits for another's long file.
    """
    if config.getoption("dist") != "load":
        return None  # another way was asked for
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)
