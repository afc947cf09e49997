"""A hundred thousand changes leave no memory behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from livepatch.history.journal import KEPT

from .growth import changes
from .sizes import size

CYCLES = size("GROWTH", full=100_000, reduced=5_000)
pytestmark = pytest.mark.timeout(3600)

CACHES = 16_384
"""Bytes that caches may still fill while it is measured; the smallest object takes 16 a cycle."""


def slope(change, cycles, *more):
    """Bytes a cycle that stay, in a process of their own: what other tests left does not count."""
    done = subprocess.run(
        [sys.executable, "-m", "soak.growth", change, str(cycles), *more],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    print(f"{change}: {done.stdout.strip()} bytes a cycle over {cycles} cycles")
    return float(done.stdout)


@pytest.mark.parametrize("change", changes())
def test_without_the_journal(change):
    assert slope(change, CYCLES) < 1 + CACHES / CYCLES


def test_with_the_journal_which_is_full_by_then():
    cycles = max(CYCLES, KEPT * 10 // 2)  # else it is the journal that is measured
    assert slope("functions", cycles, "journal") < 1 + CACHES / cycles
