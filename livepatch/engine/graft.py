"""Compiles a text as if it stood in the target's place: in its module, its class, its closure.

The result finds the module's names as its globals. When it needs nothing else, its code can run in
the target itself, at no cost per call.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import hashlib
import inspect
import re
import sys
import textwrap
import types
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
# Compiler flags that a `from __future__ import` of the target's module switched on; the one of
# nested_scopes is CO_NESTED's and means something else by now.
_FUTURE_FLAGS = sum(
    getattr(__future__, name).compiler_flag
    for name in __future__.all_feature_names
    if name != "nested_scopes"
)


@dataclass
class Uses:
    """Which names a graft takes from where."""

    notebook: set[str] = field(default_factory=set)
    clashes: set[str] = field(default_factory=set)
    nowhere: set[str] = field(default_factory=set)
    saved: set[str] = field(default_factory=set)

    def facts(self) -> tuple[str, ...]:
        """What the answer line says of it."""
        told = {
            "uses your {}": self.notebook,
            "{} is the webui's own code": self.saved,
            "{} is the module's, not yours": self.clashes,
            "{} is defined nowhere yet": self.nowhere,
        }
        return tuple(
            text.format(", ".join(f"`{name}`" for name in sorted(names)))
            for text, names in told.items()
            if names
        )


class Graft:
    """A text that is compiled in the target's place, but has not run yet.

    Args:
        asked: the user's request in words, the first line of an error.
        text: imports, then one ``def`` of any name.
        target: the function that it shall take the place of.
        original: a function with the target's own code, whatever layers lie over the target now.
        namespace: the notebook's names: what the module lacks is read from here when it is used.
        closure: closure cells around the text by name; default: those of the target.
        namespace_first: whether a name that both have is the notebook's.

    Attributes:
        source: the text, dedented.
        facts: names taken from the notebook, clashes, decorators kept.
        code: the new function's code, to see its kind.

    Raises:
        PatchRefused: the text does not compile, does not define exactly one function, or has
            decorators that the target does not have.
    """

    def __init__(
        self,
        asked: str,
        text: str,
        target: Target,
        original: FunctionType,
        namespace: dict[str, Any],
        *,
        closure: Mapping[str, CellType] | None = None,
        namespace_first: bool = False,
    ) -> None:
        self.asked = asked
        self.source = textwrap.dedent(text)
        self.target = target
        self.original = original
        self.namespace = namespace
        self.namespace_first = namespace_first
        self.flags = original.__code__.co_flags & _FUTURE_FLAGS
        digest = hashlib.sha256(self.source.encode()).hexdigest()[:8]
        self.filename = f"<livepatch {digest} {target.path}>"
        self.imports, definition = self._parse()
        decorators = self._keep_decorators(definition)
        code = original.__code__
        cells = zip(code.co_freevars, original.__closure__ or (), strict=True)
        self.closure = dict(cells) if closure is None else dict(closure)
        self.uses = self._redirect_names(definition)
        self.closure |= {name: types.CellType(original) for name in self.uses.saved}
        self.facts = (*self.uses.facts(), *decorators)
        self._factory_code = self._compile(self._enclose(definition))
        self.code = _find_code(self._factory_code)

    def build(self) -> FunctionType:
        """Run the imports in the namespace and make the function.

        Raises:
            PatchRefused: an import, a default value or an annotation raised.
        """
        scope: dict[str, Any] = {}
        arguments = {name: None for name in self.closure if name != "__class__"}
        try:
            if self.imports:
                exec(self._compile(ast.Module([*self.imports], [])), self.namespace)
            exec(self._factory_code, self.original.__globals__, scope)
            remember(self.filename, self.source)
            made = scope[_FACTORY](**{NAMESPACE: self.namespace}, **arguments)
        except Exception as error:
            raise PatchRefused(
                self.asked,
                f"an import, a default value or an annotation of the new code raised "
                f"{type(error).__name__}: {error}",
                "mend that and run the cell again",
            ) from error
        return self._in_place(made)

    def _parse(self) -> tuple[Sequence[ast.stmt], FunctionNode]:
        try:
            tree = ast.parse(self.source)
        except (SyntaxError, ValueError) as error:
            raise self._does_not_compile(error) from None
        functions = [s for s in tree.body if isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef))]
        others = [s for s in tree.body if s not in functions]
        imports = [s for s in others if isinstance(s, (ast.Import, ast.ImportFrom))]
        code = self.original.__code__
        parameters = ", ".join(code.co_varnames[: code.co_argcount])
        write = f"write one function: def {self.original.__name__}({parameters}): …"
        if not functions:
            raise PatchRefused(self.asked, "the text defines no function", write)
        if len(functions) > 1:
            names = ", ".join(function.name for function in functions)
            found = f"the text defines {len(functions)} functions: {names}"
            raise PatchRefused(self.asked, found, write)
        if len(others) > len(imports):
            stranger = next(s for s in others if s not in imports)
            found = ast.unparse(stranger).splitlines()[0]
            raise PatchRefused(
                self.asked,
                f"line {stranger.lineno} of the text is no function and no import: {found}",
                "put that line into a cell of its own, and run that first",
            )
        return imports, functions[0]

    def _compile(self, tree: ast.Module) -> CodeType:
        try:
            code: CodeType = compile(tree, self.filename, "exec", self.flags, dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            raise self._does_not_compile(error) from None
        return code

    def _does_not_compile(self, error: SyntaxError | ValueError) -> PatchRefused:
        if not isinstance(error, SyntaxError) or not error.lineno:
            return PatchRefused(
                self.asked, f"the text does not compile: {error}", "mend it and run the cell again"
            )
        lines = self.source.splitlines()
        line = lines[error.lineno - 1].strip() if error.lineno <= len(lines) else ""
        return PatchRefused(
            self.asked,
            f"line {error.lineno} of the text does not compile: {error.msg}: {line}",
            "mend that line and run the cell again",
        )

    def _keep_decorators(self, definition: FunctionNode) -> tuple[str, ...]:
        """Take the decorators off a definition that its target has as well; refuse others."""
        given = [ast.unparse(decorator) for decorator in definition.decorator_list]
        definition.decorator_list = []
        if not given:
            return ()
        if given == _decorators_of(self.original):
            return (f"keeps the webui's own {', '.join(f'@{name}' for name in given)}",)
        raise PatchRefused(
            self.asked,
            f"the original has no such decorators as @{', @'.join(given)} ({place(self.original)})",
            "leave the decorators out: those of the original stay around the new code",
        )

    def _redirect_names(self, definition: FunctionNode) -> Uses:
        """Point the notebook's names to the notebook, and say whose names are used."""
        uses, module = Uses(), self.original.__globals__
        imported = {
            (alias.asname or alias.name).partition(".")[0]
            for statement in self.imports
            for alias in statement.names  # type: ignore[attr-defined]
        }

        def is_notebooks(name: str) -> bool:
            if self._is_saved_original(name):
                uses.saved.add(name)
            elif name in imported or self._is_notebooks(name):
                uses.notebook.add(name)
                return True
            elif name in module:
                if name in self.namespace and self.namespace[name] is not module[name]:
                    uses.clashes.add(name)
            elif not hasattr(builtins, name) and not _is_private(name):
                uses.nowhere.add(name)
            return False

        own = {definition.name} - module.keys()
        visitor = NotebookNames(
            {"__class__", *self.closure, *own},
            is_notebooks,
            with_annotations=not self.flags & __future__.annotations.compiler_flag,
        )
        visitor.visit(definition)
        uses.nowhere |= visitor.declared_global - module.keys()
        return uses

    def _is_notebooks(self, name: str) -> bool:
        """Whether a name that the text does not bind is the notebook's."""
        if name not in self.namespace:
            return False
        if self.namespace_first:
            return True
        if name in self.original.__globals__:
            return False
        # A name of a builtin counts where the user gave it a meaning: IPython has an `open` and an
        # `input` of its own in every notebook.
        value = self.namespace[name]
        own_module = self.namespace.get("__name__")
        return not hasattr(builtins, name) or (
            not callable(value)
            or getattr(value, "__globals__", None) is self.namespace
            or getattr(value, "__module__", None) == own_module
        )

    def _is_saved_original(self, name: str) -> bool:
        """Whether a name holds the target itself under another name: the webui's code is meant."""
        saved = self.namespace.get(name) is self.target.function
        return saved and name != self.target.function.__name__

    def _enclose(self, definition: FunctionNode) -> ast.Module:
        """A factory around the definition: its parameters become the definition's cells."""
        name, definition.name = definition.name, _NEW
        _mention(definition, self.original.__code__.co_freevars)
        body: list[ast.stmt] = [definition]
        result = _NEW
        if self.target.owner_class is not None:
            # In a class body, private names are mangled and zero-argument super() finds a
            # __class__ cell.
            holder_name = self._holder_name(definition)
            holder = ast.parse(f"class {holder_name}: pass").body[0]
            assert isinstance(holder, ast.ClassDef)
            holder.body = [definition]
            body = [holder]
            result = f"{holder_name}.{_NEW}"
        if name not in self.original.__globals__:
            body += ast.parse(f"{name} = {result}").body  # the function may call itself
        body += ast.parse(f"return {result}").body
        parameters = ", ".join(sorted({NAMESPACE, *self.closure} - {"__class__"}))
        factory = ast.parse(f"def {_FACTORY}({parameters}): pass")
        assert isinstance(factory.body[0], ast.FunctionDef)
        factory.body[0].body = body
        return ast.fix_missing_locations(factory)

    def _holder_name(self, definition: FunctionNode) -> str:
        """A class name that mangles as the target's does, and that nobody means.

        The compiler strips leading underscores when it mangles, so some more of them keep the
        class's own name free for the class itself.
        """
        assert self.target.owner_class is not None
        bare = re.match(r"\w*", self.target.owner_class.__name__)
        name = f"_{bare.group() if bare else ''}"
        used = {node.id for node in ast.walk(definition) if isinstance(node, ast.Name)}
        while name in used or name in self.original.__globals__:
            name = f"_{name}"
        return name

    def _in_place(self, made: FunctionType) -> FunctionType:
        """The function that the factory made, with the target's closure cells and names."""
        original = self.original
        code = _renamed(made.__code__, made.__qualname__, original.__qualname__)
        code = code.replace(co_name=original.__code__.co_name)
        own = dict(zip(made.__code__.co_freevars, made.__closure__ or (), strict=True))
        if "__class__" in own and "__class__" not in self.closure:
            own["__class__"].cell_contents = self.target.owner_class
        cells = tuple(self.closure.get(name, own[name]) for name in code.co_freevars)
        made.__code__ = code
        made.__name__, made.__qualname__ = original.__name__, original.__qualname__
        made.__module__ = original.__module__
        if any(cell is not own[name] for name, cell in zip(own, cells, strict=True)):
            return clone(made, cells)
        return made


