"""Finds what is live in this process, as the changes of an extension."""

from __future__ import annotations

import ast
from types import FunctionType
from typing import TYPE_CHECKING, Any

from livepatch.engine import Layer, live_layers
from livepatch.engine.changing.registry import registry
from livepatch.engine.errors import LivepatchError
from livepatch.engine.layers.classes import originals_of
from livepatch.engine.layers.function_stacks import original_function
from livepatch.engine.layers.override_stacks import stack_of
from livepatch.engine.layers.value_stacks import value_stack_of
from livepatch.engine.naming.targets import ClassTarget, Target, ValueTarget, find
from livepatch.engine.reading.sources import definition_of
from livepatch.engine.writing.class_text import ClassText
from livepatch.engine.writing.graft import Graft
from livepatch.errors import ExportRefused

from .forms import form_of_function, form_of_text
from .found_others import collect_other_changes
from .gathering import Gatherer
from .live import Live
from .runtime.layers import Layer as CarriedLayer
from .runtime.originals import digest, original_source

if TYPE_CHECKING:
    from collections.abc import Collection

    from livepatch.adapters import Host

    from .forms import Form
    from .runtime.changes import Change


def find_live(asked: str, adapter: type[Host], with_values: Collection[str]) -> Live:
    """Look at every change that is on.

    Args:
        asked: the user's request in words.
        adapter: of the webui that the extension is for.
        with_values: the names of values that may be written down.

    Raises:
        ExportRefused: there is nothing, or something that cannot be written down.
    """
    live = Live(Gatherer(asked, with_values))
    with registry.lock:
        _take_layers(asked, live)
        collect_other_changes(asked, adapter, live)
    if not (live.changes or live.callbacks or live.hooks):
        nothing = "nothing is changed through livepatch"
        left = f"no change is on: {'; '.join(live.left_out)}" if live.left_out else nothing
        raise ExportRefused(asked, left, "change something first, for example: %%replace T")
    return live


def _take_layers(asked: str, live: Live) -> None:
    for layer in _in_order():
        if layer.owner not in registry.kept_owners:
            if layer.verb == "trace":
                continue  # it looks at calls, and changes nothing
            if layer.state == "active":
                _take_layer(asked, layer, live)
            else:
                live.left_out.append(_left_out(layer))


def _left_out(layer: Layer) -> str:
    """That a layer is not exported, with what helps."""
    helps = {
        "off": f"%patches --on {layer.target}",
        "stale": f"%restore {layer.target}, and make the change again",
        "pending": f"import {layer.target.partition('.')[0]} first",
    }
    told = f"{layer.target} ({layer.whose()}) is {layer.state}"
    return f"{told}: {helps[layer.state]}" if layer.state in helps else told


def _in_order() -> list[Layer]:
    """Every layer in the order in which they were made, and on one target from below."""
    placed = [layer for layer in live_layers() if isinstance(layer, Layer)]
    found: dict[Layer, None] = {}
    for layer in sorted(placed, key=_order_of):
        for stack in layer.stacks:
            for placement in stack.placements:
                found.setdefault(placement.layer)
                if placement.layer is layer:
                    break
        found.setdefault(layer)
    return list(found)


def _order_of(layer: Layer) -> int:
    placement = layer.placement
    return placement.patch.order if placement is not None else 0


def _take_layer(asked: str, layer: Layer, live: Live) -> None:
    target = _target_of(asked, layer)
    placement = layer.placement
    assert placement is not None
    patch = placement.patch
    given = patch.given
    source = original_source(target)
    original = digest(source) if source is not None else None
    guard = patch.guard.limit if patch.guard is not None else 0
    future: tuple[str, ...] = ()
    is_value = False
    form: Form | None = None
    about = f"{layer.verb} {layer.target}"
    new: int | str
    if isinstance(target, ValueTarget) and not _is_definition(given):
        new, is_value = _value(asked, layer, given), True
    elif isinstance(given, str):
        text, future, form = _take_text(asked, layer, target, given, patch.namespace or {}, live)
        live.definitions.append((about, text))
        new = len(live.definitions)
    else:
        new = live.gatherer.take_callable(given, layer.owner, about)
        form = form_of_function(layer, target) if isinstance(target, Target) else None
    name = layer.name if layer.name != layer.verb else "replace"
    if layer.verb != "replace" and layer.name == layer.verb:
        name = layer.verb
    change: Change
    path = live.path_elsewhere(layer.target)
    if form is not None:
        change = form(path, new, original, name, **({"future": future} if future else {}))
    else:
        change = CarriedLayer(layer.verb, path, new, original, name, guard, future, is_value)
    live.changes.append(change)
    live.stand_ins[path] = _stand_in(target)
    if isinstance(target, ValueTarget):
        live.originals[path] = value_stack_of(target.path, target.slot).own


