"""Ten thousand steps of the state machine without a counterexample."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from .sizes import size
from .states import States

STEPS = size("STEPS", full=10_000, reduced=500)
LENGTH = 50

TestStates = States.TestCase
TestStates.settings = settings(
    max_examples=STEPS // LENGTH,
    stateful_step_count=LENGTH,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
pytestmark = pytest.mark.timeout(3600)
