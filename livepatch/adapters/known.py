"""Every adapter: ours, and those that other packages plug in."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from livepatch.plugins import HOSTS, complain, plugged_in

from .a1111 import A1111Host
from .aiohttp import AiohttpHost
from .base import Host
from .comfyui.adapter import ComfyuiHost
from .demo import DemoHost
from .forge import ForgeClassicHost, ForgeHost
from .gradio import GradioHost
from .plain import PlainHost
from .sdnext import SdnextHost
from .starlette import StarletteHost
from .textgen.adapter import TextgenHost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .checkout import Checkout

# Forks come before what they were forked from, most of which they still have.
OURS: tuple[type[Host], ...] = (
    *(DemoHost, SdnextHost, ForgeClassicHost, ForgeHost, A1111Host, TextgenHost, ComfyuiHost),
    *(GradioHost, StarletteHost, AiohttpHost, PlainHost),
)


def adapters() -> list[type[Host]]:
    """The adapters, most specific first; of equals those of other packages come before ours."""
    return sorted([*of_others(), *OURS], key=lambda adapter: -adapter.specificity)


def adapter_of(flavor: str) -> type[Host] | None:
    """The adapter of a flavor; None: there is none of that name.

    Args:
        flavor: the name of a kind of webui.

    Example:
        >>> adapter_of("plain")
        <class 'livepatch.adapters.plain.PlainHost'>
    """
    return next((adapter for adapter in adapters() if adapter.flavor == flavor), None)


def checkouts() -> list[tuple[str, Checkout]]:
    """Each flavor that is installed as a folder, and what is known of such folders."""
    return [(one.flavor, one.checkout) for one in adapters() if one.checkout is not None]


def webui_in(path: Path) -> tuple[str, Checkout, Path] | None:
    """The flavor of the webui that lies in a folder, what is known of such, and its own folder.

    Args:
        path: the folder; in packages for Windows the webui lies in one of its folders.

    Returns:
        None where none lies there.
    """
    for flavor, checkout in checkouts():
        webui = checkout.find(path)
        if webui is not None:
            return flavor, checkout, webui
    return None


def flavors() -> list[str]:
    """The names of the kinds of webui that are known, each once."""
    return list(dict.fromkeys(adapter.flavor for adapter in adapters()))


@functools.cache
def of_others() -> tuple[type[Host], ...]:
    """The adapters of other packages; one that is none is told by a warning and left out."""
    return tuple(_load_of_others())


def _load_of_others() -> Iterator[type[Host]]:
    for adapter in plugged_in(HOSTS):
        if isinstance(adapter, type) and issubclass(adapter, Host):
            yield adapter
        else:
            complain(HOSTS, f"{adapter!r} is not a subclass of livepatch.adapters.Host")
