"""Tells whose names a piece of code uses: its own, the module's, or the notebook's.

A cell is compiled as if it stood in the target's module. A name that only the notebook has is read
from the notebook's namespace at the moment it is used, so a value that the notebook changes is seen
by the running webui at once, also in the middle of a cell.
"""

from __future__ import annotations

import ast
import builtins
import functools
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# Stand-ins for constants: large integers, which no other constant of a text can be.
AROUND = 0x6C69_7665_000F
LOCALS = 0x6C69_7665_0010
NOTEBOOK = 0x6C69_7665_0011
SAVED = 0x6C69_7665_0012
VALUES = 0x6C69_7665_0013

Node = TypeVar("Node", bound=ast.AST)
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_TYPE_ALIAS: tuple[type[ast.AST], ...] = (
    (ast.TypeAlias,) if sys.version_info >= (3, 12) else ()  # type: ignore[attr-defined]
)
_SCOPES = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.Lambda,
    ast.ClassDef,
    *_COMPREHENSIONS,
    *_TYPE_ALIAS,
)
_BRANCHING = (ast.If, ast.For, ast.While, ast.Try, ast.With, ast.Match, ast.Delete)
# What every instance has, whatever stands in its __dict__.
_NO_ATTRIBUTES = ("__class__", "__dict__")


