"""What is exported in a webui is loaded into that webui as its other extensions, and taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from running import Webui, webuis_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TARGETS = {
    "a1111": "modules.extensions.list_extensions",
    "forge": "modules.extensions.list_extensions",
    "comfyui": "nodes.before_node_execution",
    "textgen": "modules.extensions.apply_extensions",
}


@pytest.fixture(params=webuis_of("a1111", "forge", "comfyui", "textgen"))
def webui(request: Any) -> Iterator[Webui]:
    found = Webui(*request.param)
    try:
        yield found
    finally:
        found.close()


def test_an_export_is_loaded_reloaded_and_unloaded(webui: Webui, tmp_path: Path) -> None:
    module, _, name = TARGETS[webui.flavor].rpartition(".")
    webui.run(f"import sys\nfunction = sys.modules[{module!r}].{name}\nown = function.__code__")
    webui.run(f"lp.replace(function, 'def {name}(*args, **kwargs):\\n    return None')")
    told = webui.run(f"str(lp.export({str(tmp_path)!r}, name='quiet'))")
    assert "applied 1 and took them back" in told
    assert "left out" not in told
    webui.run("lp.restore_all()")
    assert webui.run("function.__code__ is own")
    target = TARGETS[webui.flavor]
    owners = f"[layer.owner for layer in lp.patches() if str(layer.target) == {target!r}]"
    load = f"str(lp.extensions().load({str(tmp_path / 'quiet')!r}))"
    for verb in (load, "str(lp.extensions().reload('quiet'))"):
        assert "loaded quiet" in webui.run(verb)
        assert webui.run(owners) == ["extension quiet"]
        assert webui.run("function.__code__ is own") is False
    for verb, there in (("extensions().unload('quiet')", False), ("undo()", True)):
        webui.run(f"lp.{verb}")
        assert webui.run(owners) == ["extension quiet"] * there
        assert webui.run("function.__code__ is own") is not there
    webui.run("lp.restore_all()")
    assert webui.run("function.__code__ is own")
