"""The Python package of an exported extension: its own code, the engine and what applies it."""

from __future__ import annotations

import dataclasses
import platform
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from livepatch.own_version import VERSION
from livepatch.this_webui.detect import host

from .carrying import FOLDER, carried_files, home_of
from .runtime.definitions import indented

if TYPE_CHECKING:
    from collections.abc import Mapping

    from livepatch.adapters import Host
    from livepatch.adapters.runtime import WebuiRuntime

    from .live import Live
    from .runtime.changes import Change


def made_with(flavor: str) -> dict[str, str | None]:
    """The versions that an extension is made with."""
    return {
        "flavor": flavor,
        "version": host().version,
        "livepatch": VERSION,
        "python": platform.python_version(),
    }


def names_file(live: Live, about: str) -> str:
    """``names.py``: what the changes need beside themselves."""
    return f'"""{about}"""\n\nfrom __future__ import annotations\n\n{names_text(live)}'


def names_text(live: Live) -> str:
    """Imports, values, and definitions in the order in which they need each other."""
    gatherer = live.gatherer
    imports = sorted(gatherer.imports.values(), key=lambda line: (line.startswith("from"), line))
    values = [f"{name} = {text}" for name, text in gatherer.values.items()]
    parts = [
        "\n".join(imports),
        "\n".join(values),
        *(t.strip("\n") for t in gatherer.texts.values()),
    ]
    return "\n\n\n".join(part for part in parts if part) + "\n"


def layers_file(live: Live, about: str) -> str:
    """``layers.py``: each definition with what it is about; the file is read, not run."""
    text = "\n\n".join(layer_texts(live))
    note = "This file is not imported: each definition is compiled in the place of its target."
    return f'"""{about}\n\n{note}\n"""\n\n{text}'


def layer_texts(live: Live) -> list[str]:
    """The definitions, each under a comment that says what it is about."""
    return [
        f"# {number}: {about}\n{text.strip(chr(10))}\n"
        for number, (about, text) in enumerate(live.definitions, 1)
    ]


def changes_text(live: Live) -> str:
    """The table of changes as Python."""
    if not live.changes:
        return "CHANGES = ()\n"
    rows = "\n".join(f"    {_call(change)}," for change in live.changes)
    return f"CHANGES = (\n{rows}\n)\n"


def changes_imports(live: Live, carried: str) -> str:
    """The imports that the table needs.

    Args:
        live: what is live.
        carried: the name of the folder with what is carried, as it is imported.
    """
    lines: dict[str, set[str]] = {}
    for change in live.changes:
        lines.setdefault(home_of(type(change)), set()).add(type(change).__name__)
    return "".join(
        f"from {carried}.{module} import {', '.join(sorted(names))}\n"
        for module, names in sorted(lines.items())
    )


def carried_by(adapter: type[Host], live: Live) -> dict[str, str]:
    """What the extension carries of livepatch, by its path in the package."""
    return carried_files([type(adapter.runtime), *(type(change) for change in live.changes)])


def _extension(name: str, adapter: type[Host], changes: str, definitions: str) -> str:
    """What applies the changes, and its verbs as functions of the module."""
    webui = _call(adapter.runtime)
    return (
        f'EXTENSION = Extension(\n    "{name}",\n    {webui},\n    {changes},\n    _names,\n'
        f"    {definitions},\n    MADE_WITH,\n)\n\n"
        "apply = EXTENSION.apply\nremove = EXTENSION.remove\nswitch = EXTENSION.switch\n"
    )


def _import_of_runtime(adapter: type[Host], carried: str) -> str:
    cls = type(adapter.runtime)
    return f"from {carried}.{home_of(cls)} import {cls.__name__}"


def _call(change: Change | WebuiRuntime) -> str:
    """A change or a webui as the call that makes it, without what is the default."""
    arguments = []
    for field in dataclasses.fields(change):  # type: ignore[arg-type]
        value = getattr(change, field.name)
        default: Any = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if default is dataclasses.MISSING:
            arguments.append(_quoted(value))
        elif value != default:
            arguments.append(f"{field.name}={_quoted(value)}")
    return f"{type(change).__name__}({', '.join(arguments)})"


def _quoted(value: object) -> str:
    return repr(value) if not isinstance(value, str) else _double_quoted(value)


def _double_quoted(text: str) -> str:
    quoted = repr(text)
    if quoted.startswith("'") and '"' not in text:
        return f'"{quoted[1:-1]}"'
    return quoted


