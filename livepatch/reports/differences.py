"""What our layers change of a target, as differences of source texts."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from livepatch.engine.changing.registry import registry
from livepatch.engine.layers.function_stacks import is_over_function
from livepatch.engine.layers.override_stacks import stack_of
from livepatch.engine.layers.stacks import is_on
from livepatch.engine.naming.targets import Target, find
from livepatch.engine.reading.sources import source_of
from livepatch.engine.shown import LINES, shown

from .file_patch import file_patch
from .html import CODE, QUIET, TEXT, escape

if TYPE_CHECKING:
    from livepatch.engine.layers.stacks import LayerPlacement, Stack

_COLORS = {
    "+": "var(--jp-success-color1, green)",
    "-": "var(--jp-error-color1, firebrick)",
    "@": QUIET,
}


@dataclass(frozen=True)
class Diff:
    """Differences between source texts, each under a line that says what it is.

    Attributes:
        title: what the whole is about.
        sections: headings and unified differences.
    """

    title: str
    sections: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """The differences alone: of a patch, what ``git apply`` takes."""
        return "\n".join(text.rstrip("\n") for _, text in self.sections if text) + "\n"

    def __str__(self) -> str:
        parts = [shown(self.title)]
        for heading, text in self.sections:
            told = shown(heading), shown(text.rstrip("\n"), keep=LINES)
            parts += [part for part in told if part]
        return "\n".join(parts)

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        html = f'<div style="color:{TEXT}"><strong>{escape(self.title)}</strong></div>'
        for heading, text in self.sections:
            if heading:
                html += f'<div style="color:{QUIET}">{escape(heading)}</div>'
            html += html_diff(text)
        return {"text/plain": str(self), "text/html": html}


def diff(target: str, *, patch: bool = False) -> Diff:
    r"""What the layers of livepatch change of a target.

    Args:
        target: a dotted name.
        patch: as one unified difference against the original file, which ``git apply`` takes:
            ``.text`` of the answer.

    Returns:
        Of each layer, the difference to what it lies on.

    Raises:
        TargetNotFound: no such target.
        PatchRefused: a patch of the file could not stand alone.

    Example:
        >>> import string, livepatch as lp
        >>> layer = lp.replace("string.capwords", "def capwords(s, sep=None):\n    return 1")
        >>> "+    return 1" in str(diff("string.capwords"))
        True
        >>> layer.remove()
    """
    stacks = _stacks(f"diff {target}", target)
    if patch:
        return Diff(f"A patch of {target}", (("", file_patch(target, stacks)),))
    sections = tuple(section for stack in stacks for section in _sections(stack, target))
    title = f"What livepatch changes of {target}"
    return Diff(title if sections else f"{target} runs the webui's own code", sections)


def original_source(target: str) -> str | None:
    """The webui's own source text of a function, whatever layers lie over it.

    Raises:
        TargetNotFound: no such target.
    """
    found = find(f"diff {target}", target)
    if not isinstance(found, Target):
        return None
    return source_of(stack_of(found).model_of(found.function))


def unified(before: str, after: str, label_before: str, label_after: str) -> str:
    """A unified difference of two texts, empty where they are equal.

    Example:
        >>> print(unified("a", "b", "old", "new"))
        --- old
        +++ new
        @@ -1 +1 @@
        -a
        +b
    """
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), label_before, label_after, lineterm=""
    )
    return "\n".join(lines)


def html_diff(text: str) -> str:
    """A unified difference in colours that hold in a light and a dark theme."""
    rows = []
    for line in text.splitlines():
        color = _COLORS.get(line[:1], TEXT)
        rows.append(f'<span style="color:{color}">{escape(line, keep=LINES)}</span>')
    style = f"color:{TEXT};background:transparent;margin:0 0 8px;font-family:{CODE}"
    return f'<pre style="{style}">{chr(10).join(rows)}</pre>' if rows else ""


def _stacks(asked: str, target: str) -> list[Stack]:
    patched = registry.patched.copy().values()
    named = [
        s for s in patched if s.path == target or any(is_on(p.layer, target) for p in s.placements)
    ]
    if named:
        return sorted(named, key=lambda stack: stack.path)
    found = find(asked, target)
    return [stack_of(found)] if isinstance(found, Target) else []


def _original(stack: Stack) -> str | None:
    if is_over_function(stack):
        return source_of(stack.model)
    value = stack.original_state()
    return repr(value) if type(value) in (bool, int, float, str) else None


def _sections(stack: Stack, target: str) -> list[tuple[str, str]]:
    """Each layer's difference to the text below it, lowest first."""
    below = _original(stack)
    label = "the webui's own"
    sections = []
    for placement in stack.placements:
        layer = placement.layer
        text = placement.patch.source
        heading = f"{layer.whose()}, {layer.state}"
        heading += f", on {stack.path}" if stack.path != target else ""
        if layer.verb == "replace" and text is not None:
            sections.append((heading, unified(below or "", text, label, layer.whose())))
            if placement.on:
                below, label = text, layer.whose()
        else:
            sections.append((f"{heading}: {_around(placement)}", text or ""))
    return sections


def _around(placement: LayerPlacement) -> str:
    verb = placement.layer.verb
    if verb == "replace":
        return "its source text is not available"
    if verb == "trace":
        return "records the calls, changes nothing"
    return f"{verb}: around the original, which stays as it is"
