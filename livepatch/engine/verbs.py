"""What a user can do: replace, wrap, restore, and look at the layers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .answers import AnswerLine, answer
from .changing.change import apply
from .changing.changed import layers_of_changed, ways_back
from .changing.registry import registry
from .errors import TargetNotFound, is_refusal
from .layers.function_stacks import is_over_function, stack_of
from .layers.laying import Wanted, lay, running_facts
from .layers.owners import owner_of
from .layers.value_stacks import value_stack_of
from .naming.targets import AnyTarget, ClassTarget, Target, ValueTarget, find, in_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .layers.pending import When
    from .layers.stacks import Layer, Stack

_NOT_GIVEN: Any = object()


def replace(
    target: object,
    new: object,
    function: object = _NOT_GIVEN,
    *,
    name: str = "replace",
    owner: str | None = None,
    guard: bool | int = False,
    when: When = "now",
) -> Layer:
    """Make every call of a function run other code, whoever holds the function and since when.

    Args:
        target: its dotted name, or the function itself, or a method of one instance (then only that
            instance changes); a class, or a plain value such as ``"mod.D['key']"``; or, of three
            arguments, its module or class.
        new: the new function, its source text, the new class or value; of three arguments, the
            function to replace.
        function: of three arguments, the new function.
        name: tells several layers of one owner on one target apart; the same owner and name again
            replaces that layer.
        owner: whose layer it is; default: the notebook, or the module that calls.
        guard: when the new code raises, record it and go on with the layer below; after 3 failures,
            or as many as given, the layer is switched off.
        when: ``"now"``; ``"idle"`` waits until no call is inside the target.

    Returns:
        The layer; ``str(layer)`` is the answer line, ``layer.remove()`` takes it back.

    Raises:
        TargetNotFound: no such target; the nearest names are offered.
        PatchRefused: the change could not take effect, or not be taken back; nothing has changed.
        ForeignChange: someone else changed the target since.

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
    asked, found, given = three_arguments("replace", target, new, function)
    wanted = Wanted("replace", name, owner or owner_of(namespace), namespace, guard, when)
    return lay(asked, found, given, wanted)


def restore(target: object, function: object = None, *, name: str | None = None) -> AnswerLine:
    """Take our layers off a target: it is again what it would be without livepatch.

    Args:
        target: its dotted name, or the function itself; or, of two arguments, its module or class.
        function: of two arguments, the function.
        name: only the layers of this name; default: all of them, whoever owns them.

    Returns:
        The answer line.

    Raises:
        TargetNotFound: no such target, or no layer of that name on it.
        ForeignChange: someone else changed the target since; nothing was touched.

    Example:
        >>> import textwrap
        >>> restore("textwrap.dedent")
        nothing to restore: textwrap.dedent runs the webui's own code
    """
    asked = f"restore {in_words(target)}"
    with registry.lock:
        return _restore(asked, target, function, name)


def _restore(asked: str, target: object, function: object, name: str | None) -> AnswerLine:
    path, on_it = _layers_on(asked, target, function)
    wanted = [(stack, layer) for stack, layer in on_it if name in (None, layer.name)]
    waiting = [
        layer for layer in registry.pending if layer.target == path and name in (None, layer.name)
    ]
    for layer in waiting:
        layer.remove()
    if wanted:
        return _remove(path, wanted, len(on_it) - len(wanted))
    if waiting:
        return answer(f"cancelled {path}", "nothing was changed")
    if name is None:
        return answer(f"nothing to restore: {path} runs the webui's own code")
    present = ", ".join(repr(layer.name) for _, layer in on_it)
    raise TargetNotFound(
        f"{asked} --name {name}",
        f"{path} has no layer of that name; its layers are: {present or 'none'}",
        "look at %patches",
    )


