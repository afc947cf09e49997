"""Callbacks and hooks of this process: lists, dictionaries of hooks, and adapters of others."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

import pytest

import livepatch as lp
from livepatch.adapters import Host, known
from livepatch.registries.store import AttributeStore, ListStore
from livepatch.this_webui.overview import overview

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class LogitsProcessorList(list):
    """As transformers has it: told by its name."""


class Module:
    """As torch has it: hooks in dictionaries by numbers, modules inside modules."""

    def __init__(self, **inner: Any) -> None:
        self._forward_hooks: dict[int, Any] = {}
        self._forward_pre_hooks: dict[int, Any] = {}
        self._modules = inner

    def forward(self, value: int) -> int:
        for hook in [*self._forward_hooks.values()]:
            value = hook(self, (), value)
        return value


Module.__module__ = "torch.nn.modules.module"


class Webui(Host):
    flavor = "made-up"
    specificity = 300
    events: dict[str, list[Any]]
    loaded: dict[str, Any]

    def callback_stores(self) -> list[ListStore]:
        return [ListStore(e, f"callbacks of {e}", self.events, e) for e in self.events]

    def models(self) -> dict[str, Any]:
        return self.loaded


@pytest.fixture
def webui(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Webui]]:
    """A webui that a third party's adapter knows."""
    Webui.events, Webui.loaded = {"started": [], "saved": []}, {}
    monkeypatch.setattr(known, "of_others", lambda: (Webui,))
    yield Webui
    lp.restore_all()


def named(name: str) -> Any:
    def callback() -> str:
        return name

    callback.__qualname__ = callback.__name__ = name
    return callback


def bright() -> str:
    return "bright"


def ran(webui: type[Webui], event: str = "saved") -> list[str]:
    return [callback() for callback in webui.events[event]]


def test_a_list_is_changed_in_place(webui: type[Webui]) -> None:
    one, two = named("one"), named("two")
    held = webui.events["saved"]
    held += [one, two]
    event = lp.callbacks()["saved"]
    event.add(named("zero"), index=0)
    event.move(two, after="zero")
    assert ran(webui) == ["zero", "two", "one"]
    assert held is webui.events["saved"]
    event.mute(one)
    event.remove("zero")
    assert ran(webui) == ["two"]
    lp.undo()
    lp.undo()
    assert ran(webui) == ["zero", "two", "one"]
    event.restore()
    assert held == [one, two]


def test_the_same_name_takes_its_own_place(webui: type[Webui]) -> None:
    webui.events["saved"].append(named("one"))
    event = lp.callbacks()["saved"]
    event.add(named("mine"), before="one")
    layer = event.add(lambda: "anew", name="mine")
    assert ran(webui) == ["anew", "one"]
    assert "again" in str(layer)
    assert [p.name for p in lp.patches()] == ["mine"]
    layer.remove()
    layer.remove()  # it stays gone
    assert ran(webui) == ["one"]


def test_what_the_webui_registers_and_drops_meanwhile_stays_its_business(
    webui: type[Webui],
) -> None:
    listed = webui.events["saved"]
    listed += [named("one"), named("two"), named("three")]
    event = lp.callbacks()["saved"]
    event.mute("two")
    listed.append(named("late"))
    del listed[0]
    assert [(r.name, r.state) for r in event] == [
        *(("two", "off"), ("three", "active"), ("late", "active")),
    ]
    lp.restore_all()
    assert ran(webui) == ["two", "three", "late"]


def test_the_only_callback_is_gone(webui: type[Webui]) -> None:
    webui.events["saved"].append(named("one"))
    event = lp.callbacks()["saved"]
    registration = event["one"]
    webui.events["saved"].clear()
    for reference, said in {
        registration: "is no longer registered",
        "one": "has no 'one'; registered: nothing",
        0: "has no 0; registered: nothing",
    }.items():
        with pytest.raises(lp.TargetNotFound, match=said):
            event.mute(reference)
    assert webui.events["saved"] == []
    webui.events["saved"].append(named("one"))  # a page that was loaded again
    event.mute("one")
    assert ran(webui) == []


