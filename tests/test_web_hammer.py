"""The soak run of the middleware in a reduced form, and what a change costs at most."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE / "benchmarks"))
    monkeypatch.syspath_prepend(str(HERE / "soak"))
    yield
    for name in ("hammer", "middleware"):
        sys.modules.pop(name, None)


def test_no_request_is_harmed_while_middlewares_come_and_go(benchmarks):
    from middleware import check

    check(cycles=40)


def test_a_request_and_a_commit_cost_little(benchmarks):
    """Far above what the benchmark measures on an idle machine: 2, 8 and 50 µs."""
    from hammer import cost_of_commit, cost_per_request

    assert cost_per_request(1, rounds=5, requests=300) < 10
    assert cost_per_request(20, rounds=5, requests=300) < 40
    assert cost_of_commit(commits=200) < 250
