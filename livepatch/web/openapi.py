"""Lets the OpenAPI document of an app follow its routes."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from livepatch.engine.running import running_calls

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
        if getattr(app, "openapi_schema", None) is None and not _is_being_written(app):
            continue
        # Who began to write the document from the old routes would put it there after us.
        end = time.perf_counter() + LONGEST
        while _is_being_written(app) and time.perf_counter() < end:
            time.sleep(0.0005)
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


def _is_being_written(app: Any) -> bool:
    code = getattr(getattr(type(app), "openapi", None), "__code__", None)
    return code is not None and running_calls([code]) > 0