@pytest.mark.parametrize("muted", [(), ("two",)])
def test_what_the_webui_dropped_is_not_brought_back(
    webui: type[Webui], muted: tuple[str, ...]
) -> None:
    webui.events["saved"] += [named("one"), named("two")]
    event = lp.callbacks()["saved"]
    for name in muted:
        event.mute(name)
    webui.events["saved"].clear()
    event.add(named("mine"))
    assert ran(webui) == ["mine"]
    lp.undo()
    assert ran(webui) == []
    lp.restore_all()
    assert ran(webui) == [*muted]  # the webui cannot drop what it does not have


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda event: event.add(7), "int cannot be called"),
        (lambda event: event.add(len, index=9), "index goes from 0 to 2"),
        (lambda event: event.add(len, before="one", index=0), "more than one place"),
        (lambda event: event.add(len, to="someone"), "which belongs to no script"),
        (lambda event: event.move("one"), "no place was given"),
        (lambda event: event.move("one", before="one"), "before or after itself"),
        (lambda event: event.mute("nothing"), "has no 'nothing'"),
        (lambda event: event.mute(2), "has no 2"),
        (lambda event: event.mute("same"), "has 2 of that name"),
    ],
)
def test_bad_input_is_refused_in_three_lines(webui: type[Webui], call: Any, said: str) -> None:
    names = ["same", "same"] if "same" in said or "2 of that" in said else ["one", "two"]
    webui.events["saved"] += map(named, names)
    before = list(webui.events["saved"])
    with pytest.raises(lp.LivepatchError) as refused:
        call(lp.callbacks()["saved"])
    assert said in str(refused.value)
    assert len(str(refused.value).splitlines()) == 3
    assert webui.events["saved"] == before


def test_one_name_at_several_events(webui: type[Webui]) -> None:
    webui.events["started"].append(named("one"))
    webui.events["saved"].append(named("one"))
    with pytest.raises(lp.TargetNotFound, match="2 have that name: started/0, saved/0"):
        lp.callbacks().mute("one")
    lp.callbacks().mute("saved/0")
    assert (ran(webui, "started"), ran(webui)) == (["one"], [])


def test_a_webui_without_any_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(lp.HostUnsupported, match="flavor plain\\) has no callbacks"):
        lp.callbacks()
    with pytest.raises(lp.HostUnsupported, match="has none that livepatch knows"):
        lp.extensions()
    with pytest.raises(lp.HostUnsupported, match="livepatch does not know how a webui"):
        lp.host().interrupt()


def test_forward_hooks_of_models_and_of_what_is_inside_them(webui: type[Webui]) -> None:
    layer = Module()
    layer._forward_hooks[0] = named("theirs")
    net = Module(layer=layer, again=layer)
    webui.loaded = {"net": net, "no model": object()}
    assert lp.hooks().events == ["forward_pre net", "forward net", "forward net.layer"]
    hook = lp.hooks()["forward net"]
    hook.add(lambda module, args, value: value + 1, name="plus")
    hook.add(lambda module, args, value: value * 10, name="times", before="plus")
    assert net.forward(2) == 21
    hook.move("times", after="plus")
    assert net.forward(2) == 30
    hook.mute("plus")
    assert net.forward(2) == 20
    lp.restore_all()
    assert net._forward_hooks == {}
    assert [*layer._forward_hooks] == [0]
    lp.hooks()["forward net.layer"].mute(0)
    assert layer._forward_hooks == {}
    lp.undo()
    assert [*layer._forward_hooks] == [0]


