"""Refuses to watch the files of an extension: the webui runs them, they are no patches."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from livepatch.engine.naming.modules import named_modules
from livepatch.engine.reading.namespaces import namespace_of
from livepatch.errors import HostUnsupported, PatchRefused

from .paths import candidates

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def refuse_loaded(asked: str, paths: Iterable[Path]) -> None:
    """Raise where a file that would be run is one that the webui has loaded as an extension's.

    Args:
        asked: the user's request in words.
        paths: what is to be watched.

    Raises:
        PatchRefused: it is; the advice is how to load the extension anew.
    """
    files = {os.path.realpath(path): path for path in candidates(paths)}
    names = {os.path.basename(file) for file in files}
    for name, module in named_modules().items() if files else ():
        file = namespace_of(module).get("__file__")
        if type(file) is not str or os.path.basename(file) not in names:
            continue
        real = os.path.realpath(file)
        extension = _extension_of(real) if real in files else None
        if extension is not None:
            raise PatchRefused(
                asked,
                f"the webui has loaded {files[real]} as {name}, a module of the extension "
                f"{extension}: it is no file with patches",
                f"edit it, then %extensions reload {extension}; %watch takes files that use "
                "lp.replace and the other verbs",
            )


def _extension_of(file: str) -> str | None:
    """The name of the extension that a file belongs to; None where it is of none."""
    from livepatch.this_webui.detect import host

    try:
        known = host().extensions()
    except HostUnsupported:  # the webui keeps them in a shape that is not known
        return None
    for extension in known:
        folder = os.path.realpath(extension.path) if extension.path else ""
        if folder and (file == folder or file.startswith(os.path.join(folder, ""))):
            return extension.name
    return None
