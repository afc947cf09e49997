"""Tells whose code it is: the standard library's, a package's, the webui's, an extension's.

Decided by where its file lies. The order is who may know whom: a library never knows the webui it
is used in, and a webui does not know the extensions it will load.
"""

from __future__ import annotations

import functools
import os
import re
import site
import sys
from enum import IntEnum
from typing import Any, NamedTuple

from livepatch.engine.changing.registry import registry

_EXTENSION = re.compile(r"[/\\](extensions|extensions-builtin|custom_nodes)[/\\]([^/\\]+)")
_PACKAGES = re.compile(r"[/\\](site-packages|dist-packages)[/\\]")
_OURS = __name__.partition(".")[0]


class Rank(IntEnum):
    """Who may know whom: the higher know the lower."""

    STANDARD_LIBRARY = 0
    PACKAGE = 1
    WEBUI = 2
    EXTENSION = 3
    NOTEBOOK = 4


class Origin(NamedTuple):
    """Whose code it is.

    Attributes:
        rank: what kind of owner that is.
        name: the owner: the top-level package, or the extension's folder.
    """

    rank: Rank
    name: str


def origin_of(namespace: dict[str, Any], main: tuple[str, str] | None = None) -> Origin:
    """Whose code has these globals.

    Args:
        namespace: a module's namespace, or a function's ``__globals__``.
        main: what :func:`main_program` says, for who asks often.

    Example:
        >>> import textwrap
        >>> origin_of(vars(textwrap)).rank.name
        'STANDARD_LIBRARY'
    """
    name, filename = namespace.get("__name__"), namespace.get("__file__")
    name = name if type(name) is str else "?"
    if name in registry.notebook_modules or (name == "__main__" and filename is None):
        return Origin(Rank.NOTEBOOK, "the notebook")
    if type(filename) is not str:
        is_standard = name.partition(".")[0] in sys.stdlib_module_names
        return Origin(
            Rank.STANDARD_LIBRARY if is_standard else Rank.PACKAGE, name.partition(".")[0]
        )
    return _origin(name, filename, *(main or main_program()))


@functools.lru_cache(maxsize=16384)
def _origin(name: str, filename: str, main_folder: str, main_package: str) -> Origin:
    root = name.partition(".")[0]
    installed = _PACKAGES.search(filename) is not None or filename.startswith(_site_folders())
    in_webui = main_folder != "" and filename.startswith(main_folder)
    if not installed or (in_webui and main_package):
        # Below the webui's folder where it lies there: that folder may be called extensions too.
        matches = list(_EXTENSION.finditer(filename, len(main_folder) if in_webui else 0))
        if matches:
            return Origin(Rank.EXTENSION, "/".join(matches[-1].groups()))
    if name in ("__main__", main_package) or (main_package and name.startswith(f"{main_package}.")):
        return Origin(Rank.WEBUI, root)
    if installed or root == _OURS:
        return Origin(Rank.PACKAGE, root)
    if filename.startswith(_standard_folders()):
        return Origin(Rank.STANDARD_LIBRARY, root)
    return Origin(Rank.WEBUI, root)


def main_program() -> tuple[str, str]:
    """The folder of the program that runs, and its package where it was started with ``-m``."""
    main = sys.modules.get("__main__")
    own = getattr(main, "__dict__", {})
    spec, filename = own.get("__spec__"), own.get("__file__")
    name = getattr(spec, "name", None)
    folder = os.path.dirname(filename) if type(filename) is str else ""
    if type(name) is not str or "." not in name:
        return folder, ""
    package = name.partition(".")[0]
    # The demo is a webui inside our own package; the rest of the package is no part of it.
    return folder, name.rpartition(".")[0] if package == _OURS else package


@functools.cache
def _site_folders() -> tuple[str, ...]:
    folders = [*site.getsitepackages(), site.getusersitepackages()]
    return tuple(os.path.join(folder, "") for folder in folders if folder)


@functools.cache
def _standard_folders() -> tuple[str, ...]:
    # Not sysconfig.get_paths(): that imports a module.
    return (os.path.join(os.path.dirname(os.__file__), ""),)