def test_a_hook_that_is_added_is_exported_only_where_extensions_have_such(
    webui: type[Webui], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lamp = types.ModuleType("lamp")
    store = AttributeStore("shine", "shine of extras", lambda: {"lamp": lamp}, "extras")
    monkeypatch.setattr(webui, "hook_stores", lambda _: [store])
    lp.hooks().add("shine", bright, to="lamp")
    assert lamp.shine() == "bright"
    with pytest.raises(lp.ExportRefused, match="extensions of a plain webui have no such hooks"):
        lp.export(tmp_path, name="bright", flavor="plain")
    assert [*tmp_path.iterdir()] == []


def test_lists_of_logits_processors(webui: type[Webui]) -> None:
    processors = LogitsProcessorList([named("first")])
    webui.loaded = {"model": types.SimpleNamespace(logits_processor=processors, other=[1])}
    event = "logits_processor model.logits_processor"
    assert lp.hooks().events == [event]
    lp.hooks()[event].add(named("mine"), index=0)
    assert [processor() for processor in processors] == ["mine", "first"]
    lp.undo()
    assert [processor() for processor in processors] == ["first"]


def test_timing_of_what_a_third_partys_adapter_answers(webui: type[Webui]) -> None:
    webui.events["saved"] += [named("one"), named("two")]
    own = list(webui.events["saved"])
    with lp.timing(only=["callbacks"]) as timing:
        assert ran(webui) == ["one", "two"]
        with lp.timing(only=["callbacks"]) as inner:
            ran(webui)
        ran(webui)
    assert timing["saved/one"].calls == 3
    assert inner["saved/one"].calls == 1
    assert webui.events["saved"] == own
    lp.callbacks()["saved"].mute("one")
    with lp.timing(only=["callbacks"]) as timing:
        ran(webui)
    assert timing["saved/two"].calls == 1
    lp.restore_all()
    assert webui.events["saved"] == own


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Has modules of given names and contents loaded, as a webui that starts has some."""

    def load(**modules: dict[str, Any]) -> None:
        for name, contents in modules.items():
            module = types.ModuleType(name.replace("__", "."))
            vars(module).update(contents)
            monkeypatch.setitem(sys.modules, module.__name__, module)

    return load


HALF_STARTED = {
    "a1111": {"modules__script_callbacks": {"callback_map": {"callbacks_saved": []}}},
    "forge": {
        "modules__script_callbacks": {"callback_map": {"callbacks_saved": []}},
        "modules_forge": {},
        "backend": {},
    },
    "sdnext": {
        "modules__script_callbacks": {"callback_map": {"callbacks_saved": []}},
        "installer": {},
        "modules__loader": {},
    },
    "textgen": {"modules__extensions": {"EXTENSION_MAP": {}, "state": {}}},
    "comfyui": {"nodes": {"NODE_CLASS_MAPPINGS": {}}, "comfy": {}},
}


@pytest.mark.parametrize("flavor", HALF_STARTED)
def test_a_webui_that_has_only_begun_to_start(loaded: Any, flavor: str) -> None:
    loaded(**HALF_STARTED[flavor])
    host = lp.host()
    assert host.flavor == flavor
    assert (host.address, host.app(), host.is_idle()) == (None, None, None)
    assert list(host.extensions()) == list(lp.extensions()) == []
    has = {"textgen": ["hooks"], "comfyui": []}.get(flavor, ["callbacks"])
    for name, look in (("callbacks", lp.callbacks), ("hooks", lp.hooks)):
        if name in has:
            assert list(look()) == []
            assert look().events
            continue
        with pytest.raises(lp.HostUnsupported, match="still starting, try again") as refused:
            look()
        assert len(str(refused.value).splitlines()) == 3
    for call in (host.interrupt, lambda: lp.extensions().load(".")):
        with pytest.raises(lp.LivepatchError) as refused_call:
            call()
        assert len(str(refused_call.value).splitlines()) == 3
    assert f"flavor            {flavor}" in str(overview())


def test_memory_of_cards_that_torch_uses(loaded: Any) -> None:
    gigabyte = 1024**3
    cuda = types.SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 1,
        mem_get_info=lambda number: (6 * gigabyte, 8 * gigabyte),
        memory_allocated=lambda number: gigabyte // 2,
        get_device_name=lambda number: "A Card",
    )
    loaded(torch={"cuda": cuda})
    memory = dict(overview())["memory"]
    assert memory.endswith("GB, A Card: 0.50 GB of torch, 2.00 of 8.00 GB in use")
    cuda.is_initialized = lambda: False  # to ask would start CUDA
    assert "A Card" not in dict(overview())["memory"]
