"""The live web stack: middleware of a running app, seen and changed without harm to a request."""

from __future__ import annotations

from .find import middleware_of
from .layer import MiddlewareLayer
from .stack import MiddlewareStack

__all__ = ["MiddlewareLayer", "MiddlewareStack", "middleware_of"]
