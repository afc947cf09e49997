"""The demo webui and JupyterLab as a person sees them: `livepatch demo`, and a real browser.

Used by the tests and by docs/screenshots.py, so that the pictures show what the tests test.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Locator, Page, expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser
    from reach_support import Place

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 60  # seconds
EXECUTED = re.compile(r"\[\d+\]:")


def find_chromium() -> str | None:
    """The Chromium of this machine, None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium without a screen, with an empty profile of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass(frozen=True)
class Demo:
    """A running ``livepatch demo``."""

    webui: str
    lab: str
    token: str
    pid: int
    notebook: Path
    place: Place

    def lab_url(self, notebook: str, workspace: str) -> str:
        """Where JupyterLab opens that notebook alone: other tabs stay in their own workspaces."""
        return f"{self.lab}lab/workspaces/{workspace}/tree/{notebook}?token={self.token}"

    def write_notebook(self, name: str, *cells: str) -> None:
        """Put a notebook with these cells beside the tour, on the same kernel."""
        tour = json.loads(self.notebook.read_text(encoding="utf-8"))
        tour["cells"] = [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"cell-{number}",
                "metadata": {},
                "outputs": [],
                "source": cell,
            }
            for number, cell in enumerate(cells)
        ]
        (self.notebook.parent / name).write_text(json.dumps(tour), encoding="utf-8")


class _Log:
    """What a process and its children print, line by line as it comes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.lines: list[str] = []
        self._process = process
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, pattern: str) -> re.Match[str]:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                line = self._queue.get(timeout=max(deadline - time.monotonic(), 0))
            except queue.Empty:
                line = None
            assert line is not None, f"no line with {pattern} came:\n{''.join(self.lines)}"
            if found := re.search(pattern, line):
                return found

    def close(self) -> None:
        self._reader.join(PATIENCE)
        assert self._process.stderr is not None
        self._process.stderr.close()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line)
            self._queue.put(line)
        self._queue.put(None)


def choose_lab_settings(place: Place, **settings: dict[str, Any]) -> None:
    """Set JupyterLab's settings of those plugins of apputils, for every page opened from now on."""
    folder = place.folder / "config" / "lab" / "user-settings" / "@jupyterlab/apputils-extension"
    folder.mkdir(parents=True, exist_ok=True)
    for plugin, values in settings.items():
        (folder / f"{plugin}.jupyterlab-settings").write_text(json.dumps(values), encoding="utf-8")


@contextlib.contextmanager
def running_demo(place: Place) -> Iterator[Demo]:
    """``livepatch demo`` in folders of its own; both its servers end when left."""
    choose_lab_settings(place, notification={"fetchNews": "false", "checkForUpdates": False})
    command = [sys.executable, "-m", "livepatch", "demo", "--no-browser", "--lab-port", "0"]
    process = subprocess.Popen(
        command,
        cwd=place.folder,
        env={**place.environment, "XDG_DATA_HOME": str(place.folder / "xdg")},
        stderr=subprocess.PIPE,
        text=True,
    )
    log, servers = _Log(process), []
    try:
        address = log.wait_for(r"^webui: +(\S+)")[1]
        (record,) = json.loads(place.livepatch("list", "--json").stdout)
        servers.append(record["pid"])
        notebook = Path(log.wait_for(r"^notebook: +(.+)")[1])
        lab = log.wait_for(r"(http://127\.0\.0\.1:\d+/)lab\S*\?token=(\w+)")
        servers += [
            int(path.stem.split("-")[1]) for path in place.folder.glob("jrt/jpserver-*.json")
        ]
        yield Demo(address, lab[1], lab[2], record["pid"], notebook, place)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            for pid in servers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        log.close()


class Notebook:
    """A notebook that is open in JupyterLab, used with the mouse and the keyboard."""

    def __init__(self, page: Page, url: str, cells: int) -> None:
        self.page = page
        # A cell that is run before the kernel is there makes JupyterLab ask for a kernel.
        with page.expect_websocket(lambda socket: "/api/kernels/" in socket.url):
            page.goto(url)
        self.wait_until_idle()
        expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(cells)

    def wait_until_idle(self) -> None:
        """Wait until the kernel is there and has nothing to do."""
        status = self.page.locator("#jp-main-statusbar").get_by_text(re.compile(r"\| Idle$"))
        expect(status).to_be_visible(timeout=PATIENCE * 1000)

    def cell(self, index: int) -> Locator:
        return self.page.locator(f'.jp-Notebook .jp-Cell[data-windowed-list-index="{index}"]')

    def start(self, index: int) -> Locator:
        """Click into a cell and press Shift+Enter; answers its output area."""
        cell = self.cell(index)
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")
        return cell.locator(".jp-OutputArea-output")

    def run(self, index: int) -> Locator:
        """Run a cell that was not run yet, to its end; answers its output area."""
        output = self.start(index)
        prompt = self.cell(index).locator(".jp-InputPrompt")
        expect(prompt).to_have_text(EXECUTED, timeout=PATIENCE * 1000)
        return output

    def restart(self) -> None:
        """Press the toolbar's restart button, and confirm."""
        self.press("notebook:restart-kernel")
        with self.page.expect_response(
            lambda answer: answer.url.partition("?")[0].endswith("/restart")
        ):
            self.page.get_by_role("button", name="Confirm Kernel Restart").click()
        self.wait_until_idle()

    def press(self, command: str) -> None:
        """Press a button of the notebook's toolbar."""
        self.page.locator(f'.jp-NotebookPanel-toolbar [data-command="{command}"]').click()


class WebuiPage:
    """The webui's own page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        page.goto(url)
        self.image = page.locator("#image img")
        expect(page.locator("#generate")).to_be_enabled(timeout=PATIENCE * 1000)

    def generate(self) -> bytes:
        """Press Generate and wait for a picture other than the one that is shown; its bytes."""
        shown = self.image.get_attribute("src") if self.image.count() else ""
        self.page.locator("#generate").click()
        expect(self.image).to_be_visible(timeout=PATIENCE * 1000)
        expect(self.image).not_to_have_attribute("src", shown or "", timeout=PATIENCE * 1000)
        answer = self.page.request.get(self.image.get_attribute("src") or "")
        assert answer.ok
        return answer.body()
