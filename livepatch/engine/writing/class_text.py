"""The text of a class, compiled in the place of a class of the webui: what its body defines.

A class is its definitions. The body of the text runs as the body of a class does, in the class's
module, with its private names and with a ``__class__`` that is the webui's class; but no class is
made of it, so whoever looks on while classes are made (a metaclass, ``__init_subclass__``, a
decorator) sees nothing. What only its maker could take in, a field or a base, has to be as it is:
``class_shape`` decides that. State that the class holds is not made a second time.
"""

from __future__ import annotations
import __future__

import ast
import sys
from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any

from ..errors import PatchRefused
from ..naming.slots import ABSENT
from ..reading.compiled import future_flags
from ..reading.descriptors import parts_of
from ..reading.sources import definition_of, place
from ..reading.texts import name_of, texts
from ..switching.state import clone
from .class_body import Body, functions_in, maker_of
from .class_scope import is_harmless, is_simple
from .class_shape import Shape
from .decorators import are_kept, listed
from .graft import dedented, parse_one
from .names import mangled
from .placed import mention
from .placing import (
    Place,
    Settled,
    compile_text,
    enclose,
    factory_in,
    make,
    own_future_flags,
    unused_name,
)
from .resolution import Resolution, value_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import CodeType

    from .names import FunctionNode


class ClassText:
    """The text of a class, compiled in the place of a class of the webui, but not run yet.

    Args:
        asked: the user's request in words.
        text: imports, then one ``class`` of any name.
        path: the target's dotted name.
        target_class: the class whose definitions it gives.
        namespace: the notebook's names.
        original_function: answers a function with the webui's own code of one of the class's
            methods, whatever layers lie on it; default: what it runs now.
        originals: what the webui's own is of attributes that have a layer, ``ABSENT`` for nothing.

    Attributes:
        stays: the names of the text that stay as they are in the class, for the answer.

    Raises:
        PatchRefused: the text does not compile, is not one class, or changes what is made with the
            class: its bases, its decorators, its fields.
    """

    def __init__(
        self,
        asked: str,
        text: str,
        path: str,
        target_class: type,
        namespace: dict[str, Any],
        original_function: Callable[[FunctionType], FunctionType] = clone,
        originals: Mapping[str, Any] | None = None,
    ) -> None:
        self.asked = asked
        self.source = dedented(text)
        self.target_class = target_class
        self.namespace = namespace
        self.original_function = original_function
        self.originals = originals or {}
        self.stays: list[str] = []
        self.told: list[str] = []
        self.values: dict[str, Any] = {}
        name = target_class.__name__
        self.imports, definition = parse_one(
            asked, self.source, (ast.ClassDef,), "class", f"write one class: class {name}: …"
        )
        assert isinstance(definition, ast.ClassDef)
        self.filename = name_of(self.source, path)
        self.methods = [*_methods(target_class)]
        self.place = self._place(definition.name)
        self._compile(ast.Module([definition], []))  # before it is changed: an error is the text's
        definition.name = name  # private names are those of the old class
        self._reduce(definition, path, target_class)
        resolution = Resolution(
            self.place,
            namespace,
            self.imports,
            original_of=lambda _, value, is_notebooks: self._saved(value),  # noqa: ARG005
            values=self.values,
        )
        resolution.redirect(definition)
        self.uses = resolution.uses
        self.constants = resolution.constants
        self._compiled = self._compile(enclose(definition, self.place))

    @property
    def facts(self) -> tuple[str, ...]:
        """What the answer has to say of it."""
        return (*self.uses.facts(), *self.told)

    def build(self) -> Body:
        """Run the imports in the namespace, and the definitions.

        Raises:
            PatchRefused: one of them raised.
        """

        def settled(filename: str) -> CodeType:
            return Settled(
                inner=unused_name(self.target_class.__name__),
                name=self.target_class.__name__,
                qualified_name=self.target_class.__qualname__,
                constants=self.constants(),
                filename=filename,
            ).code(factory_in(self._compiled))

        try:
            if self.imports:
                exec(self._compile(ast.Module([*self.imports], [])), self.namespace)
            body: Body = make(texts.keep(self.filename, self.source, settled), self.place)
        except PatchRefused:
            raise
        except Exception as error:
            raise PatchRefused(
                self.asked,
                f"running the definitions of the text raised {type(error).__name__}: {error}",
                "fix that and run the cell again",
            ) from error
        return body

    def _reduce(self, definition: ast.ClassDef, path: str, cls: type) -> None:
        """Leave of a class statement what is to run, and make a body of it instead of a class."""
        shape = Shape(self.asked, path, cls, self.imports, self.place.module, self.namespace)
        shape.check(definition)
        reduced = _Reduced(self, shape, definition, path, cls)
        definition.body = reduced.body or [ast.copy_location(ast.Pass(), definition)]
        maker = f"maker_{len(self.values)}"
        self.values[maker] = maker_of(cls, reduced.bare, reduced.remade)
        definition.bases, definition.decorator_list = [], []
        definition.keywords = [ast.keyword("metaclass", value_named(maker))]
        ast.fix_missing_locations(definition)

    def _place(self, own_name: str) -> Place:
        module = getattr(sys.modules.get(self.target_class.__module__), "__dict__", None)
        for method in self.methods:
            if module is None or method.__globals__.get("__name__") == self.target_class.__module__:
                module = method.__globals__
                break
        if module is None:
            raise PatchRefused(
                self.asked,
                f"the module {self.target_class.__module__} of {place(self.target_class)} is not "
                f"loaded, and no method of the class leads to it",
                "replace its methods one by one",
            )
        here = [method for method in self.methods if method.__globals__ is module]
        cells = {
            name: cell
            for method in here
            for name, cell in zip(
                method.__code__.co_freevars, method.__closure__ or (), strict=True
            )
            if not name.startswith("__class")  # made with the class, like __classdict__
        }
        for name in {own_name, self.target_class.__name__}:
            if module.get(name) is not self.target_class:
                cells[name] = CellType(self.target_class)
        flags = 0
        if module.get("annotations") is __future__.annotations:
            flags = __future__.annotations.compiler_flag
        for method in here:
            flags |= future_flags(method.__code__)
        return Place(module, cells, None, flags | own_future_flags(self.imports))

    def _compile(self, tree: ast.Module) -> CodeType:
        lines = self.source.splitlines()
        return compile_text(self.asked, tree, self.filename, self.place.flags, lines)

    def _saved(self, value: object) -> FunctionType | None:
        """The webui's code where the notebook saved a method of the class."""
        if isinstance(value, FunctionType) and value in self.methods:
            return self.original_function(value)
        return None


