"""What a user can do to functions: replace, restore, and look at the layers."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from .answers import AnswerLine, answer
from .change import apply
from .errors import TargetNotFound
from .layers import Layer, Placement, Stack, stack_of
from .patches import patch_from_callable, patch_from_text
from .registry import registry
from .running import running_calls
from .targets import Target, dotted_name, find

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .layers import Patch

NOTEBOOK = "notebook"
_NOT_GIVEN: Any = object()


def replace(
    target: object,
    new: object,
    function: object = _NOT_GIVEN,
    *,
    name: str = "replace",
    owner: str | None = None,
) -> Layer:
    """Make every call of a function run other code, whoever holds the function and since when.

    Args:
        target: its dotted name, or the function itself; or, of three arguments, its module or
            class.
        new: the new function, or its source text; of three arguments, the function to replace.
        function: of three arguments, the new function.
        name: tells several layers of one owner on one target apart; the same owner and name again
            replaces that layer.
        owner: whose layer it is; default: the notebook, or the module that calls.

    Returns:
        The layer; ``str(layer)`` is the answer line, ``layer.remove()`` takes it back.

    Raises:
        TargetNotFound: no such target; the nearest names are offered.
        PatchRefused: the change could not take effect, or not be taken back; nothing has changed.
        ForeignChange: someone else changed the function's code since.

    Example:
        >>> import textwrap
        >>> layer = replace("textwrap.dedent", lambda text: "patched")
        >>> textwrap.dedent("  text")
        'patched'
        >>> layer.remove()
        >>> textwrap.dedent("  text")
        'text'
    """
    caller = sys._getframe(1)
    owner = owner or _owner_of(caller.f_globals)
    if function is _NOT_GIVEN:
        asked = f"replace {_shown(target)}"
        found = find(asked, target)
    else:
        asked = f"replace {_shown(target)}.{getattr(new, '__name__', new)}"
        found, new = find(asked, target, new), function
    with registry.lock:
        stack = stack_of(found)
        stack.check_not_foreign(asked)
        patch = make_patch(asked, new, found, stack.base, caller.f_globals)
        return put(found, stack, patch, owner=owner, name=name, verb="replace")


def make_patch(
    asked: str, new: object, target: Target, original: Any, namespace: dict[str, Any]
) -> Patch:
    """The patch that ``replace`` would install, without installing it.

    Args:
        asked: the user's request in words.
        new: a callable or a source text.
        target: the target.
        original: a function with the target's own code.
        namespace: the names of the place where a source text was written.
    """
    if isinstance(new, str):
        return patch_from_text(asked, new, target, original, namespace)
    return patch_from_callable(asked, new, target, original)  # type: ignore[arg-type]


def put(target: Target, stack: Stack, patch: Patch, *, owner: str, name: str, verb: str) -> Layer:
    """Lay a patch over a target: in place of the layer of that owner and name, or on top."""
    layer = stack.layer_of(owner, name)
    again = layer is not None
    if layer is None:
        layer = Layer(stack, target.path, owner, name, verb)
    top = stack.top_code
    begun = time.perf_counter()
    apply(stack.with_placement(Placement(layer, patch), verb))
    milliseconds = (time.perf_counter() - begun) * 1000
    facts = [_what_lies_where(stack, layer), *target.facts, *patch.facts, f"{milliseconds:.2f} ms"]
    done = f"{'replaced again' if again else 'replaced'} {target.path}"
    layer.answer = answer(done, *facts, *_unreached([top]))
    return layer


def restore(target: object, function: object = None, *, name: str | None = None) -> AnswerLine:
    """Take our layers off a function: it is again what it would be without livepatch.

    Args:
        target: its dotted name, or the function itself; or, of two arguments, its module or class.
        function: of two arguments, the function.
        name: only the layers of this name; default: all of them, whoever owns them.

    Returns:
        The answer line.

    Raises:
        TargetNotFound: no such target, or no layer of that name on it.
        ForeignChange: someone else changed the function's code since; nothing was touched.

    Example:
        >>> import textwrap
        >>> restore("textwrap.dedent")
        nothing to restore: textwrap.dedent runs the webui's own code
    """
    asked = f"restore {_shown(target)}"
    with registry.lock:
        stack, path = _stack_named(asked, target, function)
        layers = [p.layer for p in stack.placements if name is None or p.layer.name == name]
        if not layers:
            return _nothing_to_restore(asked, stack, path, name)
        return _remove(stack, path, layers)


def _nothing_to_restore(asked: str, stack: Stack, path: str, name: str | None) -> AnswerLine:
    """The answer to a restore that finds nothing to do; an error where a name was given."""
    if name is None:
        return answer(f"nothing to restore: {path} runs the webui's own code")
    present = ", ".join(repr(p.layer.name) for p in stack.placements)
    raise TargetNotFound(
        f"{asked} --name {name}",
        f"{path} has no layer of that name; its layers are: {present or 'none'}",
        "look at %patches",
    )


def _remove(stack: Stack, path: str, layers: list[Layer]) -> AnswerLine:
    top = stack.top_code
    apply(stack.without(*layers))
    left = len(stack.placements)
    what = f"{left} other layer{'s' * (left != 1)} stay" if left else "the webui's own code again"
    taken = "1 layer" if len(layers) == 1 else f"{len(layers)} layers"
    line = answer(f"restored {path}", what, f"{taken} taken off", *_unreached([top]))
    for layer in layers:
        layer.answer = line
    return line


def restore_all() -> AnswerLine:
    """Take every layer of livepatch off, in one step.

    Returns:
        The answer line.

    Example:
        >>> restore_all()
        nothing to restore: no function is patched
    """
    with registry.lock:
        changes = [
            stack.without(*(placement.layer for placement in stack.placements))
            for stack in registry.patched.values()
        ]
        if not changes:
            return answer("nothing to restore: no function is patched")
        tops = [change.stack.top_code for change in changes]
        apply(*changes)
    paths = ", ".join(change.stack.path for change in changes)
    count = f"{len(changes)} target{'s' * (len(changes) != 1)}"
    return answer(f"restored {count}", paths, *_unreached(tops))


def layers() -> Sequence[Layer]:
    """Every layer of livepatch in this process, by target, lowest first.

    Example:
        >>> layers()
        ()
    """
    with registry.lock:
        stacks = sorted(registry.patched.values(), key=lambda stack: stack.path)
        return tuple(placement.layer for stack in stacks for placement in stack.placements)


def _stack_named(asked: str, target: object, function: object) -> tuple[Stack, str]:
    """The stack that a user means: of a patched target also by the name it was patched under."""
    if function is None and isinstance(target, str):
        for stack in registry.patched.values():
            if target == stack.path or any(p.layer.target == target for p in stack.placements):
                return stack, target
    found = find(asked, target, function)
    return stack_of(found), found.path


def _what_lies_where(stack: Stack, layer: Layer) -> str:
    below = "the webui's code"
    for placement in stack.placements:
        if placement.layer is layer:
            break
        if placement.on:
            below = f"{_whose(placement.layer)} {placement.layer.name!r}"
    above = [p.layer for p in stack.placements if p.on][-1]
    covered = "" if above is layer else f", covered by {_whose(above)} {above.name!r}"
    return f"{_whose(layer)} layer on {below}{covered}"


def _whose(layer: Layer) -> str:
    return f"{layer.owner}'s"


def _unreached(codes: list[Any]) -> list[str]:
    running = running_calls(codes)
    if not running:
        return []
    return [f"{running} running call{'s finish' if running > 1 else ' finishes'} on the old code"]


def _owner_of(namespace: dict[str, Any]) -> str:
    module = str(namespace.get("__name__", "unknown"))
    return NOTEBOOK if module in registry.notebook_modules else module


def _shown(target: object) -> str:
    if isinstance(target, str):
        return target
    name = getattr(target, "__name__", None)
    return name if isinstance(target, type(sys)) and name else dotted_name(target)
