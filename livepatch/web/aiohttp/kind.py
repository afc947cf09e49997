"""What an aiohttp app is to the rest of livepatch."""

from __future__ import annotations

from livepatch.web.kinds import AppKind
from livepatch.web.routes.aiohttp import aiohttp_list_of, is_aiohttp_app

from .stack import AiohttpStack

AIOHTTP = AppKind("an aiohttp app", is_aiohttp_app, AiohttpStack, aiohttp_list_of)
