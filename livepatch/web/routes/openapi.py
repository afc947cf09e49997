"""Lets the OpenAPI document of an app follow its routes."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from livepatch.engine.switching.frames import running_calls

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 0.5  # seconds that a document of thousands of routes may take


def routes_changed(router: Any, apps: Iterable[Any]) -> None:
    """Say that the routes of a router are others now.

    Args:
        router: the router.
        apps: the apps that show its routes in their documents.
    """
    # A newer FastAPI keeps what it worked out for an included router until this is called.
    mark = getattr(router, "_mark_routes_changed", None)
    if mark is not None:
        mark()
    for app in apps:
        await_calls(type(app).openapi)
        app.openapi_schema = None


def check_document(route: Any) -> None:
    """Write the document of one route and throw it away.

    One route that cannot be described would take the whole document of its app with it.

    Raises:
        Exception: FastAPI's or Pydantic's own.
    """
    module = sys.modules.get("fastapi.openapi.utils")
    if module is not None and getattr(route, "include_in_schema", False):
        module.get_openapi(title="one route", version="1", routes=[route])


def await_calls(function: Any) -> None:
    """Wait for the calls of a function that are under way.

    Who began to work something out from what was there before would store it after us.
    """
    code = getattr(function, "__code__", None)
    end = time.perf_counter() + LONGEST
    while code is not None and running_calls([code]) and time.perf_counter() < end:
        time.sleep(0.0005)
