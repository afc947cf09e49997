"""Compiles a text as if it stood in the target's place: in its module, its class, its closure.

The result finds the module's names as its globals. When it needs nothing else, its code can run in
the target itself, at no cost per call.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import inspect
import sys
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import PatchRefused
from .functions import clone
from .names import NAMESPACE, FunctionNode, NotebookNames
from .sources import place, remember, source_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CellType, CodeType, FunctionType

    from .targets import Target

_FACTORY = "_livepatch_factory"
_NEW = "_livepatch_new"
# Compiler flags that a `from __future__ import` of the target's module switched on.
_FUTURE_FLAGS = sum(
    getattr(__import__("__future__"), name).compiler_flag
    for name in __import__("__future__").all_feature_names
    if name != "nested_scopes"  # its flag is CO_NESTED's and always on
)


@dataclass
class Uses:
    """Which names a graft takes from where."""

    notebook: set[str] = field(default_factory=set)
    clashes: set[str] = field(default_factory=set)
    nowhere: set[str] = field(default_factory=set)

    def facts(self) -> tuple[str, ...]:
        """What the answer line says of it."""
        facts = []
        if self.notebook:
            facts.append(f"uses your {_quoted(self.notebook)}")
        if self.clashes:
            facts.append(f"{_quoted(self.clashes)} is the module's, not yours")
        if self.nowhere:
            facts.append(f"{_quoted(self.nowhere)} is defined nowhere yet")
        return tuple(facts)


@dataclass(frozen=True)
class Grafted:
    """A function compiled in the target's place.

    Attributes:
        function: the function, ready to be installed.
        source: the text it was compiled from.
        facts: names taken from the notebook, clashes, decorators kept.
    """

    function: FunctionType
    source: str
    facts: tuple[str, ...]


def graft(
    asked: str,
    text: str,
    target: Target,
    original: FunctionType,
    namespace: dict[str, Any],
    *,
    closure: Mapping[str, CellType] | None = None,
    namespace_first: bool = False,
) -> Grafted:
    """Compile a text that defines one function as if it stood in the target's place.

    Args:
        asked: the user's request in words, the first line of an error.
        text: imports, which run in the namespace, then one ``def`` of any name.
        target: the function that it shall take the place of.
        original: a function with the target's own code, whatever layers lie over the target now.
        namespace: the notebook's names: what the module lacks is taken from here, at the moment it
            is used.
        closure: closure cells around the text by name; default: those of the target.
        namespace_first: whether a name that both have is the notebook's.

    Raises:
        PatchRefused: the text does not compile, does not define exactly one function, or has
            decorators that the target does not have.
    """
    text = textwrap.dedent(text)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    filename = f"<livepatch {digest} {target.path}>"
    imports, definition = _parse(asked, text, original)
    decorator_facts = _keep_decorators(asked, definition, original)
    flags = original.__code__.co_flags & _FUTURE_FLAGS
    if imports:
        module = ast.Module(list(imports), [])
        exec(compile(module, filename, "exec", flags, dont_inherit=True), namespace)
    if closure is None:
        closure = dict(zip(original.__code__.co_freevars, original.__closure__ or (), strict=True))
    uses = _redirect_names(definition, original, namespace, set(closure), namespace_first)
    tree = _enclose(definition, original, target.owner_class, set(closure) - {"__class__"})
    remember(filename, text)
    scope: dict[str, Any] = {}
    exec(compile(tree, filename, "exec", flags, dont_inherit=True), original.__globals__, scope)
    arguments = {name: None for name in closure if name != "__class__"}
    made: FunctionType = scope[_FACTORY](**{NAMESPACE: namespace}, **arguments)
    function = _in_place(made, original, target.owner_class, closure)
    return Grafted(function, text, (*uses.facts(), *decorator_facts))


def _parse(
    asked: str, text: str, original: FunctionType
) -> tuple[Sequence[ast.stmt], FunctionNode]:
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        line = (error.text or "").strip()
        raise PatchRefused(
            asked,
            f"line {error.lineno} of the cell does not compile: {error.msg}: {line}",
            "mend that line and run the cell again",
        ) from None
    definitions = [s for s in tree.body if isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef))]
    others = [s for s in tree.body if s not in definitions]
    imports = [s for s in others if isinstance(s, (ast.Import, ast.ImportFrom))]
    strangers = [s for s in others if s not in imports]
    code = original.__code__
    parameters = ", ".join(code.co_varnames[: code.co_argcount])
    write = f"write one function in the cell: def {original.__name__}({parameters}): …"
    if not definitions:
        raise PatchRefused(asked, "the cell defines no function", write)
    if len(definitions) > 1:
        names = ", ".join(d.name for d in definitions)
        raise PatchRefused(asked, f"the cell defines {len(definitions)} functions: {names}", write)
    if strangers:
        found = ast.unparse(strangers[0]).splitlines()[0]
        raise PatchRefused(
            asked,
            f"line {strangers[0].lineno} of the cell is no function and no import: {found}",
            "put that line into a cell of its own, and run that first",
        )
    return imports, definitions[0]


def _keep_decorators(
    asked: str, definition: FunctionNode, original: FunctionType
) -> tuple[str, ...]:
    """Take the decorators off a definition that its target has as well; refuse others."""
    given = [ast.unparse(decorator) for decorator in definition.decorator_list]
    definition.decorator_list = []
    if not given:
        return ()
    if given == _decorators_of(original):
        return (f"keeps the webui's own {', '.join(f'@{name}' for name in given)}",)
    raise PatchRefused(
        asked,
        f"the original has no such decorators as @{', @'.join(given)} ({place(original)})",
        "leave the decorators out: those of the original stay around the new code",
    )


def _decorators_of(function: FunctionType) -> list[str]:
    source = source_of(function)
    try:
        (definition,) = ast.parse(source or "").body
    except (SyntaxError, ValueError):  # no source, or a lambda's line
        return []
    return [ast.unparse(d) for d in getattr(definition, "decorator_list", [])]


def _redirect_names(
    definition: FunctionNode,
    original: FunctionType,
    namespace: dict[str, Any],
    bound: set[str],
    namespace_first: bool,
) -> Uses:
    """Point the notebook's names to the notebook, and say whose names are used."""
    uses = Uses()
    own = {definition.name} - namespace.keys() - original.__globals__.keys()

    def is_notebooks(name: str) -> bool:
        in_module = name in original.__globals__ or hasattr(builtins, name)
        if name in namespace and (namespace_first or not in_module):
            uses.notebook.add(name)
            return True
        if name in original.__globals__ and name in namespace:
            if namespace[name] is not original.__globals__[name]:
                uses.clashes.add(name)
        elif not in_module:
            uses.nowhere.add(name)
        return False

    around = {"__class__", *bound, *own}
    NotebookNames(around, is_notebooks).visit(definition)
    return uses


