"""Names of modules that are loaded but stand in no ``sys.modules``: a webui's extension scripts."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import livepatch as lp
from livepatch.engine import subscribe
from livepatch.engine.naming.completion import targets_beginning

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = """
STRENGTH = 3

def darken(value):
    return value - STRENGTH

class Vignette:
    def process(self, p):
        return darken(p)
"""


@pytest.fixture
def script() -> Iterator[ModuleType]:
    module = ModuleType("vignette.py")  # as A1111 names the module of a script
    exec(compile(SCRIPT, "/webui/extensions/vignette/scripts/vignette.py", "exec"), vars(module))
    known = {"extensions.vignette.vignette": module}
    unsubscribe = subscribe("modules", lambda _: known)
    yield module
    unsubscribe()


def test_a_function_of_a_script_has_a_name(script: Any) -> None:
    layer = lp.replace("extensions.vignette.vignette.darken", lambda value: value * 10)
    assert layer.target == "extensions.vignette.vignette.darken"
    assert script.Vignette().process(5) == 50
    assert layer.state == "active"
    lp.restore("extensions.vignette.vignette.darken")
    assert script.Vignette().process(5) == 2


def test_methods_values_and_texts(script: Any) -> None:
    lp.replace(
        "extensions.vignette.vignette.Vignette.process",
        "def process(self, p):\n    return -darken(p)\n",
    )
    lp.replace("extensions.vignette.vignette.STRENGTH", 1)
    assert script.Vignette().process(5) == -4


def test_tab_knows_every_part_of_the_name(script: Any) -> None:
    assert "extensions" in targets_beginning("extens")
    assert targets_beginning("extensions.vig") == ["extensions.vignette"]
    assert targets_beginning("extensions.vignette.vig") == ["extensions.vignette.vignette"]
    assert targets_beginning("extensions.vignette.vignette.d") == [
        "extensions.vignette.vignette.darken"
    ]


def test_a_name_that_is_almost_right_is_offered(script: Any) -> None:
    with pytest.raises(lp.TargetNotFound, match=r"did you mean extensions\.vignette\.vignette"):
        lp.replace("extensions.vignete.vignette.darken", len)
    with pytest.raises(lp.TargetNotFound, match=r"did you mean extensions\.vignette\.vignette\.da"):
        lp.replace("extensions.vignette.vignette.darkn", len)


def test_a_module_in_sys_modules_comes_first(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = ModuleType("extensions.vignette.vignette")
    exec("def darken(value):\n    return 'real'\n", vars(real))
    monkeypatch.setitem(sys.modules, "extensions.vignette.vignette", real)
    lp.replace("extensions.vignette.vignette.darken", "def darken(value):\n    return 'patched'\n")
    assert (real.__dict__["darken"](5), script.darken(5)) == ("patched", 2)


def test_a_subscriber_that_fails_leaves_the_others(
    script: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: object) -> Any:
        raise OSError("no such webui")

    unsubscribe = subscribe("modules", fails)
    try:
        lp.replace("extensions.vignette.vignette.darken", lambda value: 1)
    finally:
        unsubscribe()
    assert script.darken(5) == 1
    assert "no such webui" in caplog.text