class Names:
    """A namespace whose names are attributes, read at the moment they are asked for.

    A code object holds it as a constant, which costs a call less than a closure cell with the
    namespace would, and keeps the code fit to run in the target itself: 3 to 10 ns a name more than
    a global of the module on 3.12 and later. Unlike a dict it can be hashed, as debuggers do with
    code objects.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.__dict__ = namespace

    if sys.version_info >= (3, 12):

        def __getattr__(self, name: str) -> Any:
            return _missing(name)


def names_of(namespace: dict[str, Any], used: Iterable[str]) -> Names:
    """The names of a namespace as attributes.

    Args:
        namespace: a dict, read live.
        used: the names that will be asked for.
    """
    if sys.version_info >= (3, 12):
        return Names(namespace)
    # Before 3.12 a class with __getattr__ makes every look-up slow: what is missing in the
    # namespace is found in the class instead.
    missing = {name: _Missing(name) for name in used if not name.startswith("__")}
    own_class = type("Names", (Names,), missing)
    names: Names = own_class(namespace)
    return names


class _Missing:
    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: object) -> Any:
        return _missing(self.name)


def _missing(name: str) -> Any:
    """What a name means that the notebook has deleted."""
    try:
        return getattr(builtins, name)
    except AttributeError:
        raise NameError(f"name {name!r} is not defined", name=name) from None


@dataclass
class Scope:
    """The names that a function, class or comprehension binds, and those it declares global.

    Attributes:
        settled: of a class, the names that are certainly bound by now.
        is_class: what it binds is not seen in the functions inside.
        is_open: it belongs to the class around it and sees that class's names, as type parameters
            and default values do.
    """

    bound: set[str] = field(default_factory=set)
    declared_global: set[str] = field(default_factory=set)
    settled: set[str] = field(default_factory=set)
    is_class: bool = False
    is_open: bool = False


_GLOBAL = Scope()


class ForeignNames(ast.NodeTransformer):
    """Turns reads of names that the module does not have into look-ups elsewhere.

    Args:
        bound: names that are bound around the code: closure cells of the target.
        holder_of: asked for every name that the code itself does not bind, mangled where it is
            private; answers the stand-in constant of the ``Names`` to look it up in, None for a
            name of the module or a builtin.
        holder_of_global: the same of a name that the code declares as global: it is written there,
            too.
        with_annotations: whether annotations are evaluated; under ``from __future__ import
            annotations`` they are text, and stay as they are.
        class_name: the class in whose body the code stands.
    """

    def __init__(
        self,
        bound: set[str],
        holder_of: Callable[[str], int | None],
        holder_of_global: Callable[[str], int | None],
        *,
        with_annotations: bool,
        class_name: str | None = None,
    ) -> None:
        self.scopes = [Scope(bound)]
        self.class_names = [class_name]
        self.holder_of = holder_of
        self.holder_of_global = holder_of_global
        self.with_annotations = with_annotations

    def redirect(self, definition: ast.AST) -> None:
        """Turn the reads in a definition into look-ups elsewhere."""
        self.definition = definition
        self.visit(definition)

    @functools.cached_property
    def _bound_otherwise(self) -> set[str]:
        """What a `def`, an import or the like binds: a name, for which nothing else can stand."""
        bound: set[str] = set()
        for node in ast.walk(self.definition):
            if isinstance(node, ast.NamedExpr):
                bound.add(node.target.id)
            elif not isinstance(node, ast.Name):
                bound.update(_names_bound_by(node))
        return bound

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace a name that is free in the code and found elsewhere."""
        name = self._mangled(node.id)
        binding = self._binding(name)
        if binding is _GLOBAL:
            # Where one of its uses has to stay a name, all of them are the module's.
            is_fixed = node.id in self._bound_otherwise or name in _NO_ATTRIBUTES
            place = None if is_fixed else self.holder_of_global(name)
            return node if place is None else _at(node, _attribute(place, name, node.ctx))
        if not isinstance(node.ctx, ast.Load) or name in _NO_ATTRIBUTES:
            return node
        if binding is None or (binding.is_class and name not in binding.settled):
            holder = self.holder_of(name)
            if holder is not None:
                found = _attribute(holder, name)
                return _at(node, found if binding is None else self._from_class(node, name, found))
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | list[ast.AST]:
        """``x += 1`` in a class body reads the outer ``x`` as well, until it is bound."""
        read = None
        if isinstance(node.target, ast.Name):
            name = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
            read = self.visit_Name(name)
        self.generic_visit(node)
        if not isinstance(read, ast.IfExp) or not isinstance(node.target, ast.Name):
            return node
        own = ast.Name(node.target.id, ast.Store())
        return [_at(node, ast.Assign([own], read)), node]

    def visit_Match(self, node: ast.Match) -> list[ast.stmt]:
        """A class pattern takes nothing but a name: one that is found elsewhere gets one first."""
        self.generic_visit(node)
        first: list[ast.stmt] = []
        classes = [p for case in node.cases for p in ast.walk(case.pattern)]
        for pattern in (p for p in classes if isinstance(p, ast.MatchClass)):
            holder: Any = pattern
            field_name, found = "cls", pattern.cls
            while isinstance(found, ast.Attribute) and not isinstance(found.value, ast.Constant):
                holder, field_name, found = found, "value", found.value
            if isinstance(found, ast.Attribute):
                name = f"<livepatch {found.attr}>"
                first.append(_at(node, ast.Assign([ast.Name(name, ast.Store())], found)))
                setattr(holder, field_name, _at(node, ast.Name(name, ast.Load())))
        return [*first, node]

    def _from_class(self, node: ast.Name, name: str, otherwise: ast.expr) -> ast.expr:
        """``x = x`` in a class body: its own name once it is bound, and before that the outer."""
        bound = ast.Call(_attribute(LOCALS, "locals"), [], [])
        test = ast.Compare(ast.Constant(name), [ast.In()], [bound])
        return ast.IfExp(test, node, otherwise)

    def _binding(self, name: str) -> Scope | None:
        """The scope that binds a name, or says that it is a global."""
        seen = True
        for scope in reversed(self.scopes):
            if not scope.is_class or seen:
                if name in scope.declared_global:
                    return _GLOBAL
                if name in scope.bound:
                    return scope
            seen = seen and scope.is_open
        return None

    def _mangled(self, name: str) -> str:
        """A name as the compiler spells it: private ones carry their class's."""
        return mangled(self.class_names[-1] or "", name)

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
        own = {self._mangled(parameter.name) for parameter in type_parameters}
        self._visit_fields(node, ("decorator_list",))
        self.scopes.append(Scope(own, is_open=True))
        self._visit_fields(node, ("type_params", *around))
        self.class_names.append(
            node.name if isinstance(node, ast.ClassDef) else self.class_names[-1]
        )
        self.scopes.append(self._scope_of(node))
        if isinstance(node, _COMPREHENSIONS):
            self._visit_comprehension(node)
        elif isinstance(node, ast.ClassDef):
            self._visit_class_body(node)
        else:
            self._visit_fields(node, inside)
        del self.scopes[-2:], self.class_names[-1]
        return node

    def _visit_comprehension(self, node: ast.AST) -> None:
        first, *others = node.generators  # type: ignore[attr-defined]
        first.target = self.visit(first.target)
        first.ifs = [self.visit(condition) for condition in first.ifs]
        node.generators[1:] = [self.visit(other) for other in others]  # type: ignore[attr-defined]
        self._visit_fields(node, ("elt", "key", "value"))

    def _visit_class_body(self, node: ast.ClassDef) -> None:
        scope = self.scopes[-1]
        body: list[ast.stmt] = []
        for statement in node.body:
            visited = self.visit(statement)
            body += visited if isinstance(visited, list) else [visited]
            if not isinstance(statement, _BRANCHING):
                bound = {name for part in _walk_scope(statement) for name in _names_bound_by(part)}
                scope.settled |= set(map(self._mangled, bound))
        node.body = body

    def _visit_fields(self, node: ast.AST, names: tuple[str, ...]) -> None:
        for name in names:
            value = getattr(node, name, None)
            if name == "returns" and not self.with_annotations:
                continue
            if isinstance(value, list):
                visited = [self.visit(v) if isinstance(v, ast.AST) else v for v in value]
                value[:] = [part for v in visited for part in (v if type(v) is list else [v])]
            elif isinstance(value, ast.AST):
                setattr(node, name, self.visit(value))

    def _visit_but(self, node: ast.AST, left_out: str) -> ast.AST:
        self._visit_fields(node, tuple(name for name in node._fields if name != left_out))
        return node

    def _scope_of(self, node: ast.AST) -> Scope:
        scope = Scope(is_class=isinstance(node, ast.ClassDef))
        bound: set[str] = set()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            bound |= {argument.arg for argument in all_arguments(node.args)}
        for inner in _same_scope(node):
            bound.update(_names_bound_by(inner))
            if isinstance(inner, ast.Global):
                scope.declared_global |= set(map(self._mangled, inner.names))
        scope.bound = set(map(self._mangled, bound)) - scope.declared_global
        return scope