def _enclose(
    definition: FunctionNode, original: FunctionType, owner_class: type | None, cells: set[str]
) -> ast.Module:
    """A factory around the definition: its parameters become the definition's closure cells."""
    own_name = definition.name
    name, definition.name = definition.name, _NEW
    _mention(definition, original.__code__.co_freevars)
    body: list[ast.stmt] = [definition]
    result = _NEW
    if owner_class is not None:
        # In a class body, private names are mangled and zero-argument super() finds a __class__
        # cell.
        class_name = owner_class.__name__
        holder = ast.parse(f"class {class_name}: pass").body[0]
        assert isinstance(holder, ast.ClassDef)
        holder.body = [definition]
        body = [holder]
        result = f"{class_name}.{_NEW}"
    if own_name not in original.__globals__:
        body += ast.parse(f"{name} = {result}").body  # the function may call itself
    body += ast.parse(f"return {result}").body
    parameters = ", ".join(sorted({NAMESPACE, *cells}))
    factory = ast.parse(f"def {_FACTORY}({parameters}): pass")
    assert isinstance(factory.body[0], ast.FunctionDef)
    factory.body[0].body = body
    return ast.fix_missing_locations(factory)


def _mention(definition: FunctionNode, free_variables: tuple[str, ...]) -> None:
    """Keep the target's free variables in a code that does not use them.

    Then the code fits the target's closure. The compiler drops the branch and keeps the variables.
    """
    if not free_variables:
        return
    mentioned = ast.parse(f"if 0: ({', '.join(free_variables)},)").body[0]
    for node in ast.walk(mentioned):
        if hasattr(node, "lineno"):
            ast.copy_location(node, definition)
    has_doc = ast.get_docstring(definition, clean=False) is not None
    definition.body.insert(1 if has_doc else 0, mentioned)


def _in_place(
    made: FunctionType,
    original: FunctionType,
    owner_class: type | None,
    closure: Mapping[str, CellType],
) -> FunctionType:
    """The function that the factory made, with the target's closure cells and names."""
    prefix = made.__qualname__
    code = _renamed(made.__code__, prefix, original.__qualname__)
    code = code.replace(co_name=original.__code__.co_name)
    own = dict(zip(made.__code__.co_freevars, made.__closure__ or (), strict=True))
    cells = []
    for name in code.co_freevars:
        cell = closure.get(name, own[name])
        if name == "__class__" and name not in closure:
            cell.cell_contents = owner_class
        cells.append(cell)
    made.__code__ = code
    made.__name__, made.__qualname__ = original.__name__, original.__qualname__
    made.__module__ = original.__module__
    if any(cell is not own[name] for name, cell in zip(code.co_freevars, cells, strict=True)):
        return clone(made, tuple(cells))
    return made


def _renamed(code: CodeType, old: str, new: str) -> CodeType:
    """The code, and those nested in it, with the qualified names of the target's place."""

    def renamed(constant: Any) -> Any:
        if inspect.iscode(constant):
            return _renamed(constant, old, new)
        # Until 3.10 the qualified name of a nested function is a constant of the enclosing code.
        if sys.version_info < (3, 11) and isinstance(constant, str) and constant.startswith(old):
            return new + constant[len(old) :]
        return constant

    changes: dict[str, Any] = {"co_consts": tuple(map(renamed, code.co_consts))}
    if sys.version_info >= (3, 11) and code.co_qualname.startswith(old):
        changes["co_qualname"] = new + code.co_qualname[len(old) :]
    return code.replace(**changes)


def _quoted(names: set[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
