"""Another user attacks ``livepatch attach``: a short form of ``tests/soak/attach_attack.py``."""

from __future__ import annotations

import sys

import pytest
from account_support import ROOT, why_no_accounts
from attack_support import Figures, attack

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the attacker reads /proc"
)


@pytest.mark.skipif(hasattr(sys, "remote_exec"), reason="the attacker waits for hypno's injector")
@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_another_user_learns_nothing_is_obeyed_in_nothing_and_holds_nobody_up(
    transport: str,
) -> None:
    if (reason := why_no_accounts()) is not None:
        pytest.skip(reason)
    pytest.importorskip("hypno")
    figures = Figures.of(attack(4, ROOT, transport))
    assert figures.attacks == 4
    assert (figures.tokens, figures.obeyed, figures.entered, figures.left) == (0, 0, 0, 0)
    assert figures.failed == 0
