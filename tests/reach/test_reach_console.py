"""Ctrl-C in ``livepatch console``; ``soak/test_cli.py`` has a whole console and its webui."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

pytest.importorskip("jupyter_console")


def test_the_handler_of_control_c_waits_for_nothing_that_it_interrupts() -> None:
    """Defect 100: it took a lock that the main thread held as the signal came."""
    from livepatch.reach.console import Console

    held, asked = threading.Lock(), threading.Event()

    class Manager:
        @staticmethod
        def interrupt_kernel() -> None:
            with held:  # that of jupyter_core's run_sync
                asked.set()

    console = Console()
    console.shell = SimpleNamespace(_executing=True)
    console.kernel_manager = Manager()
    with held:
        console.handle_sigint()
        assert not asked.is_set()
    assert asked.wait(20)
    console.shell._executing = False
    with pytest.raises(KeyboardInterrupt):
        console.handle_sigint()
