"""The list of extensions that text-generation-webui starts with, in its settings.yaml.

Its extensions run only when they are named: on the command line, or here. The file is the user's,
so its text is changed by one line and otherwise left alone; a YAML library would write all of it
anew, and is not ours to require.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from livepatch.adapters.checkout import SettingsFile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

KEY = "default_extensions"
_BLOCK = re.compile(rf"^{KEY}:[ \t]*(?:#.*)?\n(?P<items>(?:[ \t]*- .*(?:\n|\Z))*)", re.MULTILINE)
_INLINE = re.compile(rf"^{KEY}:[ \t]*\[(?P<items>[^\]]*)\][ \t]*$", re.MULTILINE)


def settings_file(webui: Path) -> Path:
    """Where this webui has its settings: releases before mid-2025 have no ``user_data``."""
    folder = webui / "user_data"
    return (folder if folder.is_dir() else webui) / "settings.yaml"


def with_extension(text: str, name: str) -> str | None:
    r"""The settings with the extension in the list.

    Args:
        text: the settings' text, empty for none.
        name: the extension.

    Returns:
        The new text, the same where it is listed already; None where the list cannot be read.

    Example:
        >>> with_extension("mode: chat\n", "livepatch")
        'mode: chat\ndefault_extensions:\n- livepatch\n'
    """
    if text and not text.endswith("\n"):
        text += "\n"
    if found := _INLINE.search(text):
        items = _names(found["items"].split(","))
        listed = ", ".join([*items, name])
        return text if name in items else _spliced(text, found, f"{KEY}: [{listed}]")
    if found := _BLOCK.search(text):
        lines = found["items"].splitlines()
        if name in _names(line.strip()[2:] for line in lines):
            return text
        indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())] if lines else ""
        end = found.end("items")
        return f"{text[:end]}{indent}- {name}\n{text[end:]}"
    if re.search(rf"^{KEY}\b", text, re.MULTILINE):
        return None
    return f"{text}{KEY}:\n- {name}\n"


def without_extension(text: str, name: str) -> str:
    r"""The settings without the extension in the list; the list itself goes when it is empty.

    Example:
        >>> without_extension("mode: chat\ndefault_extensions:\n- livepatch\n", "livepatch")
        'mode: chat\n'
    """
    if found := _INLINE.search(text):
        items = [item for item in _names(found["items"].split(",")) if item != name]
        return _spliced(text, found, f"{KEY}: [{', '.join(items)}]")
    if found := _BLOCK.search(text):
        lines = found["items"].splitlines(keepends=True)
        kept = [line for line in lines if _names([line.strip()[2:]]) != [name]]
        if lines and not kept:
            return text[: found.start()] + text[found.end() :]
        return text[: found.start("items")] + "".join(kept) + text[found.end("items") :]
    return text


def _names(items: Iterable[str]) -> list[str]:
    stripped = (re.sub(r"\s+#.*", "", item).strip().strip("'\"") for item in items)
    return [item for item in stripped if item]


def _spliced(text: str, found: re.Match[str], new: str) -> str:
    return text[: found.start()] + new + text[found.end() :]


SETTINGS = SettingsFile(
    settings_file,
    with_extension,
    without_extension,
    unreadable=f"its {KEY} cannot be read",
    advice="write it as a list with one '- NAME' a line, with '- {name}' among them",
)
