"""What a user can do: replace, wrap, restore, and look at the layers."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Any

from .answers import AnswerLine, answer, counted
from .changing.change import apply, apply_each, left_over
from .changing.changed import layers_of_changed, ways_back
from .changing.events import remarks
from .changing.registry import registry
from .errors import PatchRefused, TargetNotFound
from .layers.function_stacks import is_over_function
from .layers.installing import Wanted, install, running_facts
from .layers.override_stacks import stack_of
from .layers.owners import owner_of
from .layers.value_stacks import value_stack_of
from .naming.targets import AnyTarget, ClassTarget, ValueTarget, find, in_words

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from .changing.change import Change
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

    A function is taken as it is now; what becomes of it later does not show through. Where it holds
    the target (in a closure, a default value, a partial, a global imported from there) that means
    the webui's own code. What it looks up as it runs (its own name, ``mod.function``) means the new
    code: that is how a function calls itself. Where no condition stands before such a call it would
    never end, and is refused.

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
        PatchRefused: the change could not take effect, or not be taken back, or the new code holds
            the target where others look as well (a list, an object); nothing has changed.
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
    return install(asked, found, given, wanted)


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
    path, stacks, about = _stacks_meant(asked, target, function)
    on_it = [
        (stack, p.layer)
        for stack in stacks
        for p in stack.placements
        if about is None or p.layer.about is about
    ]
    wanted = [(stack, layer) for stack, layer in on_it if name in (None, layer.name)]
    waiting = [
        pending.layer
        for pending in registry.pending.values()
        if name in (None, pending.layer.name)
        and (pending.layer.about is about if about else not set(pending.stacks).isdisjoint(stacks))
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
    what = (
        counted(left, "other layer stays", "other layers stay")
        if left
        else "the webui's own code again"
    )
    layers = {id(layer): layer for _, layer in wanted}.values()
    line = answer(f"restored {path}", what, f"{counted(len(layers), 'layer')} removed", *unreached)
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
        PatchRefused: a place does not take back what stood there; all others are restored.

    Example:
        >>> restore_all()
        nothing to restore: nothing is patched
    """
    with registry.lock:
        return _restore_all()


def _restore_all() -> AnswerLine:
    for layer in [*registry.pending]:
        layer.remove()
    changes: dict[str, Change] = {}
    codes = []
    for stack in [*registry.patched.values()]:
        ours = [p.layer for p in stack.placements if p.layer.owner not in registry.kept_owners]
        if ours:
            changes[_unused(stack.path, changes)] = stack.without(*ours)
            codes += _codes_of([stack])
    unreached = running_facts(codes)
    others, refused = ways_back()
    changes.update((_unused(path, changes), change) for path, change in others.items())
    stuck = apply_each(*changes.values())
    if stuck or refused:
        raise left_over("restore everything", [*stuck, *refused])
    if not changes:
        return answer("nothing to restore: nothing is patched")
    told = [_taken_back(path, change) for path, change in changes.items()]
    facts = [*unreached, *remarks(list(changes.values()))]
    return answer(f"restored {counted(len(changes), 'target')}", ", ".join(told), *facts)


def _taken_back(path: str, change: Change) -> str:
    """What was restored, in words: of an extension that came or went, which of them it was."""
    verb = change.describe().verb
    return f"{verb}ed {path}" if verb in ("load", "unload") else path


def _unused(path: str, taken: Container[str]) -> str:
    """A name of its own for each of several things that go by one."""
    numbered = (f"{path} ({number})" for number in itertools.count(2))
    return path if path not in taken else next(name for name in numbered if name not in taken)


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


def _stacks_meant(
    asked: str, target: object, function: object
) -> tuple[str, list[Stack], type | None]:
    """The path of a target, the stacks that are to be restored, and the class that is meant.

    A patched target is found by the name it was patched under too; after a reload of its module
    the name may lead elsewhere.
    """
    if function is None and isinstance(target, str):
        named = _stacks_named(target)
        if named:
            return target, named, None
        try:
            found = find(asked, target)
        except TargetNotFound:
            labelled = _stacks_labelled(asked, target)
            if not labelled:
                raise
            return target, labelled, None
    else:
        found = find(asked, target, function)
    if isinstance(found, ClassTarget):
        return found.path, [*registry.patched.values()], found.cls
    if isinstance(found, ValueTarget):
        return found.path, [value_stack_of(found.path, found.slot)], None
    return found.path, [stack_of(found)], None


def _stacks_named(path: str) -> list[Stack]:
    """The stacks with a layer on them, or one that waits, whose name this was."""
    waiting = [stack for pending in registry.pending.values() for stack in pending.stacks]
    found = [
        stack
        for stack in (*registry.patched.values(), *waiting)
        if (stack.path == path and stack.is_named)
        or any(p.layer.target == path and p.layer.is_named for p in stack.placements)
    ]
    return list(dict.fromkeys(found))


def _stacks_labelled(asked: str, label: str) -> list[Stack]:
    """The stack of the function that goes by a label, which leads nowhere."""
    waiting = [stack for pending in registry.pending.values() for stack in pending.stacks]
    found = {s: None for s in (*registry.patched.values(), *waiting) if s.path == label}
    if len(found) > 1:
        raise PatchRefused(
            asked,
            f"{len(found)} patched functions have that name, and it leads to none of them",
            "give the function itself, or remove one layer: lp.patches()[0].remove()",
        )
    return list(found)


def _codes_of(stacks: Iterable[Stack]) -> list[Any]:
    return [c for stack in stacks if is_over_function(stack) for c in stack.top_codes]
