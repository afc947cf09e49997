"""Names of modules that are loaded but stand in no ``sys.modules``: a webui's extension scripts."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import livepatch as lp
from livepatch.engine import subscribe
from livepatch.engine.naming.completion import targets_beginning
from livepatch.this_webui.undotted import undotted_modules

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


# what is printed can be typed: modules whose keys are no dotted names


@pytest.fixture
def undotted(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module under a path, as ComfyUI loads custom nodes, wherever its folder lies."""
    from importlib.util import module_from_spec, spec_from_file_location

    file = tmp_path / "more-nodes" / "my.pack.py"
    file.parent.mkdir()
    file.write_text(SCRIPT)
    key = str(file.with_suffix(""))
    spec = spec_from_file_location(key, file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, key, module)
    spec.loader.exec_module(module)
    lp.host()  # this makes it known to the engine
    yield module
    lp.restore_all()


def test_a_path_as_a_modules_name_gives_targets_that_can_be_typed(undotted: Any) -> None:
    target = "more_nodes.my.pack.Vignette.process"
    assert lp.reports.where(target)[0].definition.path == target
    printed = lp.replace(undotted.Vignette.process, lambda self, p: "patched").target
    assert printed == target
    assert undotted.Vignette().process(5) == "patched"
    assert [layer.target for layer in lp.patches(target)] == [target]
    lp.restore(target)
    assert undotted.Vignette().process(5) == 2
    assert "more_nodes.my.pack.darken" in targets_beginning("more_nodes.my.pack.d")


def test_of_two_equal_ends_of_paths_the_second_is_named_with_more_of_it(
    undotted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ModuleType("pack")
    monkeypatch.setitem(sys.modules, "/elsewhere/more-nodes/my.pack", other)
    named = undotted_modules()
    assert named["more_nodes.my.pack"] is undotted
    assert named["elsewhere.more_nodes.my.pack"] is other
    assert other not in undotted_modules({"known": other}).values()


def test_the_own_name_of_an_extension_leads_to_it(script: Any) -> None:
    layer = lp.replace("vignette.darken", lambda value: "short")
    assert layer.target == "extensions.vignette.vignette.darken"
    assert script.darken(5) == "short"
    assert lp.patches("vignette.darken")[0] is layer
    (hit, *_) = lp.reports.where("vignette.vignette.Vignette.process")
    assert hit.definition.path == "extensions.vignette.vignette.Vignette.process"
    lp.restore("vignette.vignette.darken")
    assert script.darken(5) == 2
    with pytest.raises(lp.TargetNotFound, match=r"did you mean extensions\.vignette\.vignette\.da"):
        lp.replace("vignette.vignette.darkn", len)


def test_the_method_of_a_scripts_class_has_the_class(script: Any) -> None:
    layer = lp.replace(script.Vignette.process, "def process(self, p):\n    return __class__")
    assert layer.target == "extensions.vignette.vignette.Vignette.process"
    assert script.Vignette().process(1) is script.Vignette


def test_a_function_that_was_replaced_or_taken_out_is_found(undotted: Any) -> None:
    prefix = "more_nodes.my.pack"
    undotted.Vignette.process = lambda self, p: p
    del undotted.darken
    found = {hit.definition.path: hit.definition for hit in lp.reports.where(prefix)}
    assert found[f"{prefix}.Vignette.process"].kind == "method, replaced"
    assert found[f"{prefix}.darken"].kind == "function, taken out"
    assert found[f"{prefix}.darken"].first == 4


def test_the_exact_name_comes_first_wherever_it_is(undotted: Any) -> None:
    exact = "textwrap.dedent"
    undotted.Vignette.textwrap = type("textwrap", (), {})
    assert lp.reports.where(exact)[0].definition.path == exact
    assert lp.reports.where("more_nodes.my.pack.STRENGTH")[0].definition.kind == "value"


def test_two_files_of_one_name_in_an_extension_have_names(tmp_path: Any) -> None:
    from livepatch.adapters.a1111_family.runtime import named_scripts

    folder = tmp_path / "extensions" / "grain"
    modules = {str(folder / "scripts" / "grain.py"): ModuleType("grain.py")}
    modules[str(folder / "grain.py")] = ModuleType("grain.py")
    named = named_scripts(modules, [("grain", folder)])
    assert set(map(id, named.values())) == set(map(id, modules.values()))
