"""A Starlette or FastAPI app behind uvicorn."""

from __future__ import annotations

from typing import Any

from livepatch.web.servers import STARLETTE_CLASS, is_instance_of, servers

from .base import Host, names_of_main
from .runtime import WebuiRuntime


class StarletteHost(Host):
    """A webui that is a Starlette or FastAPI app."""

    flavor = "starlette"
    runtime = WebuiRuntime("starlette")
    specificity = 10

    @classmethod
    def is_detected(cls) -> bool:
        """A Starlette app is served, or the main program has made one."""
        return starlette_app() is not None

    def app(self) -> Any:
        """The app that is served; before that the one the main program has made."""
        return starlette_app()


def starlette_app() -> Any:
    """The Starlette app of this process: the served one, else one of the main program's names."""
    for found in servers():
        if is_instance_of(found.app, *STARLETTE_CLASS):
            return found.app
    for value in names_of_main():
        if is_instance_of(value, *STARLETTE_CLASS):
            return value
    return None
