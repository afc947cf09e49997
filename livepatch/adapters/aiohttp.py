"""An aiohttp app."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from livepatch.addresses import url_text
from livepatch.errors import HostUnsupported
from livepatch.web.servers import describe_loop, is_instance_of, running_loops

from .base import Host, names_of_main
from .layout import Layout
from .runtime import WebuiRuntime

if TYPE_CHECKING:
    from collections.abc import Iterator

APP_CLASS = ("aiohttp.web_app", "Application")
RUNNER_CLASSES = (("aiohttp.web_runner", "BaseRunner"), ("aiohttp.web_runner", "AppRunner"))


class AiohttpHost(Host):
    """A webui that is an aiohttp app."""

    flavor = "aiohttp"
    runtime = WebuiRuntime("aiohttp")
    specificity = 10
    layout = Layout(app="aiohttp")

    @classmethod
    def is_detected(cls) -> bool:
        """An aiohttp app is served, or the main program has made one."""
        return "aiohttp" in sys.modules and aiohttp_app() is not None

    @property
    def address(self) -> str | None:
        """The first address that the app's runner listens at."""
        for runner in _runners():
            for address in list(getattr(runner, "addresses", None) or ()):
                if isinstance(address, tuple):
                    return url_text(address[0], address[1])
        return None

    @property
    def loop(self) -> str:
        """Where the loop that serves runs."""
        return serving_loop_in_words()

    def app(self) -> Any:
        """The app that is served; before that the one the main program has made."""
        return aiohttp_app()


def aiohttp_app() -> Any:
    """The aiohttp app of this process: the served one, else one of the main program's names."""
    for runner in _runners():
        app = getattr(runner, "app", None)
        if is_instance_of(app, *APP_CLASS):
            return app
    return next((v for v in names_of_main() if is_instance_of(v, *APP_CLASS)), None)


def serving_loop_in_words() -> str:
    """The webui's loop and its thread, for people."""
    from livepatch.web.loops import webui_loop

    try:
        found = webui_loop()
    except HostUnsupported:  # none runs, or it is the one that asks
        return describe_loop(None, None)
    return describe_loop(found.loop, found.thread)


def _runners() -> Iterator[Any]:
    """The runners that ``web.run_app`` awaits, and those that the main program names."""
    for running in running_loops():
        try:
            tasks = asyncio.all_tasks(running.loop)
        except RuntimeError:  # the set of tasks kept changing while it was copied
            continue
        for task in tasks:
            frame = getattr(task.get_coro(), "cr_frame", None)
            if frame is not None and frame.f_globals.get("__name__") == "aiohttp.web":
                yield frame.f_locals.get("runner")
    for value in names_of_main():
        if any(is_instance_of(value, *cls) for cls in RUNNER_CLASSES):
            yield value
