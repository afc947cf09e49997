"""Which webui is this? Picks the most specific adapter that recognises the process."""

from __future__ import annotations

import functools
import sys
import warnings
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from livepatch.engine import subscribe

from .a1111 import A1111Host
from .aiohttp import AiohttpHost
from .base import WEBUI, Host
from .comfyui import ComfyuiHost
from .demo import DemoHost
from .django import DjangoHost
from .forge import ForgeClassicHost, ForgeHost
from .gradio import GradioHost
from .plain import PlainHost
from .sdnext import SdnextHost
from .starlette import StarletteHost
from .textgen import TextgenHost

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import ModuleType

    from livepatch.engine.changing.change import Change

ENTRY_POINTS = "livepatch.hosts"
NAMED = ("custom_nodes", "extensions", "scripts")
"""What the names begin with by which adapters know modules that are not in ``sys.modules``."""
ADAPTERS: tuple[type[Host], ...] = (
    *(DemoHost, SdnextHost, ForgeClassicHost, ForgeHost, A1111Host, TextgenHost, ComfyuiHost),
    *(GradioHost, DjangoHost, StarletteHost, AiohttpHost, PlainHost),
)


def host() -> Host:
    """The adapter of the webui we live in.

    Adapters are asked from the most to the least specific; of equals those of other packages
    come before ours. The answer is not kept: a webui that starts later is recognised then.

    Returns:
        An adapter; in a process that no other recognises the plain one.

    Example:
        >>> host().flavor in {"demo", "gradio", "starlette", "plain"}
        True
    """
    for adapter in adapters():
        if _recognises(adapter):
            return adapter()
    return PlainHost()


def adapters() -> list[type[Host]]:
    """The adapters, those of other packages included, most specific first."""
    return sorted([*_foreign_adapters(), *ADAPTERS], key=lambda adapter: -adapter.specificity)


@functools.cache
def _foreign_adapters() -> tuple[type[Host], ...]:
    # Once for each process: reading the metadata of every installed package takes its time.
    return tuple(_load_foreign_adapters())


def _load_foreign_adapters() -> Iterator[type[Host]]:
    for entry_point in entry_points(group=ENTRY_POINTS):
        try:
            adapter = entry_point.load()
        except Exception as error:
            _complain(f"the adapter {entry_point.value} could not be loaded: {error!r}")
            continue
        if isinstance(adapter, type) and issubclass(adapter, Host):
            yield adapter
        else:
            _complain(f"{entry_point.value} is no subclass of livepatch.hosts.base.Host")


def _recognises(adapter: type[Host]) -> bool:
    try:
        return adapter.is_detected()
    except Exception as error:  # the fault of one adapter must not keep the others from answering
        _complain(f"the adapter {adapter.flavor} failed to look at this process: {error!r}")
        return False


def _complain(message: str) -> None:
    warnings.warn(f"{ENTRY_POINTS}: {message}", RuntimeWarning, stacklevel=3)


def webui() -> Host | None:
    """The adapter of one particular webui, if this process is one: told without a look at servers.

    Asked at every change and at look-ups of names, where :func:`host` would take too long.
    """
    for adapter in _adapters_of_webuis(_foreign_adapters()):
        if (not adapter.module or adapter.module in sys.modules) and _recognises(adapter):
            return adapter()
    return None


@functools.cache
def _adapters_of_webuis(_foreign: tuple[type[Host], ...]) -> tuple[type[Host], ...]:
    return tuple(adapter for adapter in adapters() if adapter.specificity >= WEBUI)


def _named_modules(name: str | None) -> Mapping[str, ModuleType]:
    if name is not None and name.partition(".")[0] not in NAMED:
        return {}
    found = webui()
    return {} if found is None else found.modules()


def _after_commit(changes: Sequence[Change]) -> None:
    found = webui()
    if found is not None:
        found.after_commit(changes)


def _remarks(changes: Sequence[Change]) -> Sequence[str]:
    found = webui()
    return () if found is None else found.remarks(changes)


# A change that waits for a safe point asks the webui as it is then.
subscribe("is_idle", lambda _: host().is_idle())
subscribe("modules", _named_modules)
subscribe("after_commit", _after_commit)
subscribe("remarks", _remarks)
