"""What is live, as the check of an export compares it with what the export does."""

from __future__ import annotations

import ast
import inspect
import sys
from dataclasses import dataclass, field
from types import FunctionType
from typing import TYPE_CHECKING, Any

from livepatch.engine.errors import LivepatchError
from livepatch.engine.layers.override_stacks import stack_of
from livepatch.engine.naming.following import module_of, parts_of_path, path_parts
from livepatch.engine.naming.targets import Target, find
from livepatch.this_webui.detect import host

from .check_process.looking import facts_of, thing_at
from .host_modules import HostModules
from .portable import NotPure, portable
from .runtime.functions import ReplacedFunction
from .runtime.hooks import Hook
from .runtime.layers import Layer as CarriedLayer

if TYPE_CHECKING:
    from types import ModuleType

    from .folder import Names
    from .live import Live

MOST = 2
"""Names that are told, of those that are told in one sentence."""
CHAINED = ("replace", "wrap", "before", "after", "filter_args", "filter_result")


@dataclass
class Expected:
    """What is live of one export.

    Attributes:
        modules: what the check needs of the webui's modules.
        targets: of each target what callers see of it, where it is, and what it is made of.
        not_checked: what cannot be looked at, for people.
    """

    modules: HostModules
    targets: list[dict[str, Any]] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Place:
    """Where a path leads.

    Attributes:
        path: the path, as the export has it.
        real: the same in this process.
        module: the name of the module, as the export has it.
        parts: the names and keys behind it; of a key, its ``repr``.
        held: the module.
    """

    path: str
    real: str
    module: str
    parts: list[tuple[str, bool]]
    held: ModuleType


def expected_of(live: Live, names: Names) -> Expected:
    """Look at what is live."""
    here = host()
    paths = dict.fromkeys(filter(None, map(_target_of, live.changes)))
    places = [place for path in paths if (place := _place_of(path, live)) is not None]
    # A script that runs as ``__main__`` is called by its file, too.
    others = {p.module: p.held for p in places if sys.modules.get(p.module) is not p.held}
    named = {**here.modules(), **others}
    expected = Expected(HostModules(named, here.app()))
    root = getattr(names.adapter.layout, "root", None)
    if root is not None:
        expected.modules.roots.add(str(root))
    for place in places:
        expected.targets.append(_target(expected, live, place))
    for module, name in live.gatherer.taken_from:
        expected.modules.need(module, name)
    silent = [t["path"] for t in expected.targets if t["kind"] == "function" and not t["live"]]
    if silent:
        more = f" and {len(silent) - MOST} more" if len(silent) > MOST else ""
        expected.not_checked.append(f"what {', '.join(silent[:MOST])}{more} returns there")
    return expected


def _target_of(change: object) -> str:
    if isinstance(change, (ReplacedFunction, CarriedLayer)):
        return change.target
    return change.awaited if isinstance(change, Hook) else ""


def _place_of(path: str, live: Live) -> _Place | None:
    real = live.real_paths.get(path, path)
    module, count = module_of(real), len(path_parts(real))
    whole = parts_of_path(path) or []
    if module is None or not count:
        return None
    name = ".".join(str(part) for part, _ in whole[:-count])
    parts = [(repr(part) if is_key else str(part), is_key) for part, is_key in whole[-count:]]
    return _Place(path, real, name, parts, module)


def _target(expected: Expected, live: Live, place: _Place) -> dict[str, Any]:
    facts = facts_of(thing_at(place.held, place.parts))
    kind = facts["is"] if facts["is"] in ("value", "class", "nothing") else "function"
    expected.modules.need(place.module, place.parts[0][0])
    chain = _chain(expected, place.real) if kind == "function" else None
    base = live.originals.get(place.path)
    return {
        "path": place.path,
        "module": place.module,
        "parts": place.parts,
        "kind": "value" if place.path in live.originals else kind,
        "facts": facts,
        "stand_in": live.stand_ins.get(place.path, ""),
        "base": repr(base) if _is_literal(base) else None,
        "watched": expected.modules.is_its(place.module),
        "live": chain,
        "arguments": _given_arguments(place.real) if chain else 0,
    }


def _is_literal(value: object) -> bool:
    try:
        return value is not None and bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, RecursionError):
        return False


def _chain(expected: Expected, path: str) -> list[dict[str, Any]] | None:
    """What a target is made of, where all of that is pure Python of its own; else None."""
    target = _function_at(path)
    if target is None:
        return None
    stack = stack_of(target)
    if stack.override is not None or target.caches or target.facts:
        return None
    used: list[tuple[dict[str, Any], str]] = []
    try:
        model = stack.model_of(target.function)
        chain = [{"verb": "original", "new": portable(model, used)}]
        for placement in stack.placements:
            if placement.on:
                new, verb = _new_of(placement), placement.layer.verb
                if placement.patch.guard is not None or verb not in CHAINED:
                    return None
                chain.append({"verb": verb, "new": portable(new, used)})
    except NotPure:
        return None
    for namespace, name in used:
        home = expected.modules.name_of(namespace)
        if home is not None:
            expected.modules.need(home, name, body=True)
    return chain


def _function_at(path: str) -> Target | None:
    """A function of a module, or a static method: what needs no instance."""
    try:
        target = find("look", path)
    except LivepatchError:
        return None
    if not isinstance(target, Target) or "." in target.function.__qualname__:
        return None
    return target


def _given_arguments(path: str) -> int:
    """How many arguments a call has to give."""
    target = _function_at(path)
    assert target is not None
    parameters = inspect.signature(target.function, follow_wrapped=False).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in positional and one.default is one.empty for one in parameters)


def _new_of(placement: Any) -> FunctionType | None:
    given = placement.patch.given
    if isinstance(given, FunctionType):
        return given
    made = placement.patch.function
    return made if placement.layer.verb == "replace" and isinstance(made, FunctionType) else None