def _parts(node: ast.AST) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields of a scope that are evaluated around it, and those inside it."""
    if isinstance(node, ast.ClassDef):
        return ("bases", "keywords"), ("body",)
    if isinstance(node, ast.Lambda):
        return ("args",), ("body",)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return ("args", "returns"), ("body",)
    if isinstance(node, _TYPE_ALIAS):
        return (), ("value",)
    return (), ("generators", "elt", "key", "value")


def _names_bound_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, _TYPE_ALIAS):
        yield node.name.id  # type: ignore[attr-defined]
    elif isinstance(node, ast.alias):
        yield (node.asname or node.name).partition(".")[0]
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest


def _same_scope(node: ast.AST) -> Iterator[ast.AST]:
    """Every node of a scope that binds in it: nested scopes are named, not entered."""
    _, inside = _parts(node)
    for child in _children(node, inside):
        yield from _walk_scope(child)


def _walk_scope(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if isinstance(node, _COMPREHENSIONS):
        yield from _assigned_inside(node)
        return
    if isinstance(node, _SCOPES):
        around, _ = _parts(node)
        children = _children(node, ("decorator_list", *around))
    else:
        children = ast.iter_child_nodes(node)
    for child in children:
        yield from _walk_scope(child)


def _assigned_inside(comprehension: ast.AST) -> Iterator[ast.expr]:
    """An assignment expression in a comprehension binds around it (PEP 572)."""
    for child in ast.iter_child_nodes(comprehension):
        if isinstance(child, ast.NamedExpr):
            yield child.target
        if not isinstance(child, ast.Lambda):
            yield from _assigned_inside(child)


def _children(node: ast.AST, names: tuple[str, ...]) -> Iterator[ast.AST]:
    for name in names:
        value = getattr(node, name, None)
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child


def mangled(class_name: str, name: str) -> str:
    """A name as the compiler spells it in a class of that name.

    Example:
        >>> mangled("Cache", "__hidden")
        '_Cache__hidden'
    """
    class_name = class_name.lstrip("_")
    if not class_name or not name.startswith("__") or name.endswith("__") or "." in name:
        return name
    return f"_{class_name}{name}"


def all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    """Every parameter of a parameter list."""
    several = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return several + [one for one in (arguments.vararg, arguments.kwarg) if one]


def _attribute(holder: int, name: str, context: ast.expr_context | None = None) -> ast.expr:
    return ast.Attribute(ast.Constant(holder), name, context or ast.Load())


def _at(place: ast.AST, node: Node) -> Node:
    return ast.fix_missing_locations(ast.copy_location(node, place))
