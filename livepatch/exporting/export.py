"""``lp.export``: what is live, written as an extension that other webuis load."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from livepatch.adapters.known import adapter_of, flavors
from livepatch.engine.answers import answer, counted
from livepatch.engine.shown import shown
from livepatch.errors import ExportRefused
from livepatch.this_webui.detect import host

from .checking import TIMEOUT, checked_export
from .folder import Names, files_of, manifest, one_file
from .found import find_live
from .place import MANIFEST, Place, digest

if TYPE_CHECKING:
    from collections.abc import Collection

    from .checking import Checked
    from .live import Live

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,59}")
_RESERVED = {"con", "prn", "aux", "nul", *(f"{p}{n}" for p in ("com", "lpt") for n in range(10))}


@dataclass(frozen=True)
class Exported:
    """An extension that was written.

    ``str(exported)`` is the answer line.

    Attributes:
        path: its folder, or its one file.
        name: its name.
        flavor: the webui that it is for.
        answer: the answer line.
        warnings: what the check saw left out, and what it could not look at.
    """

    path: Path
    name: str
    flavor: str
    answer: str
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.answer

    __repr__ = __str__


def export(
    folder: str | Path | None = None,
    *,
    name: str,
    flavor: str | None = None,
    single_file: bool = False,
    with_values: Collection[str] = (),
    timeout: float = TIMEOUT,
    check: bool = True,
) -> Exported:
    """Write what is live as an extension of its own, which needs no livepatch.

    Layers that are on, middleware, callbacks and hooks. It patches the same targets with the same
    effect in a fresh webui, can be switched off in the webui's own way, and takes its changes back.
    What was written is linted and checked before it is put in place: a process of its own, which
    has the webui's folders and the names of its modules, loads it as the webui does. What is
    changed there is compared with what is live here. The webui itself is never imported there:
    what is changed is there as its definitions, taken from the source.

    Args:
        folder: the folder in which the extension's own folder (or file) is made; it is made itself
            where it is missing. Default: where this webui has its extensions; the working folder
            where it has no such place, or the export is for another flavor.
        name: the extension's name: letters, digits, ``_`` and ``-``.
        flavor: the kind of webui that it is for, such as ``comfyui``; default: this webui's.
        single_file: one self-contained file, where the flavor takes one.
        with_values: names of values that the changes use and that may be written down; functions
            and classes are written down as they are needed.
        timeout: how long the check may take, in seconds.
        check: whether it is checked at all.

    Returns:
        What was written; ``str`` of it is the answer line.

    Raises:
        ExportRefused: nothing is changed, something cannot be written down, the name or the folder
            will not do, something else is there, or the check saw that the export does not do what
            is live. No file was written.

    Example:
        >>> import tempfile, livepatch as lp
        >>> layer = lp.filter_result("string.capwords", str.upper)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     exported = lp.export(folder, name="loud", flavor="plain")
        ...     sorted(path.name for path in exported.path.iterdir())
        ['README.md', 'livepatch.json', 'pyproject.toml', 'src']
        >>> layer.remove()
    """
    here = host()
    flavor = flavor or here.flavor
    if folder is None:
        own = here.export_folder(single_file=single_file) if flavor == here.flavor else None
        folder = own or Path()
    asked = f"export {name} for {flavor} to {folder}"
    names = _names(asked, name, flavor)
    live = find_live(
        asked, names.adapter, [with_values] if isinstance(with_values, str) else with_values
    )
    inner, texts = _texts(asked, names, live, single_file=single_file)
    place = Place(asked, folder, name, inner, is_file=single_file)
    try:
        with place.draft(texts) as draft:
            checked = checked_export(draft, names, live, asked, timeout if check else None)
            place.put(draft)
    except OSError as error:
        raise _not_writable(asked, error) from error
    told = _told(names, live, place.final, checked)
    warnings = (*checked.left_out, *checked.not_checked)
    return Exported(place.final, name, flavor, told, warnings)


def _names(asked: str, name: str, flavor: str) -> Names:
    adapter = adapter_of(flavor)
    if adapter is None:
        raise ExportRefused(
            asked,
            f"livepatch does not know the flavor {flavor!r}",
            f"one of: {', '.join(flavors())}",
        )
    package = adapter.layout.package_of(name)
    if not _NAME.fullmatch(name) or name.lower() in _RESERVED or keyword.iskeyword(name):
        raise ExportRefused(
            asked,
            f"{name!r} cannot be the name of a folder and of a module: letters, digits, _ and -, "
            f"a letter first, at most 60",
            "choose another name, for example: my-extension",
        )
    if package in sys.stdlib_module_names:
        raise ExportRefused(asked, f"{package} is a module of Python", "choose another name")
    if adapter.layout.folder and _is_others_module(package):
        raise ExportRefused(
            asked, f"{package} is another module that is installed here", "choose another name"
        )
    return Names(name, package, adapter)


def _is_others_module(package: str) -> bool:
    """Whether an export of that name would hide a module; a former export of ours is none."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return False
    if spec is None or spec.origin is None:
        return False
    try:
        begins = Path(spec.origin).read_text(encoding="utf-8", errors="replace")[:300]
    except OSError:
        return True
    return "made with livepatch." not in begins


def _texts(
    asked: str, names: Names, live: Live, *, single_file: bool
) -> tuple[str, dict[str, str]]:
    """What is made in the folder that is exported to, and its files."""
    if single_file:
        inner, text = one_file(names, live, asked)
        text = f"{text.rstrip()}\n"
        return inner, {inner: f"{text}# livepatch: {digest(text)}\n"}
    texts = {path: f"{text.rstrip()}\n" for path, text in files_of(names, live).items()}
    listed = manifest(names, {path: digest(text) for path, text in texts.items()})
    return names.name, {**texts, MANIFEST: listed}


def _told(names: Names, live: Live, final: Path, checked: Checked) -> str:
    numbers = {
        "change": len(live.changes),
        "callback": sum(map(len, live.callbacks.values())),
        "hook": len(live.hooks),
    }
    what = [counted(n, word) for word, n in numbers.items() if n]
    done = f"exported {names.name} for {names.flavor} to {final}"
    left_out = list(dict.fromkeys((*live.left_out, *checked.left_out)))
    if left_out:  # the first to be read: it is no small print
        done = f"{done}, left out: {'; '.join(left_out)}"
    return answer(done, *what, checked.linted, *checked.told())


def _not_writable(asked: str, error: OSError) -> ExportRefused:
    return ExportRefused(
        asked,
        f"{type(error).__name__}: {error.strerror}: {shown(error.filename or '')}",
        "give a folder that you can write to",
    )