def _remove(path: str, wanted: list[tuple[Stack, Layer]], left: int) -> AnswerLine:
    by_stack: dict[int, tuple[Stack, list[Layer]]] = {}
    for stack, layer in wanted:
        by_stack.setdefault(id(stack), (stack, []))[1].append(layer)
    unreached = running_facts(_codes_of(stack for stack, _ in by_stack.values()))
    apply(*(stack.without(*layers) for stack, layers in by_stack.values()))
    what = f"{left} other layer{'s' * (left != 1)} stay" if left else "the webui's own code again"
    layers = {id(layer): layer for _, layer in wanted}.values()
    taken = "1 layer" if len(layers) == 1 else f"{len(layers)} layers"
    line = answer(f"restored {path}", what, f"{taken} taken off", *unreached)
    for layer in layers:
        layer.answer = line
    return line


def restore_all() -> AnswerLine:
    """Take every layer of livepatch off, in one step.

    Only the layers of exported extensions that the webui loaded stay: they belong to themselves.

    Returns:
        The answer line.

    Raises:
        ForeignChange: someone else changed a target since; all others are restored.

    Example:
        >>> restore_all()
        nothing to restore: nothing is patched
    """
    with registry.lock:
        return _restore_all()


def _restore_all() -> AnswerLine:
    refused: list[Exception] = []
    for layer in [*registry.pending]:
        layer.remove()
    changes = []
    for stack in [*registry.patched.values()]:
        ours = [p.layer for p in stack.placements if p.layer.owner not in registry.kept_owners]
        if not ours:
            continue
        try:
            stack.check_not_foreign(f"restore {stack.path}")
        except Exception as error:
            if not is_refusal(error):
                raise
            refused.append(error)
        else:
            changes.append(stack.without(*ours))
    unreached = running_facts(_codes_of(change.stack for change in changes))
    others, refusals = ways_back()
    refused += refusals
    if changes or others:
        apply(*changes, *others.values())
    if refused:
        raise refused[0]  # the others are restored
    if not changes and not others:
        return answer("nothing to restore: nothing is patched")
    restored = [*(change.stack.path for change in changes), *others]
    paths = ", ".join(restored)
    count = f"{len(restored)} target{'s' * (len(restored) != 1)}"
    return answer(f"restored {count}", paths, *unreached)


def live_layers() -> Sequence[Layer]:
    """Every layer of livepatch in this process, by target, lowest first; what waits comes last.

    Example:
        >>> live_layers()
        ()
    """
    with registry.lock:
        stacks = sorted(registry.patched.values(), key=lambda stack: stack.path)
        placed = [placement.layer for stack in stacks for placement in stack.placements]
        return tuple(dict.fromkeys([*placed, *registry.pending, *layers_of_changed()]))


def three_arguments(
    verb: str, target: object, new: object, function: object
) -> tuple[str, AnyTarget, object]:
    """The request in words, the target and the new code, of two arguments or of three."""
    if function is _NOT_GIVEN:
        asked = f"{verb} {in_words(target)}"
        return asked, find(asked, target), new
    asked = f"{verb} {in_words(target)}.{getattr(new, '__name__', new)}"
    return asked, find(asked, target, new), function


def _layers_on(
    asked: str, target: object, function: object
) -> tuple[str, list[tuple[Stack, Layer]]]:
    """The path of a target, and every layer on it with the stack that it is to be taken off.

    A patched target is found by the name it was patched under too; after a reload of its module
    the name may lead elsewhere.
    """
    if function is None and isinstance(target, str):
        named = [
            (stack, p.layer)
            for stack in registry.patched.values()
            for p in stack.placements
            if target in (stack.path, p.layer.target)
        ]
        if named or any(layer.target == target for layer in registry.pending):
            return target, named
    found = find(asked, target, function)
    if isinstance(found, ClassTarget):
        stacks = [*registry.patched.values()]
        return found.path, [
            (s, p.layer) for s in stacks for p in s.placements if p.layer.about is found.cls
        ]
    stack = _stack(found)
    return found.path, [(stack, p.layer) for p in stack.placements]


def _stack(target: Target | ValueTarget) -> Stack:
    if isinstance(target, ValueTarget):
        return value_stack_of(target.path, target.slot)
    return stack_of(target)


def _codes_of(stacks: Iterable[Stack]) -> list[Any]:
    return [c for stack in stacks if is_over_function(stack) for c in stack.top_codes]
