"""The layers as a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.engine import live_layers
from livepatch.engine.layers.stacks import is_on
from livepatch.engine.naming.targets import dotted_name

from .news import why
from .report import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from livepatch.engine import Layer


def patches(target: object = None) -> Report[Layer]:
    """The layers of livepatch in this process, by target, lowest first.

    Args:
        target: a dotted name or a function, to see only its layers.

    Returns:
        A sequence of layers, each with ``target``, ``name``, ``owner`` and ``state``.

    Example:
        >>> import textwrap, livepatch as lp
        >>> layer = lp.replace("textwrap.dedent", lambda text: "patched")
        >>> [(layer.target, layer.state) for layer in lp.patches()]
        [('textwrap.dedent', 'active')]
        >>> layer.remove()
        >>> print(lp.patches())
        Layers: the webui runs its own code
    """
    wanted = target if isinstance(target, str) or target is None else dotted_name(target)
    shown = [layer for layer in live_layers() if wanted is None or is_on(layer, wanted)]
    columns: dict[str, Callable[[Layer], object]] = {
        "target": lambda layer: layer.target,
        "state": lambda layer: layer.state,
        "owner": lambda layer: layer.owner,
        "verb": lambda layer: layer.verb,
        "name": lambda layer: "" if layer.name == layer.verb else layer.name,
    }
    if any(map(why, shown)):
        columns["why"] = why
    return Report("Layers", shown, columns, "the webui runs its own code")
