"""Which form of a change an exported layer takes: the one that needs the least of the engine."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from livepatch.engine.layers.override_stacks import stack_of
from livepatch.engine.naming.unwrapping import is_generated
from livepatch.engine.reading.sources import source_of_code, text_at_line
from livepatch.engine.switching.kinds import kind_of

from .runtime.functions import Replace, ReplaceBy, ReplacedFunction, ReplaceUsing, ReplaceWithNames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livepatch.engine.layers.stacks import Layer
    from livepatch.engine.naming.targets import Target
    from livepatch.engine.writing.graft import Graft

Form = Callable[..., ReplacedFunction]

_PLAIN = (bool, bytes, complex, float, int, str, type(None), type(...))


def form_of_function(layer: Layer, target: Target) -> Form | None:
    """The form of a layer that replaces a function by another one; None: it needs a whole layer.

    The other one runs as it is: nothing of it was compiled again in the target's place, led past
    the target or bridged to another kind.
    """
    if not _is_plain(layer, target):
        return None
    patch = layer.placement.patch  # type: ignore[union-attr]
    given, made = patch.given, patch.function
    if type(given) is not FunctionType or given.__code__ is not made.__code__:
        return None
    cells = zip(given.__closure__ or (), made.__closure__ or (), strict=True)
    is_as_given = given.__defaults__ is made.__defaults__ and all(a is b for a, b in cells)
    return ReplaceBy if is_as_given and _same_named(given, made) else None


def form_of_text(layer: Layer, target: Target, graft: Graft) -> Form | None:
    """The form of a layer that replaces a function by a text; None: it needs a whole layer."""
    if not _is_plain(layer, target):
        return None
    made = layer.placement.patch.function  # type: ignore[union-attr]
    defaults = [*(made.__defaults__ or ()), *(made.__kwdefaults__ or {}).values()]
    uses = graft.uses
    # What leads to the target means the webui's code: whatever a default value holds may.
    if uses.saved or not all(isinstance(value, _PLAIN) for value in defaults):
        return None
    imports = [one for one in graft.imports if getattr(one, "module", "") != "__future__"]
    if (
        is_generated(graft.original)
        or uses.around
        or graft.own_name in graft.place.cells
        or not _are_settled(graft, imports)
    ):
        return ReplaceWithNames
    if uses.notebook or imports:
        return functools.partial(ReplaceUsing, uses=tuple(sorted(uses.notebook)))
    return Replace


def _are_settled(graft: Graft, imports: Sequence[Any]) -> bool:
    """Whether the names that a text takes from the notebook mean the same at each call."""
    imported = {(a.asname or a.name).partition(".")[0] for i in imports for a in i.names}
    held = [graft.namespace.get(name) for name in graft.uses.notebook - imported]
    assigns = any(isinstance(node, ast.Global) for node in ast.walk(ast.parse(graft.source)))
    fixed = (FunctionType, BuiltinFunctionType, ModuleType, type)
    return not assigns and "*" not in imported and all(isinstance(one, fixed) for one in held)


def _is_plain(layer: Layer, target: Target) -> bool:
    """Whether a layer replaces a function, of the same kind, that is written where it is named."""
    patch: Any = layer.placement.patch  # type: ignore[union-attr]
    stack = stack_of(target)
    if layer.verb != "replace" or patch.guard is not None or stack.override is not None:
        return False
    if not isinstance(patch.function, FunctionType):
        return False
    model = stack.model_of(target.function)
    source = source_of_code(model.__code__)
    if source is not None and source != text_at_line(model.__code__):
        return False  # its file was edited since
    return kind_of(patch.function.__code__) == kind_of(model.__code__)


def _same_named(given: FunctionType, made: FunctionType) -> bool:
    mine, theirs = given.__kwdefaults__ or {}, made.__kwdefaults__ or {}
    return mine.keys() == theirs.keys() and all(mine[name] is theirs[name] for name in mine)
