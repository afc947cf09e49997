"""The contract with the pages of real webuis: their events, and what livepatch does to them.

The stand-ins have no page; ``test_gradio_versions.py`` looks at each Gradio without a webui.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from running import VARIABLES, Webui, started, webuis_of

if TYPE_CHECKING:
    from collections.abc import Iterator

WITH_PAGE = ("a1111", "forge", "forge-classic", "sdnext")
REAL = [one for one in webuis_of(*WITH_PAGE) if one.values[0][1] is not None]
NONE = pytest.param(
    None,
    marks=pytest.mark.skip(
        reason=f"none of {', '.join(v for v, f in VARIABLES.items() if f in WITH_PAGE)} is set"
    ),
)
BEGIN = """
page = lp.host().blocks()
gradio_functions = lambda: list(page.fns.values() if isinstance(page.fns, dict) else page.fns)
own = [function.fn for function in gradio_functions()]
config = page.config
# Both prompts in, both prompts out: the button that clears them asks in the browser.
clear = [e.index for e in lp.events()
         if e.function and len(e.inputs) == len(e.outputs) == 2 and "toprow" in e.place]
"""


@pytest.fixture(scope="module", params=REAL or [NONE])
def webui(request: pytest.FixtureRequest) -> Iterator[Webui]:
    for webui in started(request.param, ""):
        webui.wait_until("getattr(lp.host().blocks(), 'is_running', False)")
        webui.run(BEGIN)
        yield webui


@pytest.fixture(autouse=True)
def as_it_was(webui: Webui) -> Iterator[None]:
    yield
    webui.run("lp.restore_all()")
    # SD.Next goes on adding events when its page is served.
    assert webui.run("[function.fn for function in gradio_functions()][: len(own)] == own")
    assert webui.run("page.config is config or len(gradio_functions()) > len(own)")


def test_every_event_has_a_line_that_can_be_read(webui: Webui) -> None:
    assert webui.run("len(lp.events()) == len(gradio_functions())") is True
    assert webui.run("len(own) > 100")
    assert webui.run("max(map(len, str(lp.events()).splitlines()))") < 600
    assert "Events of " in webui.shows("%events prompt")
    assert webui.run("[e.index for e in lp.events() if not e.targets and e.function][:3]") == []


def test_an_event_is_muted_replaced_undone_and_restored(webui: Webui) -> None:
    webui.run("event = next(e for e in lp.events() if e.function and len(e.outputs) == 1)")
    webui.run("layer = lp.events()[event.index].mute()")
    assert webui.run("(lp.events()[event.index].muted, layer.state)") == (True, "active")
    webui.run("lp.events().unmute(event.index)")
    assert webui.run("lp.events()[event.index].event.fn is own[event.index]")
    webui.run("f = lambda *inputs: None; lp.events()[event.index].replace(f)")
    assert webui.run("lp.events()[event.index].function is f")
    webui.run("lp.undo()")
    assert webui.run("lp.events()[event.index].function is own[event.index]")
    webui.run(
        """
        with lp.transaction():
            lp.events()[event.index].replace(f)
            lp.events()[event.index].mute()
        """
    )
    assert webui.run("[l.state for l in lp.events()[event.index].layers]") == ["active", "active"]


def test_an_open_page_gets_the_new_answer(webui: Webui) -> None:
    if not webui.run("clear and page.fns.__class__ is list"):
        pytest.skip("no prompts to clear, or its Gradio takes calls in the queue only")
    webui.run(
        """
        import json, urllib.request
        def ask():
            body = json.dumps({"fn_index": clear[0], "data": ["a cat", "a dog"]}).encode()
            request = urllib.request.Request(
                lp.host().address + "/run/predict", body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)["data"]
        """
    )
    before = webui.run("ask()")
    webui.run("lp.events()[clear[0]].replace(lambda prompt, negative: (prompt * 2, 'ours'))")
    assert webui.run("ask()") == ["a cata cat", "ours"]
    webui.run("lp.restore_all()")
    assert webui.run("ask()") == before
