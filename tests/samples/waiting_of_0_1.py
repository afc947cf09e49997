"""What an export of livepatch 0.1 carries to wait for modules: its ``carried/waiting.py``."""

from __future__ import annotations

import importlib.abc
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


def modules_to_come(target: str) -> set[str]:
    """The modules that may have to be loaded before a dotted name leads anywhere.

    Empty where the module of the name is there, so that waiting would not help.

    Example:
        >>> sorted(modules_to_come("later.to_come.function"))
        ['later', 'later.to_come']
        >>> modules_to_come("sys.no_such_function")
        set()
    """
    parts = target.partition("[")[0].split(".")
    prefixes = [".".join(parts[:length]) for length in range(1, len(parts))]
    loaded = [name for name in prefixes if name in sys.modules]
    if loaded:
        # What is an attribute of a loaded module is no module to come.
        beyond = parts[len(loaded[-1].split(".")) :]
        if len(beyond) < 2 or hasattr(sys.modules[loaded[-1]], beyond[0]):
            return set()
    return {name for name in prefixes if name not in sys.modules}


class WhenLoaded(importlib.abc.MetaPathFinder):
    """Calls something after one of some modules was loaded; it loads nothing itself.

    Args:
        names: the modules.
        call: called without arguments; what it raises is the import's fault.
    """

    def __init__(self, names: Collection[str], call: Callable[[], object]) -> None:
        self.names = frozenset(names)
        self.call = call
        sys.meta_path.insert(0, self)

    def stop(self) -> None:
        """Wait no longer."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """What the other finders answer, with a loader that tells us when it is done."""
        if fullname not in self.names:
            return None
        for finder in [*sys.meta_path]:
            find = getattr(finder, "find_spec", None)
            if find is None or isinstance(finder, WhenLoaded):
                continue
            spec = find(fullname, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _Telling(spec.loader, self.call)
                return spec
        return None


class _Telling(importlib.abc.Loader):
    """A loader that does what another does, and tells when a module is loaded."""

    def __init__(self, loader: Any, call: Callable[[], object]) -> None:
        self.loader = loader
        self.call = call

    def create_module(self, spec: Any) -> Any:
        return self.loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        module.__spec__.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        self.call()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)
