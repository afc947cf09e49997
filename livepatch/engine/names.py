"""Whose names a piece of code uses: its own, the module's, or the notebook's.

A cell is compiled as if it stood in the target's module. A name that only the notebook has is read
from the notebook's namespace at the moment it is used, so a value that the notebook changes is seen
by the running webui at once, also in the middle of a cell.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAMESPACE = "_livepatch_notebook"

Node = TypeVar("Node", bound=ast.AST)
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, *_COMPREHENSIONS)


@dataclass
class Scope:
    """The names that a function, class or comprehension binds, and those it declares global."""

    bound: set[str] = field(default_factory=set)
    declared_global: set[str] = field(default_factory=set)
    is_class: bool = False


class NotebookNames(ast.NodeTransformer):
    """Turns reads of the notebook's names into look-ups in the notebook's namespace.

    Args:
        bound: names that are bound around the code: closure cells of the target.
        is_notebooks: asked once for every name that the code itself does not bind.
        with_annotations: whether annotations are evaluated; under ``from __future__ import
            annotations`` they are text, and stay as they are.
    """

    def __init__(
        self, bound: set[str], is_notebooks: Callable[[str], bool], *, with_annotations: bool
    ) -> None:
        self.scopes = [Scope(bound)]
        self.is_notebooks = is_notebooks
        self.with_annotations = with_annotations
        self.declared_global: set[str] = set()

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace a name that is free in the cell and the notebook's."""
        if not isinstance(node.ctx, ast.Load) or self._is_bound(node.id):
            return node
        if not self.is_notebooks(node.id):
            return node
        namespace = ast.Name(NAMESPACE, ast.Load())
        return _at(node, ast.Subscript(namespace, ast.Constant(node.id), ast.Load()))

    def visit_Global(self, node: ast.Global) -> ast.Global:
        """Note the names that are said to be the module's."""
        self.declared_global |= set(node.names)
        return node

    def _is_bound(self, name: str) -> bool:
        for scope in reversed(self.scopes):
            if scope.is_class and scope is not self.scopes[-1]:
                continue  # what a class body binds is not seen in its functions
            if name in scope.declared_global or name in scope.bound:
                return True
        return False

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Visit a node; what stands inside a scope is visited inside it, the rest around it."""
        if isinstance(node, _COMPREHENSIONS):
            # The first iterable is evaluated around the comprehension.
            node.generators[0].iter = self.visit(node.generators[0].iter)
        if not isinstance(node, _SCOPES):
            if not self.with_annotations and isinstance(node, (ast.arg, ast.AnnAssign)):
                return self._visit_but(node, "annotation")
            return super().generic_visit(node)
        around, inside = _parts(node)
        # Type parameters (PEP 695) are bound around the signature as well.
        type_parameters = getattr(node, "type_params", [])
        self._visit_fields(node, ("decorator_list",))
        self.scopes.append(Scope({parameter.name for parameter in type_parameters}))
        self._visit_fields(node, ("type_params", *around))
        self.scopes.append(_scope_of(node))
        self._visit_fields(node, inside)
        del self.scopes[-2:]
        return node

    def _visit_fields(self, node: ast.AST, names: tuple[str, ...]) -> None:
        for name in names:
            value = getattr(node, name, None)
            if name == "returns" and not self.with_annotations:
                continue
            if isinstance(value, list):
                value[:] = [self.visit(v) if isinstance(v, ast.AST) else v for v in value]
            elif isinstance(value, ast.AST):
                setattr(node, name, self.visit(value))

    def _visit_but(self, node: ast.AST, left_out: str) -> ast.AST:
        self._visit_fields(node, tuple(name for name in node._fields if name != left_out))
        return node


def _parts(node: ast.AST) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields of a scope that are evaluated around it, and those inside it."""
    if isinstance(node, ast.ClassDef):
        return ("bases", "keywords"), ("body",)
    if isinstance(node, ast.Lambda):
        return ("args",), ("body",)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return ("args", "returns"), ("body",)
    return (), ("generators", "elt", "key", "value")


def _scope_of(node: ast.AST) -> Scope:
    scope = Scope(is_class=isinstance(node, ast.ClassDef))
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        scope.bound |= {argument.arg for argument in _arguments(node.args)}
    for inner in _same_scope(node):
        _bind(inner, scope)
    scope.bound -= scope.declared_global
    return scope


def _bind(node: ast.AST, scope: Scope) -> None:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        scope.bound.add(node.id)
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        scope.bound.add(node.name)
    elif isinstance(node, ast.alias):
        scope.bound.add((node.asname or node.name).partition(".")[0])
    elif (isinstance(node, ast.ExceptHandler) and node.name) or (
        isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name
    ):
        scope.bound.add(node.name)
    elif isinstance(node, ast.MatchMapping) and node.rest:
        scope.bound.add(node.rest)
    elif isinstance(node, ast.Global):
        scope.declared_global |= set(node.names)


def _same_scope(node: ast.AST) -> Iterator[ast.AST]:
    """Every node of a scope that binds in it: nested scopes are named, not entered."""
    _, inside = _parts(node)
    for name in inside:
        value = getattr(node, name, None)
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _walk_scope(child)


def _walk_scope(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if isinstance(node, _COMPREHENSIONS):
        # An assignment expression in a comprehension binds around it (PEP 572).
        yield from (n.target for n in ast.walk(node) if isinstance(n, ast.NamedExpr))
    elif not isinstance(node, _SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from _walk_scope(child)


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    several = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return several + [one for one in (arguments.vararg, arguments.kwarg) if one]


def _at(place: ast.AST, node: Node) -> Node:
    return ast.fix_missing_locations(ast.copy_location(node, place))
