"""The files of an extension, or its one file: laid out by an adapter, filled by ``package``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from livepatch.adapters.known import adapters
from livepatch.adapters.layout import ExportedCode
from livepatch.errors import ExportRefused

from . import package as parts
from .carrying import FOLDER

if TYPE_CHECKING:
    from livepatch.adapters import Host

    from .live import Live


@dataclass(frozen=True)
class Names:
    """What an extension is called.

    Attributes:
        name: the extension, and its folder.
        package: its Python package.
        adapter: of the webui that it is for.
    """

    name: str
    package: str
    adapter: type[Host]

    @property
    def flavor(self) -> str:
        """The webui that it is for."""
        return self.adapter.flavor


def files_of(names: Names, live: Live) -> dict[str, str]:
    """The files of the extension's folder, by their paths in it."""
    code = _code(names, live)
    code = _code(names, live, _package(names, live, code))
    return {**names.adapter.layout.files(code), "README.md": _readme(names, live)}


def one_file(names: Names, live: Live, asked: str) -> tuple[str, str]:
    """The name and the text of the one file.

    Raises:
        ExportRefused: this flavor takes folders only.
    """
    layout = names.adapter.layout
    if not layout.single_file:
        others = dict.fromkeys(one.flavor for one in adapters() if one.layout.single_file)
        raise ExportRefused(
            asked,
            f"a {names.flavor} app takes packages, not single files",
            f"leave --single-file out; it is for: {', '.join(others)}",
        )
    code = _code(names, live)
    text = parts.single_file(
        names.name,
        names.package,
        names.adapter,
        live,
        about=code.about,
        extra=layout.beside(code),
        entry=layout.end_of_file(code),
    )
    return layout.single_file.format(name=names.name), text


def _code(names: Names, live: Live, files: dict[str, str] | None = None) -> ExportedCode:
    texts = live.gatherer.texts
    return ExportedCode(
        names.name,
        names.package,
        names.flavor,
        files or {},
        [(event, function) for event, function, _ in parts.called_by_webui(live)],
        {hook: (name, texts.get(name, "")) for hook, name in live.hooks.items()},
    )


def _package(names: Names, live: Live, code: ExportedCode) -> dict[str, str]:
    changes = (
        f'"""What {names.name} changes, and what each change was made against."""\n\n'
        f"from __future__ import annotations\n\n{parts.changes_imports(live, f'.{FOLDER}')}\n"
        f"{parts.changes_text(live)}\n{parts.values_text(parts.made_with(names.flavor))}"
    )
    extra = names.adapter.layout.beside(code)
    return {
        "__init__.py": parts.init_file(names.name, names.adapter, live, extra),
        "changes.py": changes,
        "names.py": parts.names_file(live, f"The functions and classes of {names.name}."),
        "layers.py": parts.layers_file(live, f"What {names.name} runs in the webui's own places."),
        **parts.carried_by(names.adapter, live),
    }


def _readme(names: Names, live: Live) -> str:
    layout = names.adapter.layout
    made = parts.made_with(names.flavor)
    rows = [f"- {change.about}" for change in live.changes]
    rows += [f"- callback at {event}" for event in live.callbacks]
    rows += [f"- hook {hook}" for hook in live.hooks]
    listed = "\n".join(rows)
    how = layout.how_to.format(name=names.name, package=names.package)
    package = f"{layout.folder}{names.package}"
    return (
        f"# {names.name}\n\nChanges of a running {names.flavor} webui "
        f"(version {made['version'] or 'unknown'}), exported by livepatch {made['livepatch']}.\n\n"
        f"{how}\n\n{listed}\n\n"
        f"The code is in `{package}/layers.py` and `{package}/names.py`, "
        f"what it changes in `{package}/changes.py`. Livepatch is not needed: "
        f"`{FOLDER}` there is all that is used of it. "
        "A function of the webui that is not what it was when this was made is left alone, with a "
        "warning that names it.\n"
    )


def manifest(names: Names, digests: dict[str, str]) -> str:
    """``livepatch.json``: tells an export of ours, and whether somebody changed it."""
    told = {"made_by": "livepatch export", "name": names.name, "flavor": names.flavor}
    return json.dumps({**told, "files": digests}, indent=1) + "\n"