def _mention(definition: FunctionNode, free_variables: tuple[str, ...]) -> None:
    """Keep the target's free variables in a code that does not use them.

    Then the code fits the target's closure. The compiler drops the branch and keeps the variables.
    """
    bound = {
        node.id
        for node in ast.walk(definition)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }
    nonlocal_names = {
        name
        for node in ast.walk(definition)
        if isinstance(node, ast.Nonlocal)
        for name in node.names
    }
    declared_global = {
        name for node in ast.walk(definition) if isinstance(node, ast.Global) for name in node.names
    }
    parameters = {node.arg for node in ast.walk(definition) if isinstance(node, ast.arg)}
    own = (bound | parameters | declared_global) - nonlocal_names
    mentioned = [name for name in free_variables if name not in own]
    if not mentioned:
        return
    statement = ast.parse(f"if 0: ({', '.join(mentioned)},)").body[0]
    for node in ast.walk(statement):
        if hasattr(node, "lineno"):
            ast.copy_location(node, definition.body[-1])
    definition.body.append(statement)


def _decorators_of(function: FunctionType) -> list[str]:
    source = source_of(function)
    try:
        (definition,) = ast.parse(source or "").body
    except (SyntaxError, ValueError):  # no source, or a lambda's line
        return []
    return [ast.unparse(d) for d in getattr(definition, "decorator_list", [])]


def _is_private(name: str) -> bool:
    """Whether a name is mangled in a class body: it cannot be looked up as it is written."""
    return name.startswith("__") and not name.endswith("__")


def _find_code(code: CodeType) -> CodeType:
    """The new function's code within that of its factory."""
    for constant in code.co_consts:
        if inspect.iscode(constant):
            return constant if constant.co_name == _NEW else _find_code(constant)
    raise LookupError(_NEW)


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
