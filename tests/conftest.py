"""What every test relies on."""

from __future__ import annotations

import pytest
from django_support import admin_client, apps_folder, django_project, notes_app  # noqa: F401

import livepatch as lp
from livepatch.measure import end_every_timing


@pytest.fixture(autouse=True)
def _own_code_afterwards():
    """No test leaves a patch to the next."""
    yield
    lp.restore_all()
    assert end_every_timing() == 0
    assert len(lp.patches()) == 0
