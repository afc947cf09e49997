"""Names that a module imports when they are first used (PEP 810, from Python 3.15 on).

Reading such a name as a global or as an attribute imports; reading the namespace as a dictionary
does not. Until then a ``lazy_import`` object stands there, to be kept in local variables only.
"""

from __future__ import annotations

import sys
import types
from typing import Any

from .namespaces import namespace_of

_LAZY: Any = getattr(types, "LazyImportType", None)
_SHOWN = "<lazy_import '"
_ABSENT = object()


def lazy_source(value: object) -> str | None:
    """The dotted name that a lazy import stands for; None where the value is none.

    Example:
        >>> lazy_source(3) is None
        True
    """
    if _LAZY is None or type(value) is not _LAZY:
        return None
    return repr(value)[len(_SHOWN) : -2]  # it has no attribute that would say it


def loaded_value(name: str, value: object) -> object:
    """What a lazy import will give, where it is loaded already; else, and otherwise, the value.

    Args:
        name: the name that it is bound to.
        value: what stands there.
    """
    if _LAZY is None:
        return value
    for _ in range(10):  # from one module's lazy name to the next one's
        source = lazy_source(value)
        if source is None:
            break
        first, _, rest = source.partition(".")
        if rest and first == name and source in sys.modules:
            source = first  # `import a.b` binds a
        module_name, _, attribute = source.rpartition(".")
        value_of_module = namespace_of(sys.modules.get(module_name)).get(attribute, _ABSENT)
        if value_of_module is _ABSENT:
            return sys.modules.get(source) or value
        name, value = attribute, value_of_module
    return value


def is_pending(name: str) -> bool:
    """Whether a module that is not loaded is a lazy import somewhere."""
    return name not in sys.modules and name in getattr(sys, "lazy_modules", ())


def lazy_importers(module: str, name: str) -> list[str]:
    """The modules that import a name of a module lazily and have not used it yet."""
    wanted = f"{module}.{name}"
    if wanted not in getattr(sys, "lazy_modules", ()):
        return []
    return [
        importer
        for importer, loaded in sorted(sys.modules.copy().items())
        if any(lazy_source(value) == wanted for value in namespace_of(loaded).copy().values())
    ]
