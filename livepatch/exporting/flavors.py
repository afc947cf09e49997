"""The webuis that extensions are exported for."""

from __future__ import annotations

from .runtime.webui import ROOTS, ComfyWebui, ScriptsWebui, TextgenWebui, Webui

SCRIPTS = ("a1111", "forge", "forge-classic", "sdnext", "demo")
PACKAGES = ("django", "starlette", "gradio", "aiohttp", "plain")
ONE_FILE = (*SCRIPTS, "textgen", "comfyui")
FLAVORS = (*ONE_FILE, *PACKAGES)


def webui_of(flavor: str) -> Webui:
    """What an extension knows of its webui."""
    if flavor in SCRIPTS:
        return ScriptsWebui(ROOTS.get(flavor, "modules"))
    return {"textgen": TextgenWebui, "comfyui": ComfyWebui}.get(flavor, Webui)()
