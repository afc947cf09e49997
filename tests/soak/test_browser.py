"""The main job as a person does it: JupyterLab in one tab of a browser, the webui in another."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright")

from browser import (
    PATIENCE,
    Demo,
    Notebook,
    WebuiPage,
    chromium,
    find_chromium,
    running_demo,
)
from playwright.sync_api import expect
from reach_support import place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext

STEP = "livepatch.demo.sampler.denoise_step"
REPLACE_COMPLETE = """%%replace livepatch.demo.api.api_complete
def api_complete(request):
    return {"text": "patched"}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if find_chromium() is None:
        reason = "there is no Chromium here: install your system's package chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def demo(browser: Browser) -> Iterator[Demo]:
    with place() as here, running_demo(here) as running:
        yield running


@pytest.fixture
def tabs(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(PATIENCE * 1000)
    yield context
    context.close()


@pytest.fixture
def own_code_afterwards(demo: Demo) -> Iterator[None]:
    yield
    demo.place.livepatch("exec", "-c", "import livepatch; livepatch.restore_all()")


def post(url: str, body: dict[str, object]) -> dict[str, str]:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        found: dict[str, str] = json.load(answer)
        return found


def completion(demo: Demo) -> str:
    return post(f"{demo.webui}/api/complete", {"prompt": "The", "max_tokens": 4})["text"]


@pytest.mark.usefixtures("own_code_afterwards")
def test_a_cell_changes_what_the_page_shows_and_restore_brings_it_back(
    demo: Demo, tabs: BrowserContext
) -> None:
    cells = json.loads(demo.notebook.read_text())["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    replacing = next(
        n for n, cell in enumerate(cells) if "during" in cell["metadata"].get("tags", [])
    )
    restoring = sources.index(f"%restore {STEP}")
    assert sources[replacing].startswith(f"%%replace {STEP}\n")

    webui = WebuiPage(tabs.new_page(), demo.webui)
    before = webui.generate()
    assert before.startswith(b"\x89PNG")

    lab = Notebook(tabs.new_page(), demo.lab_url(demo.notebook.name, "tour"), len(cells))
    for index in range(replacing):
        if cells[index]["cell_type"] == "code":
            lab.run(index)
    expect(lab.page.get_by_role("table").first).to_contain_text("demo")
    expect(lab.page.get_by_text(f"this cell runs in process {demo.pid}")).to_be_visible()
    expect(lab.run(replacing).first).to_contain_text(f"replaced {STEP} · ")

    webui.page.bring_to_front()
    during = webui.generate()
    assert during.startswith(b"\x89PNG")
    assert during != before

    lab.page.bring_to_front()
    expect(lab.run(restoring).first).to_contain_text(f"restored {STEP}")

    webui.page.bring_to_front()
    assert webui.generate() == before


def test_stop_ends_an_endless_cell_while_the_webui_serves(demo: Demo, tabs: BrowserContext) -> None:
    endless = "print('it runs', flush=True)\nwhile True: pass"
    demo.write_notebook("endless.ipynb", endless, "print(6 * 7)")
    lab = Notebook(tabs.new_page(), demo.lab_url("endless.ipynb", "endless"), 2)
    output = lab.start(0)
    expect(output.get_by_text("it runs")).to_be_visible()
    text = completion(demo)
    lab.press("notebook:interrupt-kernel")
    expect(output.last).to_contain_text("KeyboardInterrupt")
    expect(lab.run(1)).to_have_text("42")
    assert completion(demo) == text


@pytest.mark.usefixtures("own_code_afterwards")
def test_restart_clears_the_names_and_leaves_the_patch(demo: Demo, tabs: BrowserContext) -> None:
    cells = [
        "%load_ext livepatch\nkept = 1",
        REPLACE_COMPLETE,
        "%config\nprint('kept is there:', 'kept' in globals())",
    ]
    restore = "%load_ext livepatch\n%restore livepatch.demo.api.api_complete"
    demo.write_notebook("restart.ipynb", *cells, restore)
    text = completion(demo)
    lab = Notebook(tabs.new_page(), demo.lab_url("restart.ipynb", "restart"), 4)
    lab.run(0)
    lab.run(1)
    assert completion(demo) == "patched"
    lab.restart()
    output = lab.run(2)
    # A magic that IPython loads at its first use, which is now.
    expect(output).to_contain_text("Available objects for config")
    expect(output).to_contain_text("kept is there: False")
    assert completion(demo) == "patched"
    expect(lab.run(3).first).to_contain_text("restored livepatch.demo.api.api_complete")
    assert completion(demo) == text


def test_jupyterlab_is_not_open_without_its_token(demo: Demo, tabs: BrowserContext) -> None:
    page = tabs.new_page()
    page.goto(f"{demo.lab}lab")
    expect(page.get_by_label("Password or token")).to_be_visible()
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{demo.lab}api/contents")
