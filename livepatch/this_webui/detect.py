"""Which webui is this? Picks the most specific adapter that recognises the process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from livepatch.adapters.base import WEBUI, Host
from livepatch.adapters.known import adapters
from livepatch.adapters.plain import PlainHost
from livepatch.engine import subscribe
from livepatch.plugins import HOSTS, complain
from livepatch.reports.table import names_told

from .undotted import undotted_modules

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import ModuleType

    from livepatch.engine.changing.change import Change


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


def _recognises(adapter: type[Host]) -> bool:
    try:
        return adapter.is_detected()
    except Exception as error:  # the fault of one adapter must not keep the others from answering
        complain(HOSTS, f"the adapter {adapter.flavor} failed on this process: {error!r}")
        return False


def webui() -> Host | None:
    """The adapter of one particular webui, if this process is one: told without a look at servers.

    Asked at every change and at look-ups of names, where :func:`host` would take too long.
    """
    for adapter in _adapters_of_webuis():
        if (not adapter.module or adapter.module in sys.modules) and _recognises(adapter):
            return adapter()
    return None


def _adapters_of_webuis() -> Iterator[type[Host]]:
    return (adapter for adapter in adapters() if adapter.specificity >= WEBUI)


def _named_modules(name: str | None) -> Mapping[str, ModuleType]:
    told = names_told.get()
    if told is None:
        return _names_of_webui(name)
    if not told:
        told.append(_names_of_webui(None))
    return told[0]


def _names_of_webui(name: str | None) -> Mapping[str, ModuleType]:
    first = name.partition(".")[0] if name is not None else None
    is_webuis = first is None or any(first in a.names for a in _adapters_of_webuis())
    found = webui() if is_webuis else None
    named = {} if found is None else found.modules()
    # Only what nobody else can name is named so: most look-ups need not go through all modules.
    is_nobodys = first is None or (first not in sys.modules and not named)
    return {**undotted_modules(named), **named} if is_nobodys else named


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
