"""What a change was made against: the source of the original, told by its hash."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import livepatch.engine as engine_package
from livepatch.engine.changing.registry import registry
from livepatch.engine.layers.function_stacks import original_function
from livepatch.engine.naming.targets import ClassTarget, Target
from livepatch.engine.reading.sources import source_of

from .changes import Skipped

if TYPE_CHECKING:
    from livepatch.engine.naming.targets import AnyTarget

    from .changes import ApplyContext

_FILE = getattr(engine_package, "__file__", None)  # none in a single file
_ENGINE = str(Path(_FILE).parent) if _FILE else f"<{engine_package.__name__}"
_SIMPLE = (bool, int, float, str, bytes, type(None))


def original_source(target: AnyTarget) -> str | None:
    """The source text of what a target is without any layers; None where there is none.

    Of a plain value it is what ``repr`` says, where it is simple.
    """
    if isinstance(target, Target):
        model = target.override.model if target.override else original_function(target.function)
        if model.__code__.co_filename.startswith(_ENGINE):
            return None  # it stands for something that is not written in Python
        return source_of(model.__code__)
    if isinstance(target, ClassTarget):
        return source_of(target.cls)
    stack: Any = registry.stacks.get(target.slot.key)
    value = stack.original if stack is not None and stack.placements else target.slot.read()
    return repr(value) if isinstance(value, _SIMPLE) else None


def digest(source: str) -> str:
    r"""The hash of a source text, whatever ends its lines.

    Example:
        >>> digest("x = 1\r\n") == digest("x = 1")
        True
    """
    lines = "\n".join(line.rstrip() for line in source.strip().splitlines())
    return hashlib.sha256(lines.encode(errors="surrogatepass")).hexdigest()[:16]


def check_original(
    target: str, original: str | None, source: str | None, context: ApplyContext
) -> None:
    """Look whether a target is what a change was made against.

    Args:
        target: its name.
        original: the hash of what it was then; None where that had no source.
        source: what it is now.
        context: tells the versions of then and now.

    Raises:
        Skipped: it is something else by now.
    """
    if original is None or source is None or digest(source) == original:
        return
    then, now = context.made_with.get("version"), context.webui.version()
    raise Skipped(
        f"{target} is not what it was: made against {_version(then)} "
        f"(source {original}), this is {_version(now)} (source {digest(source)})"
    )


def _version(version: str | None) -> str:
    return f"version {version}" if version else "a version that says nothing of itself"
