"""Random interrupts over many cells; tests/soak/kernel_storm.py is the long form."""

from __future__ import annotations

import pytest
from interrupt_storm import storm


@pytest.mark.parametrize("seed", [1, 2])
def test_random_interrupts_harm_neither_kernel_nor_webui(fresh_webui, fresh_client, seed):
    webui = fresh_webui("--attach")
    runs, stops = fresh_client(webui), fresh_client(webui)
    before = webui.get("/state")
    found = storm(webui, runs, stops, cells=20, interrupts=50, seed=seed)
    assert found.interrupts >= 50
    assert found.failed == []
    assert found.served > 0
    assert set(found.endings) <= {"ok", "error", "KeyboardInterrupt", "ZeroDivisionError"}
    assert found.endings["ok"] < 20
    assert runs.run("print('unharmed')\n6 * 7").result == "42"
    assert webui.process.poll() is None  # uvicorn ends at a signal
    after = webui.get("/state")
    assert {n: after[n] for n in before if before[n] != after[n]}.keys() <= {"last error"}
