"""``lp.export``: what is live, written as an extension that other webuis load."""

from __future__ import annotations

import hashlib
import json
import keyword
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from livepatch.engine.answers import answer
from livepatch.errors import ExportRefused
from livepatch.hosts.detect import host

from .checking import check
from .found import find_live
from .layouts import FLAVORS, Names, layout, manifest, one_file

if TYPE_CHECKING:
    from collections.abc import Collection

    from .checking import Checked
    from .found import Live

MANIFEST = "livepatch.json"
MARK = "exported by livepatch"
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
        warnings: what the check saw.
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
    folder: str | Path,
    *,
    name: str,
    flavor: str | None = None,
    single_file: bool = False,
    with_values: Collection[str] = (),
) -> Exported:
    """Write what is live as an extension of its own, which needs no livepatch.

    Layers that are on, middleware, callbacks and hooks. It patches the same targets with the same
    effect in a fresh webui, can be switched off in the webui's own way, and takes its changes back.
    What was written is linted, and applied and removed in a clean process, before it is put in
    place.

    Args:
        folder: the folder in which the extension's own folder (or file) is made.
        name: the extension's name: letters, digits, ``_`` and ``-``.
        flavor: ``a1111``, ``forge``, ``forge-classic``, ``sdnext``, ``demo``, ``textgen``,
            ``comfyui``, ``django``, ``starlette``, ``gradio``, ``aiohttp``, ``plain``; default:
            this webui's.
        single_file: one self-contained file, where the flavor takes one.
        with_values: names of values that the changes use and that may be written down; functions
            and classes are written down as they are needed.

    Returns:
        What was written; ``str`` of it is the answer line.

    Raises:
        ExportRefused: nothing is changed, something cannot be written down, the name or the folder
            will not do. No file was written.

    Example:
        >>> import tempfile, livepatch as lp
        >>> layer = lp.filter_result("string.capwords", str.upper)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     exported = lp.export(folder, name="loud", flavor="plain")
        ...     sorted(path.name for path in exported.path.iterdir())
        ['README.md', 'livepatch.json', 'pyproject.toml', 'src']
        >>> layer.remove()
    """
    flavor = flavor or host().flavor
    asked = f"export {name} for {flavor} to {folder}"
    names = _names(asked, name, flavor)
    parent = _checked_folder(asked, Path(folder))
    live = find_live(asked, flavor, [with_values] if isinstance(with_values, str) else with_values)
    if single_file:
        inner, text = one_file(names, live, asked)
        files = {inner: text}
        final = parent / inner
    else:
        files, final = layout(names, live), parent / name
    _check_place(asked, names, final, parent)
    draft = parent / f".{name}-{os.getpid()}"
    try:
        checked = _write_and_check(asked, draft, files, names, live, single_file=single_file)
        _put_in_place(draft, final, parent, single_file=single_file)
    except OSError as error:
        raise _not_writable(asked, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Exported(final, name, flavor, _told(names, live, final, checked), checked.warnings)


def _names(asked: str, name: str, flavor: str) -> Names:
    if flavor not in FLAVORS:
        raise ExportRefused(
            asked, f"nothing is known of the flavor {flavor!r}", f"one of: {', '.join(FLAVORS)}"
        )
    package = f"{name.replace('-', '_').lower()}_changes"
    if not _NAME.fullmatch(name) or name.lower() in _RESERVED or keyword.iskeyword(name):
        raise ExportRefused(
            asked,
            f"{name!r} cannot be the name of a folder and of a module: letters, digits, _ and -, "
            f"a letter first, at most 60",
            "choose another name, for example: my-extension",
        )
    if package in sys.stdlib_module_names:
        raise ExportRefused(asked, f"{package} is a module of Python", "choose another name")
    return Names(name, package, flavor)


def _checked_folder(asked: str, folder: Path) -> Path:
    folder = folder.expanduser().absolute()
    if not folder.is_dir():
        what = "it is a file" if folder.exists() else "there is no such folder"
        raise ExportRefused(asked, f"{folder}: {what}", f"make it first: mkdir -p {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ExportRefused(
            asked, f"{folder} cannot be written to", "name another folder, or change its mode"
        )
    return folder


def _check_place(asked: str, names: Names, final: Path, parent: Path) -> None:
    """Refuse to write over anything but an unchanged export of the same name."""
    held = parent / final.relative_to(parent).parts[0]
    if not held.exists() and not held.is_symlink():
        return
    advice = f"choose another name, or move it away: {held}"
    if final.is_file() and final != held and [*held.iterdir()] != [final]:
        raise ExportRefused(asked, f"{held} already holds more than {final.name}", advice)
    if final.is_file():
        text = final.read_text(encoding="utf-8", errors="replace")
        if f'"""{names.name}: ' not in text[:200] or MARK not in text[:300]:
            raise ExportRefused(asked, f"{final} is already there, and is no export", advice)
        digest = re.search(r"\n# livepatch: ([0-9a-f]{64})\n\Z", text)
        if digest is None or _digest(text[: digest.start() + 1]) != digest.group(1):
            raise ExportRefused(asked, f"somebody changed {final} since it was exported", advice)
        return
    try:
        told = json.loads((held / MANIFEST).read_text(encoding="utf-8"))
        digests = dict(told["files"])
        same = told["made_by"] == "livepatch export" and told["name"] == names.name
    except (OSError, ValueError, KeyError, TypeError):
        same, digests = False, {}
    if not same:
        found = f"{held} already holds another extension"
        raise ExportRefused(asked, found, advice)
    changed = sorted(
        file.relative_to(held).as_posix()
        for file in held.rglob("*")
        if file.is_file()
        and "__pycache__" not in file.parts
        and file.name != MANIFEST
        and digests.get(file.relative_to(held).as_posix()) != _digest(file.read_text("utf-8"))
    )
    if changed:
        found = f"somebody changed {', '.join(changed[:3])} in {held} since it was exported"
        raise ExportRefused(asked, found, advice)


def _write_and_check(
    asked: str, draft: Path, files: dict[str, str], names: Names, live: Live, *, single_file: bool
) -> Checked:
    texts = {path: f"{text.rstrip()}\n" for path, text in files.items()}
    if single_file:
        texts = {p: f"{t}# livepatch: {_digest(t)}\n" for p, t in texts.items()}
    else:
        texts[MANIFEST] = manifest(names, {p: _digest(t) for p, t in texts.items()})
    for path, text in texts.items():
        file = draft / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    return check(draft / next(iter(files)) if single_file else draft, names, live, asked)


def _put_in_place(draft: Path, final: Path, parent: Path, *, single_file: bool) -> None:
    if single_file:
        final.parent.mkdir(exist_ok=True)
        (draft / final.relative_to(parent)).replace(final)
        return
    if final.exists():
        former = draft.with_name(f"{draft.name}-former")
        final.replace(former)
        draft.replace(final)
        shutil.rmtree(former, ignore_errors=True)
    else:
        draft.replace(final)


def _told(names: Names, live: Live, final: Path, checked: Checked) -> str:
    counted = {
        "change": len(live.changes),
        "callback": sum(map(len, live.callbacks.values())),
        "hook": len(live.hooks),
    }
    what = [f"{n} {word}{'s' * (n != 1)}" for word, n in counted.items() if n]
    facts = [*what, checked.linted]
    facts += [f"applied {checked.applied} and took them back in a clean process"]
    facts += [f"left out: {text}" for text in (*live.left_out, *checked.warnings)]
    return answer(f"exported {names.name} for {names.flavor} to {final}", *facts)


def _digest(text: str) -> str:
    return hashlib.sha256(text.replace("\r\n", "\n").encode()).hexdigest()


def _not_writable(asked: str, error: OSError) -> ExportRefused:
    return ExportRefused(
        asked,
        f"{type(error).__name__}: {error.strerror}: {error.filename}",
        "name a folder that can be written to",
    )
