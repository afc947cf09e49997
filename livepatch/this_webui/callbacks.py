"""The callbacks and the hooks of the webui we live in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.engine.changing.registry import registry
from livepatch.errors import HostUnsupported
from livepatch.registries import CallTable, Owners, point_of
from livepatch.registries.timing import EXTENSIONS, CallMeter, ExtensionMeter

from .detect import host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livepatch.adapters.base import Host
    from livepatch.measure import Meter
    from livepatch.registries import Store


def callbacks() -> CallTable:
    """The callbacks of the webui: every event with what it calls, in the order of the calls.

    Returns:
        A sequence of registrations, each with ``event``, ``name``, ``owner``, ``place`` and
        ``state``; ``callbacks()["step"]`` is one event. They take ``add``, ``replace``, ``mute``,
        ``unmute``, ``move`` and ``remove``, which are steps of the journal like any other change.

    Raises:
        HostUnsupported: this webui has no registry of callbacks.

    Example:
        >>> import livepatch as lp
        >>> lp.callbacks()["step"].mute("note_step")  # doctest: +SKIP
        muted note_step in callbacks of step · extension prompt-log's · 0.08 ms
    """
    found = host()
    return _table(found, "Callbacks", "event", found.callback_stores())


def hooks() -> CallTable:
    """The hooks of a generation, in the order of a run: whose they are and where they stand.

    Methods of scripts, functions of extension modules, functions of nodes, and the forward hooks
    of the models that are loaded.

    Returns:
        A sequence of registrations as :func:`callbacks` answers; ``hooks()["process"]`` is one
        hook of all scripts.

    Raises:
        HostUnsupported: nothing in this process has hooks that livepatch knows.

    Example:
        >>> import livepatch as lp
        >>> lp.hooks().mute("postprocess/Vignette")  # doctest: +SKIP
        muted Vignette in postprocess of scripts · extension vignette's · 0.09 ms
    """
    found = host()
    return _table(found, "Hooks", "hook", found.hook_stores())


def _table(found: Host, title: str, kind: str, stores: Sequence[Store]) -> CallTable:
    if not stores:
        what = title.lower()
        raise HostUnsupported(
            f"look at the {what}",
            f"this process (flavor {found.flavor}) has no {what} that livepatch "
            f"knows; it supports: {', '.join(sorted(found.supports))}",
            "%webui shows what it is; if the webui is still starting, try again when it has "
            "loaded them",
        )
    owners = Owners(found.extensions())
    return CallTable(f"{title} of {found.flavor}", [point_of(s, owners) for s in stores], kind)


_LOOKS = {"callbacks": callbacks, "hooks": hooks}
_meters: dict[str, Meter] = {}


def meters_of_calls(kind: str) -> list[Meter]:
    """What times callbacks or hooks, and the sums by extension; always the same objects.

    Args:
        kind: ``"callbacks"`` or ``"hooks"``.

    Raises:
        HostUnsupported: this webui has none.
    """
    look = _LOOKS[kind]
    look()
    with registry.lock:
        if kind not in _meters:
            _meters[kind] = CallMeter(kind, lambda: look().points, _owners_off)
        if EXTENSIONS not in _meters:
            _meters[EXTENSIONS] = ExtensionMeter()
        return [_meters[kind], _meters[EXTENSIONS]]


def run_times() -> dict[str, float]:
    """What extensions took in the latest recording, in ms; empty before the first."""
    meter = _meters.get(EXTENSIONS)
    return meter.run_times() if isinstance(meter, ExtensionMeter) else {}


def _owners_off() -> dict[str, str]:
    return {f"extension {name}": why for name, why in host().switched_off().items()}