def _target_of(asked: str, layer: Layer) -> Target | ValueTarget | ClassTarget:
    refused = ExportRefused(
        asked,
        f"{layer.target} ({layer.whose()}) has no dotted name that leads to it in another process",
        "change what the dotted name leads to instead, or take this change off first",
    )
    if " " in layer.target or "<" in layer.target:
        raise refused
    try:
        target = find(asked, layer.target)
    except LivepatchError:
        raise refused from None
    if isinstance(target, Target) and stack_of(target) not in layer.stacks:
        raise refused
    return target


def _is_definition(given: object) -> bool:
    return isinstance(given, (FunctionType, type))


def _value(asked: str, layer: Layer, given: object) -> str:
    try:
        if ast.literal_eval(repr(given)) == given:
            return repr(given)
    except (ValueError, SyntaxError):
        pass
    raise ExportRefused(
        asked,
        f"the new value of {layer.target} ({layer.whose()}) is a {type(given).__name__}, which "
        f"its repr does not give back",
        f"take it off first: lp.restore({layer.target!r})",
    )


def _take_text(
    asked: str,
    layer: Layer,
    target: Target | ValueTarget | ClassTarget,
    given: str,
    namespace: dict[str, Any],
    live: Live,
) -> tuple[str, tuple[str, ...], Form | None]:
    """Take in the names that a text uses.

    Returns:
        The text without its ``from __future__`` imports, what those import, and the form of the
        change; None: a whole layer.
    """
    form: Form | None = None
    about = f"{layer.verb} {layer.target}"
    if isinstance(target, ClassTarget):
        graft: Any = ClassText(
            asked,
            given,
            target.path,
            target.cls,
            namespace,
            original_function,
            originals_of(target),
        )
        imports = graft.imports
    else:
        assert isinstance(target, Target)
        graft = Graft(asked, given, target, stack_of(target).model_of(target.function), namespace)
        imports = graft.imports
        form = form_of_text(layer, target, graft)
    imported = {
        (alias.asname or alias.name).partition(".")[0] for i in imports for alias in i.names
    }
    live.gatherer.names_of(graft.uses.notebook - imported, namespace, about)
    for name in sorted(graft.uses.saved):
        live.gatherer.take(name, namespace[name], {}, about)
    tree = ast.parse(graft.source)
    futures = [
        statement
        for statement in tree.body
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
    ]
    lines = graft.source.splitlines(keepends=True)
    for statement in futures:
        for number in range(statement.lineno, (statement.end_lineno or 0) + 1):
            lines[number - 1] = "\n"
    names = tuple(alias.name for statement in futures for alias in statement.names)
    return "".join(lines).strip("\n") + "\n", names, form


def _stand_in(target: Target | ValueTarget | ClassTarget) -> str:
    """A line of Python that makes something of the target's kind, for the check."""
    if isinstance(target, ClassTarget):
        return _class_stand_in(target.cls)
    if isinstance(target, ValueTarget):
        base = value_stack_of(target.path, target.slot).own
        simple = isinstance(base, (bool, int, float, str, type(None)))
        return f"{{name}} = {base!r}" if simple else "{name} = None"
    override = stack_of(target).override
    model = override.model if override else original_function(target.function)
    if override is not None and definition_of(model) is None:
        return "{name} = len"
    return _function_stand_in(model)


def _function_stand_in(function: FunctionType) -> str:
    code = function.__code__
    positional = code.co_varnames[: code.co_argcount]
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    rest = code.co_varnames[len(names) :]
    given = [*(f"{n}=None" for n in positional)]
    has_rest, has_keywords = bool(code.co_flags & 0x04), bool(code.co_flags & 0x08)
    if has_rest:
        given.append(f"*{rest[0]}")
    elif names[code.co_argcount :]:
        given.append("*")
    given += [f"{n}=None" for n in names[code.co_argcount :]]
    if has_keywords:
        given.append(f"**{rest[1 if has_rest else 0]}")
    is_async = code.co_flags & 0x280
    body = "yield" if code.co_flags & 0x220 else "return None"
    return f"{'async ' if is_async else ''}def {{name}}({', '.join(given)}): {body}"


def _class_stand_in(cls: type) -> str:
    lines = ["class {name}:"]
    for name, value in vars(cls).items():
        if isinstance(value, FunctionType):
            lines.append(f"    {_function_stand_in(original_function(value)).format(name=name)}")
    return "\n".join([*lines, "    pass"])
