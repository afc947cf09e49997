"""Names for the modules that no dotted name leads to, where the webui's adapter has none."""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import TYPE_CHECKING

from livepatch.adapters.runtime import identifier
from livepatch.engine.naming.modules import is_dotted
from livepatch.engine.reading.namespaces import is_a

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARTS = re.compile(r"[/\\]+")
_dotted: set[str] = set()
"""Keys that are dotted names: nearly all of thousands, and each look-up of an owner asks again."""


def undotted_modules(known: Mapping[str, ModuleType] | None = None) -> dict[str, ModuleType]:
    """The modules whose keys are no dotted names, by what the end of the key makes of one.

    Args:
        known: those that have names already.

    Example:
        >>> import textwrap
        >>> sys.modules["/webui/more-nodes/pack"] = textwrap
        >>> "more_nodes.pack" in undotted_modules()
        True
        >>> del sys.modules["/webui/more-nodes/pack"]
    """
    named: dict[str, ModuleType] = {}
    have_names = set(map(id, (known or {}).values()))
    loaded = sys.modules.copy()  # others import meanwhile
    unknown = loaded.keys() - _dotted
    for key in [key for key in loaded if key in unknown]:
        module = loaded[key]
        if type(key) is not str:
            continue
        if is_dotted(key):
            _dotted.add(key)
            continue
        if not is_a(module, ModuleType):
            continue
        if id(module) in have_names:
            continue
        *above, last = filter(None, _PARTS.split(key))
        parts = [identifier(part) for part in last.split(".")]
        for part in [*map(identifier, reversed(above)), ""]:
            parts = [part, *parts] if part else parts
            name = ".".join(parts)
            if name not in named and name not in sys.modules:
                named[name] = module
                break
    return named
