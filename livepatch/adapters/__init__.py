"""Adapters: what livepatch knows of each flavor of webui."""

from __future__ import annotations

from .base import WEBUI, Host
from .checkout import Checkout, SettingsFile
from .layout import ExportedCode, Layout
from .loader import Loader, Loading, execute, lists_of, refuse
from .runtime import WebuiRuntime, attribute_of

__all__ = [
    "WEBUI",
    "Checkout",
    "ExportedCode",
    "Host",
    "Layout",
    "Loader",
    "Loading",
    "SettingsFile",
    "WebuiRuntime",
    "attribute_of",
    "execute",
    "lists_of",
    "refuse",
]