def called_by_webui(live: Live) -> list[tuple[str, str, str]]:
    """The functions that the webui is to call: event, its name in the package, and our own name."""
    found = []
    for event, names in live.callbacks.items():
        for number, name in enumerate(names, 1):
            found.append((event, f"on_{event}{f'_{number}' if number > 1 else ''}", name))
    return found


def forwarders(live: Live) -> str:
    """What the webui calls, as functions that do nothing while the extension is off."""
    return "\n\n".join(
        f"def {function}(*args, **kwargs):\n"
        f'    """Called by the webui at {event}."""\n'
        f"    if not EXTENSION.is_on:\n"
        f"        return None\n"
        f'    return EXTENSION.own("{name}")(*args, **kwargs)\n'
        for event, function, name in called_by_webui(live)
    )


def values_text(values: Mapping[str, str | None]) -> str:
    """The versions as a dictionary in Python."""
    rows = "\n".join(f'    "{key}": {_quoted(value)},' for key, value in values.items())
    return f"MADE_WITH = {{\n{rows}\n}}\n"


def init_file(name: str, adapter: type[Host], live: Live, extra: str) -> str:
    """``__init__.py`` of the package: the extension, and what the webui calls."""
    parts = [
        f'"""{name}: changes of a running {adapter.flavor} webui, made with livepatch."""\n\n'
        "from __future__ import annotations\n\n"
        "import sys\nfrom pathlib import Path\n\n"
        f"from .{FOLDER}.extension import Extension\n"
        f"{_import_of_runtime(adapter, f'.{FOLDER}')}\n"
        "from .changes import CHANGES, MADE_WITH\n",
        'def _names():\n    """The extension\'s own functions, loaded when they are needed."""\n'
        "    from . import names\n\n    return vars(names)\n",
        _extension(name, adapter, "CHANGES", '(str(Path(__file__).with_name("layers.py")), None)'),
        extra,
        forwarders(live),
    ]
    return "\n\n".join(part for part in parts if part)


def single_file(
    name: str, package: str, adapter: type[Host], live: Live, *, about: str, extra: str, entry: str
) -> str:
    """Everything in one file: the user's own first, then what is carried, as texts to import."""
    carried = carried_by(adapter, live).items()
    rows = "\n".join(f"    {_double_quoted(p)}: {_literal(t)}," for p, t in carried)
    layers = indented("\n\n".join(layer_texts(live)), 4) if live.definitions else ""
    loader = files("livepatch.exporting") / "templates" / "loader.py.txt"
    table = changes_text(live).removeprefix("CHANGES = ")
    changes = f"{changes_imports(live, f'{package}.{FOLDER}')}\nreturn {table}"
    return "\n\n".join(
        part
        for part in (
            f'"""{about}"""\n\nfrom __future__ import annotations\n\n'
            "import importlib.abc\nimport importlib.machinery\nimport sys\n",
            "def _layers():  # never called: each definition is compiled in its target's place\n"
            f'    """What runs in the place of the webui\'s own code."""\n\n{layers}',
            _names_function(live),
            'def _changes():\n    """What is changed, and what each change was made against."""\n'
            f"{indented(changes, 4)}",
            values_text(made_with(adapter.flavor)),
            extra,
            forwarders(live),
            f'PACKAGE = "{package}"\n\n# What of livepatch makes the changes and takes them back, '
            f"as in a folder export.\nSOURCES = {{\n{rows}\n}}\n",
            loader.read_text(encoding="utf-8").strip("\n") + "\n",
            f"from {package}.{FOLDER}.extension import Extension  # noqa: E402\n"
            f"{_import_of_runtime(adapter, f'{package}.{FOLDER}')}  # noqa: E402\n\n"
            + _extension(name, adapter, "_changes()", '(__file__, "_layers")'),
            entry,
        )
        if part
    )


def _names_function(live: Live) -> str:
    gatherer = live.gatherer
    bound = sorted(
        {
            *(n for n in gatherer.imports if n.isidentifier()),
            *(f"_{n[:-3]}_holder" for n in gatherer.imports if n.endswith(" = ")),
            *gatherer.values,
            *gatherer.texts,
            *(f"_make_{n}" for n, t in gatherer.texts.items() if t.startswith(f"def _make_{n}(")),
            *(n.partition(".")[0] for n in gatherer.imports if "." in n),
        }
    )
    body = indented(names_text(live), 4) if bound else ""
    declared = f"    global {', '.join(bound)}\n\n" if bound else ""
    return (
        'def _names():\n    """The extension\'s own functions, made when they are needed."""\n'
        f"{declared}{body}    return globals()\n"
    )


def _literal(text: str) -> str:
    if "'''" in text or text.endswith(("\\", "'")):
        return repr(text)
    return f"r'''{text}'''"
