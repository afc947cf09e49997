"""What a user can do to functions: replace, restore, and look at the layers."""

from __future__ import annotations

import sys
import time
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .answers import AnswerLine, answer
from .change import apply
from .changed import layers_of_changed, ways_back
from .errors import LivepatchError, TargetNotFound
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
    namespace = sys._getframe(1).f_globals
    if function is _NOT_GIVEN:
        asked = f"replace {_shown(target)}"
        found = find(asked, target)
    else:
        asked = f"replace {_shown(target)}.{getattr(new, '__name__', new)}"
        found, new = find(asked, target, new), function
    return replace_found(
        asked, found, new, namespace, owner=owner or _owner_of(namespace), name=name
    )


def replace_found(
    asked: str,
    target: Target,
    new: object,
    namespace: dict[str, Any],
    *,
    owner: str,
    name: str,
) -> Layer:
    """Replace a target that was found, as ``replace`` does.

    Args:
        asked: the user's request in words.
        target: the target.
        new: a callable or a source text.
        namespace: the names of the place where a source text was written.
        owner: whose layer it is.
        name: the layer's name.
    """
    # Outside the lock: making a patch runs the imports of a text, and whoever waits for one of
    # them may wait for the lock.
    patch = make_patch(asked, new, target, namespace)
    with registry.lock:
        stack = stack_of(target)
        stack.check_not_foreign(asked)
        return _put(target, stack, patch, owner=owner, name=name, verb="replace")


def make_patch(
    asked: str, new: object, target: Target, namespace: dict[str, Any], *, dry_run: bool = False
) -> Patch:
    """The patch that ``replace`` would install, without installing it.

    Args:
        asked: the user's request in words.
        new: a callable or a source text.
        target: the target.
        namespace: the names of the place where a source text was written.
        dry_run: do not even run the imports of a text.
    """
    with registry.lock:
        stack = stack_of(target)
        stack.check_not_foreign(asked)
        original = stack.base
    if isinstance(new, str):
        return patch_from_text(asked, new, target, original, namespace, dry_run=dry_run)
    return patch_from_callable(asked, new, target, original)  # type: ignore[arg-type]


def _put(target: Target, stack: Stack, patch: Patch, *, owner: str, name: str, verb: str) -> Layer:
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
        stacks, path = _stacks_named(asked, target, function)
        placed = [p.layer for stack in stacks for p in stack.placements]
        layers = [layer for layer in placed if name in (None, layer.name)]
        if layers:
            return _remove(path, layers, len(placed) - len(layers))
    if name is None:
        return answer(f"nothing to restore: {path} runs the webui's own code")
    present = ", ".join(repr(layer.name) for layer in placed)
    raise TargetNotFound(
        f"{asked} --name {name}",
        f"{path} has no layer of that name; its layers are: {present or 'none'}",
        "look at %patches",
    )


def _remove(path: str, layers: list[Layer], left: int) -> AnswerLine:
    stacks = {id(layer.stack): layer.stack for layer in layers}.values()
    tops = [stack.top_code for stack in stacks]
    apply(*(stack.without(*layers) for stack in stacks))
    what = f"{left} other layer{'s' * (left != 1)} stay" if left else "the webui's own code again"
    taken = "1 layer" if len(layers) == 1 else f"{len(layers)} layers"
    line = answer(f"restored {path}", what, f"{taken} taken off", *_unreached(tops))
    for layer in layers:
        layer.answer = line
    return line


def restore_all() -> AnswerLine:
    """Take every layer of livepatch off, in one step.

    Returns:
        The answer line.

    Raises:
        ForeignChange: someone else changed a target's code since; all others are restored.

    Example:
        >>> restore_all()
        nothing to restore: no function is patched
    """
    refused: list[LivepatchError] = []
    with registry.lock:
        changes = []
        for stack in [stack for stack in registry.patched.values() if stack.placements]:
            try:
                stack.check_not_foreign(f"restore {stack.path}")
            except LivepatchError as error:
                refused.append(error)
            else:
                changes.append(stack.without(*(p.layer for p in stack.placements)))
        tops = [change.stack.top_code for change in changes]
        others, refusals = ways_back()
        refused += refusals
        if changes or others:
            apply(*changes, *others.values())
    if refused:
        raise refused[0]  # the others are restored
    if not changes and not others:
        return answer("nothing to restore: no function is patched")
    restored = [*(change.stack.path for change in changes), *others]
    paths = ", ".join(restored)
    count = f"{len(restored)} target{'s' * (len(restored) != 1)}"
    return answer(f"restored {count}", paths, *_unreached(tops))


def layers() -> Sequence[Layer]:
    """Every layer of livepatch in this process, by target, lowest first.

    Example:
        >>> layers()
        ()
    """
    with registry.lock:
        stacks = sorted(registry.patched.values(), key=lambda stack: stack.path)
        functions = [placement.layer for stack in stacks for placement in stack.placements]
        return (*functions, *layers_of_changed())


def _stacks_named(asked: str, target: object, function: object) -> tuple[list[Stack], str]:
    """The stacks that a user means.

    A patched target is found by the name it was patched under too; after a reload of its module
    there can be two of one name.
    """
    if function is None and isinstance(target, str):
        named = [
            stack
            for stack in registry.patched.values()
            if target in {stack.path, *(p.layer.target for p in stack.placements)}
        ]
        if named:
            return named, target
    found = find(asked, target, function)
    return [stack_of(found)], found.path


def _what_lies_where(stack: Stack, layer: Layer) -> str:
    below = "the webui's code"
    for placement in stack.placements:
        if placement.layer is layer:
            break
        if placement.on:
            below = placement.layer.whose()
    above = [p.layer for p in stack.placements if p.on][-1]
    covered = "" if above is layer else f", covered by {above.whose()}"
    return f"{layer.owner}'s layer on {below}{covered}"


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
    if isinstance(target, ModuleType):
        return target.__name__
    return dotted_name(target) if callable(target) else repr(target)
