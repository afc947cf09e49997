"""Changes of modules that the webui has not loaded yet: they are made when it loads them."""

from __future__ import annotations

import importlib.abc
import sys
import threading
from typing import TYPE_CHECKING, Any

from livepatch.engine.changing.registry import registry

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


class WhenLoaded:
    """Calls something after one of some modules was loaded; it loads nothing itself.

    Args:
        names: the modules.
        call: called without arguments; what it raises is the import's fault.
    """

    def __init__(self, names: Collection[str], call: Callable[[], object]) -> None:
        self.names = frozenset(names)
        self.call = call
        with registry.lock:
            finder = _finder()
            if finder is None:
                finder = _Finder()
                sys.meta_path.insert(0, finder)
            finder.waiting.append(self)

    def stop(self) -> None:
        """Wait no longer."""
        with registry.lock:
            finder = _finder()
            if finder is not None and self in finder.waiting:
                finder.waiting.remove(self)
                if not finder.waiting:
                    sys.meta_path.remove(finder)


def _finder() -> Any:
    """The one finder of all exports in this process; None while nobody waits."""
    return next((f for f in sys.meta_path if getattr(f, "registry", None) is registry), None)


class _Finder(importlib.abc.MetaPathFinder):
    """Tells all who wait for a module that it is loaded.

    Every export carries this file. Finders of several copies would ask each other without end, so
    whoever comes first makes the one that they share, as they share the engine's registry: no
    class of this copy's is relied on, attributes count.
    """

    def __init__(self) -> None:
        self.registry = registry
        self.waiting: list[Any] = []
        self._asking: set[tuple[int, str]] = set()

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """What the other finders answer, with a loader that tells us when it is done."""
        asked = (threading.get_ident(), fullname)
        # An export of livepatch 0.1, or of another engine, asks us back while we ask its finder.
        if asked in self._asking or not self._waiting_for(fullname):
            return None
        self._asking.add(asked)
        try:
            spec = self._found_by_others(fullname, path, target)
        finally:
            self._asking.discard(asked)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Telling(spec.loader, lambda: self._tell(fullname))
        return spec

    def _found_by_others(self, fullname: str, path: Any, target: Any) -> Any:
        for finder in [*sys.meta_path]:
            find = getattr(finder, "find_spec", None)
            if find is None or finder is self:
                continue
            spec = find(fullname, path, target)
            if spec is not None:
                return spec
        return None

    def _waiting_for(self, name: str) -> list[Any]:
        return [one for one in [*self.waiting] if name in one.names]

    def _tell(self, name: str) -> None:
        for one in self._waiting_for(name):
            one.call()


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
