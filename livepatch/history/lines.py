"""A step of the journal as data for its file: what was changed, and what replaying it would need.

No value is ever written: neither what a plain value was replaced by, nor what a name of the
notebook holds, nor an argument. Made in the thread that writes, as finding the source texts takes
milliseconds.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import symtable
import textwrap
from functools import lru_cache
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import livepatch.engine as engine_package
from livepatch.engine import Change
from livepatch.engine.layers.function_stacks import FunctionStack
from livepatch.engine.layers.stacks import Restack
from livepatch.engine.layers.value_stacks import ValueStack
from livepatch.engine.reading.sources import definition_of, source_of
from livepatch.engine.switching.codes import global_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livepatch.engine import ChangeDescription
    from livepatch.engine.layers.patch import Patch

Line = dict[str, Any]

# Of a sweep that patches for every picture it is the same texts again and again.
KEPT = 256

_ENGINE = engine_package.__path__[0]


def change_lines(
    changes: Sequence[Change], descriptions: Sequence[ChangeDescription]
) -> list[Line]:
    """The changes of a step as data.

    Args:
        changes: the changes.
        descriptions: what each of them is, from when it was made.
    """
    return [_change_line(*pair) for pair in zip(changes, descriptions, strict=True)]


def _change_line(change: Change, described: ChangeDescription) -> Line:
    line: Line = {
        "verb": described.verb,
        "target": described.target,
        "owner": described.owner,
        "name": described.name,
    }
    if isinstance(taken_back := getattr(change, "change", None), Change):
        return {**line, **_taken_back(taken_back)}
    if isinstance(change, Restack):
        return {**line, **_restack(change, described)}
    line |= _gone(change, described)
    # The call that stands there as source may tell the options' values.
    is_call = (described.source or "").startswith("lp.")
    source = getattr(getattr(change, "layer", None), "source", None)
    return {**line, "form": "other", "source": source if is_call else described.source}


def _taken_back(change: Change) -> Line:
    """The way back of a change, as a file that is saved again takes it."""
    line: Line = {"verb": "take back"}
    if isinstance(change, Restack):
        kept = {p.layer for p in change.before}
        line["gone"] = [_identity(p.layer) for p in change.after if p.layer not in kept]
    return line


def _gone(change: Change, described: ChangeDescription) -> Line:
    """What else of ours a change takes away: of a stack, a list of routes, callbacks, apps."""
    line: Line = {}
    before, after = (getattr(change, name, None) for name in ("before", "after"))
    if isinstance(before, tuple) and isinstance(after, tuple):
        kept = {id(placement.layer) for placement in after}
        gone = [_identity(p.layer) for p in before if id(p.layer) not in kept]
        own = [described.target, described.owner, described.name]
        if gone := [one for one in gone if one != own]:
            line["gone"] = gone
    if described.verb == "restore" and (steps := getattr(change, "steps", None)):
        line["targets"] = [f"app {step.label}" for step in steps]
    return line


def _identity(layer: Any) -> list[str]:
    return [layer.target, layer.owner, layer.name]


def _restack(change: Restack, described: ChangeDescription) -> Line:
    layers = {p.layer for p in change.after}
    gone = [p.layer for p in change.before if p.layer not in layers]
    line: Line = {"stack": change.stack.path}
    if gone:
        line["gone"] = [_identity(layer) for layer in gone]
    if described.verb in ("restore", "switch on", "switch off", "adopt"):
        return line
    patch = change.placement.patch
    if isinstance(change.stack, ValueStack):
        return {**line, "form": "value"}
    if patch.guard is not None:
        line["guard"] = patch.guard.limit
    about = change.placement.layer.about
    model = change.stack.model if isinstance(change.stack, FunctionStack) else None
    if about is not None:
        source = source_of(about)
        line["original"] = digest(source) if source is not None else None
    else:
        line["original"] = _original_digest(model.__code__) if model is not None else None
    form, text, names = _new_code(patch, described.source, model)
    home = getattr(patch.given, "__module__", None) or (patch.namespace or {}).get("__name__")
    return {**line, "form": form, "source": text, "names": names, "module": home}


@lru_cache(maxsize=KEPT)
def _original_digest(code: CodeType) -> str | None:
    source = _source_of_original(code)
    return digest(source) if source is not None else None


def _new_code(
    patch: Patch, source: str | None, model: FunctionType | None
) -> tuple[str | None, str | None, list[str]]:
    """How the new code was given, its text, and the names that it takes from where it was."""
    given = patch.given
    if isinstance(given, str):
        here = model.__globals__ if model is not None else {}
        names = {n for n in names_used(given) if n not in here and not hasattr(builtins, n)}
        return "text", given, sorted(names)
    if isinstance(given, type):
        names = {n for n in names_used(source or "") if not hasattr(builtins, n)}
        return "class", source, sorted(names)
    if not isinstance(given, FunctionType):
        return None, source, []
    names = {n for n in _global_names(given.__code__) if n in given.__globals__}
    names |= set(given.__code__.co_freevars) - {"__class__"}
    form, text = _definition(given)
    return form, text or source, sorted(names)


_global_names = lru_cache(maxsize=KEPT)(global_names)


def _definition(given: FunctionType) -> tuple[str | None, str | None]:
    """How a function was written, and of a lambda its text alone."""
    kept = _definitions.get(given.__code__)
    if kept is None:
        node = definition_of(given)
        if isinstance(node, ast.Lambda):
            kept = ("lambda", ast.unparse(node))
        else:
            kept = ("function" if node is not None else None, None)
        if len(_definitions) >= KEPT:
            _definitions.clear()
        _definitions[given.__code__] = kept
    return kept


_definitions: dict[CodeType, tuple[str | None, str | None]] = {}


def original_of(model: FunctionType) -> str | None:
    """The source text of the webui's own code; None where there is none, or it is not Python."""
    return _source_of_original(model.__code__)


def _source_of_original(code: CodeType) -> str | None:
    return None if code.co_filename.startswith(_ENGINE) else source_of(code)


def digest(source: str) -> str:
    r"""The hash of a source text, whatever ends its lines.

    Example:
        >>> digest("x = 1\r\n") == digest("x = 1")
        True
    """
    lines = "\n".join(line.rstrip() for line in source.strip().splitlines())
    return hashlib.sha256(lines.encode(errors="surrogatepass")).hexdigest()[:16]


@lru_cache(maxsize=KEPT)
def names_used(text: str) -> frozenset[str]:
    r"""The names that a text takes from around it; none of a text that does not compile.

    Example:
        >>> sorted(names_used("import math\ndef f(a, b=START):\n    return math.floor(g(a))"))
        ['START', 'g']
    """
    try:
        table = symtable.symtable(textwrap.dedent(text), "<text>", "exec")
    except (SyntaxError, ValueError):
        return frozenset()
    own = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()}
    own |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_imported()}
    used: set[str] = set()
    tables = [table]
    while tables:
        table = tables.pop()
        is_module = table.get_type() == "module"
        used |= {
            s.get_name()
            for s in table.get_symbols()
            if s.is_referenced() and (is_module or s.is_global())
        }
        tables += table.get_children()
    return frozenset(used - own)