class _Reduced:
    """A class body of a text, without what is in the live class already and is no definition.

    Its place is taken by what the class has under that name, for the statements below it.
    """

    def __init__(
        self, text: ClassText, shape: Shape, definition: ast.ClassDef, path: str, cls: type
    ) -> None:
        self.text = text
        self.shape = shape
        self.path = path
        self.cls = cls
        self.own: dict[str, Any] = {**vars(cls), **getattr(cls, "__members__", {})}
        originals = text.originals if cls is text.target_class else {}
        self.own.update(originals)
        self.added = {name: vars(cls)[name] for name in originals if originals[name] is ABSENT}
        for name in self.added:
            del self.own[name]
        self.bare: set[str] = set()
        self.remade: set[str] = set()
        self.groups: dict[str, list[ast.stmt]] = {}
        for statement in definition.body:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self.groups.setdefault(statement.name, []).append(statement)
        self.body: list[ast.stmt] = []
        self.seen: set[str] = set()
        for number, statement in enumerate(definition.body):
            self.body += self._statement(statement, is_first=not number)
            self.seen.add(getattr(statement, "name", ""))

    def _statement(self, statement: ast.stmt, *, is_first: bool) -> Sequence[ast.stmt]:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return self._function(statement)
        if isinstance(statement, ast.ClassDef):
            return self._nested(statement)
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            return self._annotated(statement, statement.target.id)
        names = _assigned(statement)
        if names:
            assert isinstance(statement, ast.Assign)
            return self._assigned(statement, names)
        if isinstance(statement, ast.Pass) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        ):
            return [statement] if is_first else []
        self.shape.check_other(statement)
        return self._as_it_is(statement, self.shape.names_bound(statement))

    def _as_it_is(
        self, statement: ast.stmt, names: Sequence[str], has: Mapping[str, Any] | None = None
    ) -> list[ast.stmt]:
        """What the class has under some names, for the statements that use them."""
        has = self.own if has is None else has
        found: list[ast.stmt] = []
        for name in names:
            own_name = mangled(self.cls.__name__, name)
            if own_name in has:
                value = f"own_{len(self.text.values)}"
                self.text.values[value] = has[own_name]
                assignment = ast.Assign([ast.Name(name, ast.Store())], value_named(value))
                found.append(ast.fix_missing_locations(ast.copy_location(assignment, statement)))
        return found

    def _assigned(
        self, statement: ast.Assign, names: list[str], written: ast.stmt | None = None
    ) -> Sequence[ast.stmt]:
        """The statements for an assignment, which may have been written with an annotation."""
        shape = self.shape
        own_names = [mangled(self.cls.__name__, name) for name in names]
        if "__slots__" in names:
            shape.check_slots(statement)
            return []
        if any(shape.is_field(name) for name in own_names):
            for name in own_names:
                shape.check_field(statement, name, statement.value)
            return self._as_it_is(statement, names)
        shape.check_member(statement, own_names)
        if is_simple(statement.value, shape.scope):
            # As the class's own text has it: a counter goes on, it does not begin anew.
            is_unchanged = all(name in self.own for name in own_names) and shape.is_in_source(
                written or statement
            )
            return self._as_it_is(statement, names) if is_unchanged else [statement]
        if shape.is_met(statement, own_names):
            return []
        if all(name in self.added for name in own_names):  # what it has become, as state
            return self._as_it_is(statement, names, self.added)
        if any(name not in self.own for name in own_names):
            return [statement]
        shape.check_state(statement, own_names)
        self.text.stays += names
        return self._as_it_is(statement, names)

    def _annotated(self, statement: ast.AnnAssign, name: str) -> Sequence[ast.stmt]:
        if self.shape.check_annotation(statement, mangled(self.cls.__name__, name)):
            return self._as_it_is(statement, [name])
        if statement.value is None:
            return []
        plain = ast.copy_location(ast.Assign([statement.target], statement.value), statement)
        return self._assigned(plain, [name], statement)

    def _nested(self, statement: ast.ClassDef) -> Sequence[ast.stmt]:
        name = mangled(self.cls.__name__, statement.name)
        nested = self.own.get(name)
        if isinstance(nested, type):
            self.text._reduce(statement, f"{self.path}.{name}", nested)
            return [statement]
        if self.shape.is_built and name not in self.added:
            self.text.stays.append(statement.name)  # options of the class, as its maker reads them
            return []
        return [statement]

    def _function(self, statement: FunctionNode) -> Sequence[ast.stmt]:
        name = mangled(self.cls.__name__, statement.name)
        live = self.own.get(name)
        if self.shape.is_used_up(statement):
            return []
        if self._is(statement, "typing.overload", "typing_extensions.overload"):
            return []
        functions = [f for f in functions_in(live, name, self.cls) if isinstance(f, FunctionType)]
        held = {name: None for f in functions for name in f.__code__.co_freevars}
        # From 3.14 on a branch that is dropped leaves an instruction: then no code is the same.
        used = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
        used |= {"__class__"} if "super" in used else set()
        around = {"__class__", *self.text.place.cells}
        mention(statement, tuple(name for name in held if name in around - used))
        if name in self.own and not self._is_plain(statement, live, functions):
            return self._decorated(statement, name, live, functions)
        is_accessor = any(isinstance(d, ast.Attribute) for d in statement.decorator_list)
        above = [statement.name] if is_accessor and statement.name not in self.seen else []
        return [*self._as_it_is(statement, above), statement]

    def _is(self, statement: FunctionNode, *names: str) -> bool:
        return any(self.shape.around.names(d) in names for d in statement.decorator_list)

    def _is_plain(
        self, statement: FunctionNode, live: object, functions: list[FunctionType]
    ) -> bool:
        """Whether only descriptors such as a property are around a function, before and after."""
        around = self.shape.around
        if not all(is_harmless(d, live, around) for d in statement.decorator_list):
            return False
        return not functions or live in functions or functions[0] in parts_of(live).values()

    def _decorated(
        self, statement: FunctionNode, name: str, live: object, functions: list[FunctionType]
    ) -> Sequence[ast.stmt]:
        """What is to run of a function with decorators: those of the live one stay around it."""
        shape, decorators = self.shape, statement.decorator_list
        if len(self.groups[statement.name]) > 1 or not functions:
            if shape.is_in_source(statement):
                return self._as_it_is(statement, [statement.name])
            shape.refuse(
                f"{name} is a {type(live).__name__}, and livepatch cannot tell its functions apart",
                f"leave {name} out of the text, or reload {self.cls.__module__}",
            )
        definition = definition_of(self.text.original_function(functions[0]))
        own: list[ast.expr] = getattr(definition, "decorator_list", [])
        module, imports = self.text.place.module, self.text.imports
        if definition is None and decorators:
            shape.refuse(
                f"the decorators of {name} cannot be read ({place(functions[0])}), those of the "
                f"text are {listed(decorators)}",
                "leave the decorators out: those of the original stay around the new code",
            )
        if not decorators or are_kept(decorators, own, module, imports, self.text.namespace):
            if own:
                self.text.told.append(f"{name} keeps the webui's own {listed(own)}")
            self.bare.add(name)
            statement.decorator_list = []
        elif any(not is_harmless(d, live, shape.around) for d in own):
            shape.refuse(
                f"the decorators of {name} are {listed(own)}, those of the text are "
                f"{listed(decorators)}",
                "leave the decorators out: those of the original stay around the new code",
            )
        else:
            self.remade.add(name)
        return [statement]


def _assigned(statement: ast.stmt) -> list[str]:
    """The names that an assignment binds; none where it does more than that."""
    if not isinstance(statement, ast.Assign):
        return []
    targets = [
        one
        for target in statement.targets
        for one in (target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target])
    ]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return names if len(names) == len(targets) else []


def _methods(owner: type) -> Iterator[FunctionType]:
    """The functions that were written in a class's body, below descriptors and decorators."""
    for name, value in vars(owner).items():
        for function in functions_in(value, name, owner):
            if isinstance(function, FunctionType):
                yield function
