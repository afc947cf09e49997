"""Answers ``extensions.hot_reload.utils`` where nothing of that name exists.

Scripts of text-generation-webui's older extension begin with
``from extensions.hot_reload.utils import restore, replace``. The finder stands behind all others,
so that a module of that name that exists comes first.
"""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, Any

from livepatch import engine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

UTILS = "extensions.hot_reload.utils"
_PARENTS = ("extensions", "extensions.hot_reload")
_wanted: set[object] = set()


class _Finder(MetaPathFinder, Loader):
    """Finds the three modules, and makes them."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the protocol's
        target: Any = None,  # noqa: ARG002 - the protocol's
    ) -> ModuleSpec | None:
        """The spec of one of the three; nobody before us knew the name."""
        if fullname != UTILS and fullname not in _PARENTS:
            return None
        return ModuleSpec(fullname, self, origin="livepatch", is_package=fullname in _PARENTS)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:  # noqa: ARG002
        """The usual module."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """The verbs themselves: the layers are then the script's that calls them."""
        if module.__name__ == UTILS:
            module.__doc__ = "The verbs of the older extension, answered by livepatch."
            vars(module).update(replace=engine.replace, restore=engine.restore)


_finder = _Finder()


def answer_older_scripts(wanted_by: object) -> None:
    """Answer the older extension's name from now on.

    Args:
        wanted_by: who wants it; as long as any of them does, it is answered.
    """
    _wanted.add(wanted_by)
    if _finder not in sys.meta_path:
        sys.meta_path.append(_finder)


def answer_no_more(wanted_by: object = None) -> None:
    """Take the answer away when nobody else wants it, and what of it was imported.

    Args:
        wanted_by: who wants it no more; None: everybody, as the kernel goes.
    """
    _wanted.discard(wanted_by)
    if wanted_by is None:
        _wanted.clear()
    if _wanted:
        return
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
    for name in (UTILS, *reversed(_PARENTS)):
        module = sys.modules.get(name)
        if getattr(getattr(module, "__spec__", None), "loader", None) is not _finder:
            continue
        del sys.modules[name]
        parent = sys.modules.get(name.rpartition(".")[0])
        if parent is not None:
            vars(parent).pop(name.rpartition(".")[2], None)
