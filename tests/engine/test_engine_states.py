"""Random sequences of changes agree with a simple model; the long run is in ``tests/soak``."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, settings
from soak.states import States

TestStates = States.TestCase
TestStates.settings = settings(
    max_examples=10,
    stateful_step_count=30,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
