"""Refuses to watch the files of an extension: the webui runs them, they are no patches."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from livepatch.engine.naming.modules import named_modules
from livepatch.engine.reading.namespaces import namespace_of
from livepatch.errors import PatchRefused
from livepatch.looking.origins import Rank, origin_of

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
        real, origin = os.path.realpath(file), origin_of(namespace_of(module))
        extension = origin.name.rpartition("/")[2].removesuffix(".py")
        is_watched = name.startswith("livepatch_watched_")  # it may lie in an extension's folder
        if real in files and origin.rank is Rank.EXTENSION and not is_watched:
            raise PatchRefused(
                asked,
                f"the webui has loaded {files[real]} as {name}, a module of the extension "
                f"{extension}: it is no file with patches",
                f"edit it, then %extensions reload {extension}; %watch takes files that use "
                "lp.replace and the other verbs",
            )
