"""Puts a layer on a target: finds the changes that this takes, makes them, and answers."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from ..answers import DONE, answer, counted
from ..changing.change import apply
from ..changing.events import remarks
from ..changing.registry import registry
from ..errors import PatchRefused
from ..naming.lookup import what_is
from ..naming.targets import ClassTarget, Target, ValueTarget
from ..reading.lazy import lazy_source
from ..reading.sources import place, source_of
from ..switching.frames import running_calls
from ..switching.kinds import kind_of
from ..switching.state import clone
from ..writing.class_text import ClassText
from ..writing.endless import refuse_endless
from ..writing.graft import Graft
from ..writing.new_code import below_it, code_from_callable, code_from_text
from .classes import body_of_class, merge, originals_of, refuse_instrumentation
from .function_stacks import as_it_is, is_over_function, original_function
from .guard import DEFAULT_FAILURES, Guard, guarded
from .override_stacks import stack_of
from .patch import Patch
from .pending import Pending, forget, wait_for_idle
from .stacks import Layer, LayerPlacement, Part
from .value_stacks import value_stack_of
from .wrappers import check_wrapper, wrapper_from

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..naming.targets import AnyTarget
    from .pending import When
    from .stacks import Restack, Stack

_order = itertools.count(1)


class Wanted(NamedTuple):
    """How a layer shall lie on its target.

    Attributes:
        verb: ``"replace"``, ``"wrap"``, ``"before"`` …
        name: tells several layers of one owner on one target apart.
        owner: whose layer it is.
        namespace: the names of the place where a source text was written.
        guard: whether failures fall back, and after how many of them the layer is switched off.
        when: ``"now"`` or ``"idle"``.
    """

    verb: str
    name: str
    owner: str
    namespace: dict[str, Any]
    guard: bool | int = False
    when: When = "now"


def install(asked: str, target: AnyTarget, new: object, wanted: Wanted) -> Layer:
    """Lay new code over a target: in place of the layer of the same identity, or on top.

    Args:
        asked: the user's request in words.
        target: the target.
        new: a callable, a source text, a class or a value.
        wanted: how.

    Raises:
        PatchRefused: the change could not take effect; nothing has changed.
        ForeignChange: someone else changed the target since; nothing was touched.
    """
    if wanted.when not in ("now", "idle"):
        raise PatchRefused(asked, f"when={wanted.when!r} is unknown", 'when="now" or when="idle"')
    _check_guard(asked, wanted.guard)
    # Outside the lock: making a patch runs the imports of a text, and whoever waits for one of
    # them may wait for the lock.
    parts, order = make_parts(asked, target, new, wanted), next(_order)
    for part in parts:
        patch = part.patch
        patch.given, patch.namespace, patch.order = new, wanted.namespace, order
    about = target.cls if isinstance(target, ClassTarget) else None
    with registry.lock:
        layer = _layer_of(target, about, wanted, [part.stack for part in parts])
        _tell_guards(layer, parts)
        make = partial(_changes, layer, parts, wanted.verb, getattr(target, "caches", ()))
        if wanted.when == "idle":
            _wait(asked, layer, parts, make)
            return layer
        before = [code for part in parts for code in _top_codes(part.stack)]
        begun = time.perf_counter()
        changes = make()
        apply(*changes)
        layer.verb = wanted.verb
        forget(layer)
        milliseconds = (time.perf_counter() - begun) * 1000
        done = f"{DONE[wanted.verb]} {target.path}{_again(layer, changes)}"
        facts = [*_facts(target, layer, parts), *remarks(changes)]
        layer.answer = answer(done, *facts, f"{milliseconds:.2f} ms", *running_facts(before))
    return layer


def _again(layer: Layer, changes: Sequence[Restack]) -> str:
    was_there = any(p.layer is layer for change in changes for p in change.before)
    return " again" if was_there else ""


def _check_guard(asked: str, guard: object) -> None:
    if not isinstance(guard, int) or guard < 0:
        raise PatchRefused(
            asked,
            f"guard={guard!r} is not a number of failures",
            f"give guard=True ({DEFAULT_FAILURES} failures) or a number of at least 1",
        )


def make_parts(
    asked: str, target: AnyTarget, new: object, wanted: Wanted, *, dry_run: bool = False
) -> list[Part]:
    """What has to change, each patch with the stack that it goes on.

    Args:
        asked: the user's request in words.
        target: the target.
        new: a callable, a source text, a class or a value.
        wanted: how.
        dry_run: do not even run the imports of a text; the patches cannot be installed.
    """
    if isinstance(target, ValueTarget):
        return [_value_part(asked, target, new, wanted)]
    if isinstance(target, ClassTarget):
        if wanted.verb != "replace" or wanted.guard:
            raise PatchRefused(
                asked,
                f"{target.path} is a class ({place(target.cls)})",
                f"name one of its methods: {target.path}.method",
            )
        return _class_parts(asked, target, new, wanted)
    with registry.lock:
        stack = stack_of(target)
        if stack.placements:  # of one without, whatever it runs now is the webui's own
            stack.check(asked, lambda: True)
        model = stack.model_of(target.function)
    patch = _patch(asked, target, model, new, wanted, dry_run=dry_run)
    return [Part(stack, _guarded(patch, model, wanted), target.function)]


def patch_without_effect(asked: str, target: AnyTarget, new: object, wanted: Wanted) -> Patch:
    """What ``lay`` would put there, for its text and its facts; nothing is run or changed."""
    if isinstance(target, ClassTarget) and isinstance(new, str):
        text = _class_text(asked, target, new, wanted)
        return Patch(None, new, text.facts)
    return make_parts(asked, target, new, wanted, dry_run=True)[0].patch


def _class_parts(asked: str, target: ClassTarget, new: Any, wanted: Wanted) -> list[Part]:
    text: Any = partial(source_of, new)
    facts: list[str] = []
    stays: list[str] = []
    if isinstance(new, str):
        text = new.strip("\n")
        written = _class_text(asked, target, new, wanted)
        body, stays = written.build(), written.stays
        facts += written.facts
    else:
        body = body_of_class(asked, target, new)
    merged = merge(asked, target, body)
    stays = [*dict.fromkeys([*stays, *merged.stays])]
    if not merged.parts:
        raise PatchRefused(
            asked,
            f"nothing in the new class differs from {target.path} ({place(target.cls)})"
            + (f"; the values of {_some(stays)} stay as they are" if stays else ""),
            "change a method of it and run the cell again",
        )
    if stays:
        facts.append(f"keeps the values of {_some(stays)}")
    if merged.lacking:
        facts.append(f"stays, though the new class lacks it: {_some(merged.lacking)}")
    return [
        Part(stack, replace(patch, text=text, facts=(*facts, *patch.facts)), function)
        for stack, patch, function in merged.parts
    ]


def _class_text(asked: str, target: ClassTarget, text: str, wanted: Wanted) -> ClassText:
    return ClassText(
        asked,
        text,
        target.path,
        target.cls,
        wanted.namespace,
        original_function,
        originals_of(target),
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _patch(
    asked: str, target: Target, model: Any, new: Any, wanted: Wanted, *, dry_run: bool
) -> Patch:
    if wanted.verb == "replace":
        refuse_instrumentation(asked, target.path, target.function)
        if isinstance(new, str):
            written = code_from_text(asked, new, target, model, wanted.namespace, dry_run=dry_run)
        else:
            written = code_from_callable(asked, _taken(asked, new, target), target, model)
        return Patch(*written)
    text: Any
    facts: tuple[str, ...] = ()
    graft: Graft | None = None
    if isinstance(new, str):
        graft = Graft(asked, new, target, model, wanted.namespace)
        check_wrapper(asked, wanted.verb, graft.code, target, model)
        new = model if dry_run else graft.build()
        text, facts = graft.source.strip("\n"), graft.facts
    elif callable(new):
        text = partial(source_of, new)
        new = below_it(asked, as_it_is(new, target.function), target, model)
    else:
        found = f"{what_is(new)} cannot be called"
        raise PatchRefused(asked, found, "give a function or its source text")
    wrapper = new
    if graft is None or not dry_run:
        if isinstance(new, FunctionType):
            refuse_endless(asked, new, target, is_method=False)
        wrapper = wrapper_from(asked, wanted.verb, new, target, model)
    return Patch(wrapper, text, facts, clone(model), describes=False)


_KINDS: dict[type | None, str] = {
    staticmethod: "static method",
    classmethod: "class method",
    None: "method",
}


def _taken(asked: str, new: Any, target: Target) -> Any:
    """A callable as it is at this moment, below the static or class method that it may come as."""
    if isinstance(new, (staticmethod, classmethod)):
        given = staticmethod if isinstance(new, staticmethod) else classmethod
        in_class = target.owner_class is not None
        if given is not target.kind and (in_class or given is classmethod):
            is_what = f"a {_KINDS[target.kind]}" if in_class else "a function"
            raise PatchRefused(
                asked,
                f"{target.path} is {is_what}, the new code is a {_KINDS[given]}: it would be "
                "called with different arguments",
                f"give a function with the parameters that {target.path} has",
            )
        new = new.__func__
    if new is target.function:
        raise PatchRefused(
            asked,
            f"the new code is the target itself ({place(new)})",
            "give another function; restore takes a change back",
        )
    return as_it_is(new, target.function)


def _guarded(patch: Patch, model: Any, wanted: Wanted) -> Patch:
    if not wanted.guard:
        return patch
    guard = Guard(DEFAULT_FAILURES if wanted.guard is True else wanted.guard)
    function = guarded(patch.function, guard, model.__code__, wraps=patch.handle is not None)
    handle = patch.handle or clone(model)
    facts = (*patch.facts, f"guarded: switched off after {counted(guard.limit, 'failure')}")
    return Patch(function, lambda: patch.source, facts, handle, False, guard)


def _value_part(asked: str, target: ValueTarget, new: object, wanted: Wanted) -> Part:
    old = target.slot.read()
    is_definition = isinstance(new, str) and new.lstrip().startswith(("def ", "async def ", "@"))
    if wanted.verb != "replace" or wanted.guard or (is_definition and not isinstance(old, str)):
        raise PatchRefused(
            asked,
            f"{target.path} is {what_is(old)}, not a function",
            f"lp.replace({target.path!r}, value) assigns another value",
        )
    facts: tuple[str, ...] = (target.slot.what_stays,)
    if lazy_source(old) is not None:
        facts = (f"was {what_is(old)}", *facts)
    elif type(new) is not type(old):
        facts = (f"was of type {type(old).__name__}, is {type(new).__name__}", *facts)
    return Part(value_stack_of(target.path, target.slot), Patch(new, lambda: _text(new), facts))


def _text(value: object) -> str | None:
    """A value as source text, where it is simple: what it holds may be a secret or a model."""
    return repr(value) if isinstance(value, (bool, int, float, str, type(None))) else None


def _layer_of(target: AnyTarget, about: type | None, wanted: Wanted, stacks: list[Stack]) -> Layer:
    """The layer of that identity, waiting or placed, or a new one."""
    for pending in registry.pending.values():
        layer: Layer = pending.layer
        same = (layer.about, layer.owner, layer.name) == (about, wanted.owner, wanted.name)
        if same and (about is not None or not set(pending.stacks).isdisjoint(stacks)):
            return layer
    holders = stacks if about is None else list(registry.patched.values())
    for stack in holders:
        found = stack.layer_of(about, wanted.owner, wanted.name)
        if found is not None:
            return found
    is_named = about is not None or stacks[0].is_named
    return Layer(about, target.path, wanted.owner, wanted.name, wanted.verb, is_named=is_named)


def _tell_guards(layer: Layer, parts: list[Part]) -> None:
    for part in parts:
        if part.patch.guard is not None:
            part.patch.guard.layer = layer


def _changes(
    layer: Layer, parts: list[Part], verb: str, caches: Sequence[Callable[[], None]]
) -> list[Restack]:
    """The changes that put a layer there, and take it off where it has no part any more."""
    now = [part.stack for part in parts]
    left = [stack for stack in layer.stacks if stack not in now]
    for stack in filter(is_over_function, now if caches else ()):
        stack.add_caches(caches)
    changes = [
        stack.with_placement(LayerPlacement(layer, patch), verb, function)
        for stack, patch, function in parts
    ]
    return changes + [stack.without(layer) for stack in left]


def _wait(asked: str, layer: Layer, parts: list[Part], make: Any) -> None:
    wait_for_idle(asked, Pending(layer, [part.stack for part in parts], make))
    layer.answer = answer(
        f"pending {layer.target}",
        "waits until no call is inside it",
        "layer.on() applies it now, layer.remove() cancels it",
    )


def _facts(target: AnyTarget, layer: Layer, parts: list[Part]) -> list[str]:
    lies = _what_lies_where(parts[0].stack, layer)
    if isinstance(target, ClassTarget):
        names = [part.stack.path.removeprefix(f"{target.path}.") for part in parts]
        told = dict.fromkeys(fact for part in parts for fact in part.patch.facts)
        return [lies, f"changed: {', '.join(names)}", *told]
    facts = [*getattr(target, "facts", ()), *parts[0].patch.facts, *_what_may_last(parts[0].stack)]
    return [lies, *filter(None, facts)]


def _what_may_last(stack: Stack) -> list[str]:
    """What keeps the old code or an old result, and cannot be counted."""
    if not is_over_function(stack):
        return []
    # Layers leave the kind as it is.
    function = stack.function if stack.override is None else stack.override.model
    suspends = kind_of(function.__code__) != "plain function"
    return ["calls begun before may finish on the old code"] if suspends else []


def _what_lies_where(stack: Stack, layer: Layer) -> str:
    below = "the webui's code" if is_over_function(stack) else "the webui's value"
    for placement in stack.placements:
        if placement.layer is layer:
            break
        if placement.on:
            below = placement.layer.whose()
    on = [p.layer for p in stack.placements if p.on]
    covered = f", covered by {on[-1].whose()}" if on and on[-1] is not layer else ""
    return f"{layer.owner}'s layer on {below}{covered}"


def _top_codes(stack: Stack) -> list[Any]:
    return stack.top_codes if is_over_function(stack) else []


def running_facts(codes: Sequence[Any]) -> list[str]:
    """What the answer says of calls that are under way on these codes."""
    running = running_calls(codes) if codes else 0
    if not running:
        return []
    finish = counted(running, "running call finishes", "running calls finish")
    return [f"{finish} on the old code"]
