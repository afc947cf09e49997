"""Makes the pictures of the README: ``python docs/screenshots.py [FOLDER]``.

Starts ``livepatch demo`` and a real Chromium, runs the tour up to the cell that replaces a step of
the sampler, presses Generate on the webui's page, and writes both pages, light and dark, and one
picture with the two side by side. Needs ``livepatch[test]`` and a Chromium.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from browser import (  # noqa: E402
    Demo,
    Notebook,
    WebuiPage,
    choose_lab_settings,
    chromium,
    find_chromium,
    running_demo,
)
from playwright.sync_api import expect  # noqa: E402
from reach_support import place  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

LAB_THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
SIZE = {"width": 1400, "height": 900}
# Side by side each page is narrow, so that it can be read at the width of a README.
LAB_SIDE = {"width": 930, "height": 743}
WEBUI_SIDE = {"width": 500, "height": 690}
SCALE = 1.5
GAP = 24  # pixels between the two
GROUND = {"light": "#ffffff", "dark": "#0d1117"}  # what GitHub shows a README on


def main() -> int:
    """Make all pictures; answers the exit code."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "images"
    folder.mkdir(parents=True, exist_ok=True)
    if find_chromium() is None:
        print("there is no Chromium here: install your system's package chromium", file=sys.stderr)
        return 2
    with place() as here, running_demo(here) as demo, chromium() as browser:
        for theme in LAB_THEMES:
            choose_lab_settings(here, themes={"theme": LAB_THEMES[theme]})
            lab = lab_pictures(browser, demo, theme)
            webui = webui_pictures(browser, demo, theme)
            write(folder / f"lab-{theme}.png", lab[0])
            write(folder / f"webui-{theme}.png", webui[0])
            write(folder / f"replace-{theme}.png", side_by_side(lab[1], webui[1], GROUND[theme]))
            here.livepatch("exec", "-c", "import livepatch; livepatch.restore_all()")
    return 0


def lab_pictures(browser: Browser, demo: Demo, theme: str) -> list[Image.Image]:
    """JupyterLab with the replacing cell, its answer and the changed picture: whole, and narrow."""
    cells = json.loads(demo.notebook.read_text(encoding="utf-8"))["cells"]
    replacing = next(
        number for number, cell in enumerate(cells) if "during" in cell["metadata"].get("tags", ())
    )
    context = browser.new_context(viewport=SIZE, device_scale_factor=SCALE, color_scheme=theme)
    lab = Notebook(context.new_page(), demo.lab_url(demo.notebook.name, theme), len(cells))
    lab.page.keyboard.press("Control+b")  # the list of files
    lab.restart()
    for index in range(replacing + 2):
        if cells[index]["cell_type"] == "code":
            lab.run(index)
    expect(lab.cell(replacing + 1).locator("img")).to_be_visible()
    lab.wait_until_idle()
    pictures = []
    for size, top in ((SIZE, replacing - 2), (LAB_SIDE, replacing - 1)):
        lab.page.set_viewport_size(size)
        lab.cell(top).evaluate("cell => cell.scrollIntoView({block: 'start'})")
        pictures.append(shot(lab.page, None if size is SIZE else "#jp-main-dock-panel"))
    context.close()
    return pictures


def webui_pictures(browser: Browser, demo: Demo, theme: str) -> list[Image.Image]:
    """The webui's page with the picture that its button made: whole, and narrow."""
    context = browser.new_context(viewport=SIZE, device_scale_factor=SCALE, color_scheme=theme)
    webui = WebuiPage(context.new_page(), f"{demo.webui}/?__theme={theme}")
    webui.generate()
    whole = shot(webui.page)
    webui.page.set_viewport_size(WEBUI_SIDE)
    webui.page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    pictures = [whole, shot(webui.page)]
    context.close()
    return pictures


def shot(page: Page, part: str | None = None) -> Image.Image:
    """What the screen shows of a page, without the mouse over anything."""
    page.mouse.move(0, 0)
    page.wait_for_load_state("networkidle")
    shown: Page | Locator = page if part is None else page.locator(part)
    content = shown.screenshot(animations="disabled", caret="hide")
    return Image.open(io.BytesIO(content)).convert("RGB")


def side_by_side(left: Image.Image, right: Image.Image, ground: str) -> Image.Image:
    """Both pictures as high as the lower one, with a gap between them."""
    size = (left.width + GAP + right.width, min(left.height, right.height))
    both = Image.new("RGB", size, ground)
    both.paste(left, (0, 0))
    both.paste(right, (left.width + GAP, 0))
    return both


def write(path: Path, picture: Image.Image) -> None:
    """Write a PNG of at most 256 colours: a few hundred kB, and no difference that can be seen."""
    # One method gives the shades of the picture their colours, the other the rare ones of the page.
    shades = picture.quantize(176, method=Image.Quantize.MEDIANCUT).getpalette() or []
    rare = picture.quantize(80, method=Image.Quantize.MAXCOVERAGE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(shades[: 3 * 176] + rare[: 3 * 80])
    picture.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {picture.width} x {picture.height}, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    sys.exit(main())
