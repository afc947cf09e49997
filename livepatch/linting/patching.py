"""Rules of patches: LP110 and LP111."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .findings import Unless
from .new_names import is_new_name
from .source import FUNCTIONS, FunctionNode, PythonFile, text_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from .findings import Finding


@dataclass(frozen=True)
class _Patch:
    """A function of somebody else's that is assigned."""

    node: ast.AST
    target: str
    value: ast.expr


def patching(file: PythonFile) -> Iterator[Finding | Unless]:
    """The findings of both rules in a file; any file of the extension may put an original back."""
    own = _own_functions(file)
    patches = [p for p in _assignments(file.tree, file) if _is_function(file, p.value, own)]
    saved = _saved(file)
    yield from _put_back_unasked(file, {p.target for p in patches}, own)
    for patch in patches:
        if _is_restore(patch, saved) or is_new_name(file, patch.target, patch.value):
            continue
        if patch.target not in saved and not _wraps(file, patch):
            found = f"{patch.target} is overwritten, and the original is not kept"
            yield file.finding(patch.node, "LP110", found)
        else:
            found = f"{patch.target} is patched and never put back"
            yield Unless(file.finding(patch.node, "LP111", found), "put back", (patch.target,))


def _own_functions(file: PythonFile) -> set[str]:
    return {
        node.name for node in ast.walk(file.tree) if isinstance(node, (*FUNCTIONS, ast.ClassDef))
    }


def _assignments(inside: ast.AST, file: PythonFile) -> Iterator[_Patch]:
    """Every assignment to an attribute of an imported module, or of a class of one."""
    for node in ast.walk(inside):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Attribute) and file.is_imported(target):
                    yield _Patch(node, file.name_of(target), node.value)
        elif isinstance(node, ast.Call) and file.name_of(node.func) == "setattr":
            holder, name, value = (*node.args, None, None, None)[:3]
            if holder is not None and value is not None and file.is_imported(holder):
                yield _Patch(node, f"{file.name_of(holder)}.{_text(name)}", value)


def _text(name: ast.expr | None) -> str:
    """The attribute that a constant names."""
    return str(name.value) if isinstance(name, ast.Constant) else "…"


def _is_function(file: PythonFile, value: ast.expr, own: set[str]) -> bool:
    """Whether what is assigned is a function of the extension."""
    if isinstance(value, ast.Lambda):
        return True
    if isinstance(value, ast.Name):
        return value.id in own or _is_own_import(file, value.id)
    if isinstance(value, ast.Attribute):
        return isinstance(value.value, ast.Name) and (
            value.value.id in own or (value.value.id == "self" and value.attr in own)
        )
    if isinstance(value, ast.Call):
        called = value.func
        return _makes_functions(file, called) or file.name_of(called) in (
            "functools.partial",
            "types.MethodType",
        )
    return False


def _makes_functions(file: PythonFile, called: ast.expr) -> bool:
    """Whether it is a function of the file that answers a function, as decorators do."""
    name = called.id if isinstance(called, ast.Name) else ""
    made = [f for f in file.functions if f.name == name]
    return any(
        isinstance(n, (*FUNCTIONS, ast.Lambda)) for f in made for s in f.body for n in ast.walk(s)
    )


def _is_own_import(file: PythonFile, name: str) -> bool:
    full = file.aliases.get(name, "")
    last = full.rpartition(".")[2]
    return bool(full) and file.is_own(full) and last[:1].islower()


def _saved(file: PythonFile) -> dict[str, set[str]]:
    """What the file keeps of others' attributes: by their names, the names it keeps them under."""
    kept: dict[str, set[str]] = {}
    for node in ast.walk(file.tree):
        pairs: list[tuple[ast.expr, ast.expr]] = []
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            pairs = [(node.target, node.value)]
        for target, value in pairs:
            name = file.name_of(value)
            if isinstance(value, ast.Call):
                name = _of_getattr(file, value)
            if name and (file.is_imported(value) or isinstance(value, ast.Call)):
                kept.setdefault(name, set()).add(text_of(target))
        if isinstance(node, ast.Call):
            # Given to a function, such as a decorator or partial, that may keep it.
            for argument in node.args:
                if file.is_imported(argument) and isinstance(argument, ast.Attribute):
                    kept.setdefault(file.name_of(argument), set()).add("")
    return kept


def _put_back_unasked(
    file: PythonFile, patched: Collection[str], own: set[str]
) -> Iterator[Finding]:
    """LP111: what unloading puts back whatever stands there now, another's later patch too."""
    for function in _at_unload(file):
        asked = {
            file.name_of(side)
            for node in ast.walk(function)
            if isinstance(node, ast.Compare)
            for side in (node.left, *node.comparators)
        }
        for patch in _assignments(function, file):
            is_back = patch.target in patched and not _is_function(file, patch.value, own)
            if is_back and patch.target not in asked:
                found = f"{patch.target} is put back without asking whether it is still yours"
                yield file.finding(patch.node, "LP111", found)


def _at_unload(file: PythonFile) -> list[FunctionNode | ast.Lambda]:
    """What is registered for ``script_unloaded``, and the functions of the file that it calls."""
    by_name = {function.name: function for function in file.functions}
    found: list[FunctionNode | ast.Lambda] = []
    waiting: list[ast.AST] = [
        call.args[0]
        for call in ast.walk(file.tree)
        if isinstance(call, ast.Call)
        and call.args
        and file.name_of(call.func).rpartition(".")[2] == "on_script_unloaded"
    ]
    while waiting:
        given: ast.AST | None = waiting.pop()
        if isinstance(given, (ast.Name, ast.Attribute)):
            given = by_name.get(file.name_of(given).rpartition(".")[2])
        if isinstance(given, (*FUNCTIONS, ast.Lambda)) and given not in found:
            found.append(given)
            waiting += [n.func for n in ast.walk(given) if isinstance(n, ast.Call)]
    return found


def _of_getattr(file: PythonFile, call: ast.Call) -> str:
    if file.name_of(call.func) != "getattr" or len(call.args) < 2:
        return ""
    holder, name = file.name_of(call.args[0]), call.args[1]
    return f"{holder}.{_text(name)}" if isinstance(name, ast.Constant) and holder else ""


def _wraps(file: PythonFile, patch: _Patch) -> bool:
    """Whether the value is made from what it takes the place of."""
    names = {file.name_of(n) for n in ast.walk(patch.value) if isinstance(n, ast.Attribute)}
    return patch.target in names


def _is_restore(patch: _Patch, saved: dict[str, set[str]]) -> bool:
    return text_of(patch.value) in saved.get(patch.target, set())


def put_back(file: PythonFile) -> set[str]:
    """The targets to which a file assigns a kept original, or anything else but a function."""
    own, saved = _own_functions(file), _saved(file)
    return {
        patch.target
        for patch in _assignments(file.tree, file)
        if text_of(patch.value) in saved.get(patch.target, set()) - {""}
        or not _is_function(file, patch.value, own)
    }
