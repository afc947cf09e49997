"""Checks what a class was made with, which a text of the class has to leave as it is.

Bases, metaclass, decorators, slots, members and fields: whoever makes the class works something out
of them, and instances of it exist. They are compared with the live class; only where nothing in the
class tells (a call such as ``Field(gt=0)``), with the class's own source text.
"""

from __future__ import annotations

import ast
import enum
import functools
import importlib
import inspect
import sys
import types
from abc import ABCMeta
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import PatchRefused
from ..naming.own_name import dotted_name
from ..reading.parsing import parse
from ..reading.sources import place, source_of
from .class_scope import Scope
from .decorators import UNKNOWN, are_kept, imported, listed
from .names import mangled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PLAIN = (bool, bytes, complex, float, int, str, type(None), type(...), type(NotImplemented))
# Bases that stand for another one.
_STANDING_FOR = {"NamedTuple": tuple, "TypedDict": dict}


class Shape:
    """The shape of a live class, and the checks of a text against it.

    Args:
        asked: the user's request in words.
        path: the class's dotted name.
        cls: the class.
        imports: the text's imports.
        module: the names of the class's module.
        namespace: the notebook's names.
    """

    def __init__(
        self,
        asked: str,
        path: str,
        cls: type,
        imports: Sequence[ast.stmt],
        module: dict[str, Any],
        namespace: dict[str, Any],
    ) -> None:
        self.asked = asked
        self.path = path
        self.cls = cls
        self.imports = imports
        self.module = module
        self.namespace = namespace
        self.members: Mapping[str, Any] = getattr(cls, "__members__", {})
        own = {**vars(cls), **self.members}
        self.scope = Scope(own, module, imported(imports), namespace)
        self.around = Scope(module, imported(imports), namespace)
        self.annotations = annotations_of(cls)
        self.is_built = is_built(cls)

    @functools.cached_property
    def source(self) -> ast.ClassDef | None:
        """The class's own text, parsed; None where it cannot be had."""
        text = source_of(self.cls)
        try:
            tree = parse(text) if text else None
        except (SyntaxError, ValueError, RecursionError):
            return None
        first = tree.body[0] if tree is not None and tree.body else None
        return first if isinstance(first, ast.ClassDef) else None

    @functools.cached_property
    def _parameters(self) -> Mapping[str, inspect.Parameter]:
        try:
            return inspect.signature(self.cls).parameters if self.is_built else {}
        except Exception:  # it is the class's own code that answers
            return {}

    def refuse(self, found: str, advice: str = "") -> NoReturn:
        """Refuse the text."""
        raise PatchRefused(
            self.asked,
            f"{self.path} ({place(self.cls)}): {found}",
            advice or f"keep that as it is, or replace its methods one by one: {self.path}.method",
        )

    def check(self, definition: ast.ClassDef) -> None:
        """Refuse other bases, another metaclass and other decorators of the class."""
        if not self.cls.__flags__ & (1 << 9):
            self.refuse(f"{self.cls.__name__} is written in C: its attributes cannot be set")
        self._check_bases(definition)
        for keyword in definition.keywords:
            self._check_keyword(keyword)
        if definition.decorator_list:
            self.is_built = True
            self._check_decorators(definition.decorator_list)

    def _check_bases(self, definition: ast.ClassDef) -> None:
        values = [self.around.value(base) for base in definition.bases]
        listed_bases = ", ".join(map(ast.unparse, definition.bases)) or "no bases"
        if any(value is UNKNOWN for value in values):
            own = self.source.bases if self.source else None
            same = own is not None and list(map(ast.dump, own)) == [
                *map(ast.dump, definition.bases)
            ]
        else:
            values = [_STANDING_FOR.get(getattr(v, "__name__", ""), v) for v in values]
            same = are_bases(self.cls, types.resolve_bases(values))
            same = same or bool(getattr(definition, "type_params", ()))
        if not same:
            bases = ", ".join(base.__name__ for base in self.cls.__bases__)
            self.refuse(f"its bases are ({bases}), those of the text are ({listed_bases})")

    def _check_keyword(self, keyword: ast.keyword) -> None:
        if keyword.arg == "metaclass":
            metaclass = self.around.value(keyword.value)
            if metaclass is type(self.cls):
                return
            if isinstance(metaclass, type):
                self.refuse(
                    f"its metaclass is {type(self.cls).__name__}, that of the text is "
                    f"{metaclass.__name__}"
                )
        own = {ast.dump(one) for one in self.source.keywords} if self.source else set()
        if ast.dump(keyword) not in own:
            self.refuse(
                f"{ast.unparse(keyword)} is in the text, and the class was not made with it"
            )

    def _check_decorators(self, given: Sequence[ast.expr]) -> None:
        if self.source is None:
            self.refuse(
                f"its decorators cannot be read, those of the text are {listed(given)}",
                "leave the decorators out: those of the class stay",
            )
        own = self.source.decorator_list
        if not are_kept(given, own, self.module, self.imports, self.namespace):
            has = f"its decorators are {listed(own)}" if own else "it has no decorators"
            self.refuse(f"{has}, those of the text are {listed(given)}")

    def check_slots(self, statement: ast.Assign) -> None:
        """Refuse other slots."""
        given, own = self.scope.value(statement.value), vars(self.cls).get("__slots__", UNKNOWN)
        if given is UNKNOWN or own is UNKNOWN or _listed_slots(given) != _listed_slots(own):
            has = "it has no __slots__" if own is UNKNOWN else f"its __slots__ are {own!r}"
            self.refuse(f"{has}, those of the text are {ast.unparse(statement.value)}")

    def is_field(self, name: str) -> bool:
        """Whether a name that the text assigns is a member or a field of the class."""
        if name in self.members or name in getattr(self.cls, "__private_attributes__", ()):
            return True
        own = vars(self.cls).get(name)
        is_data = hasattr(type(own), "__set__") and not isinstance(own, property)
        is_option = self._has_maker and name[:2] == name[-2:] == "__" and name != "__doc__"
        return (
            is_data
            or is_option
            or (self.is_built and name in self._parameters and name in self.annotations)
        )

    def check_member(self, statement: ast.Assign, names: Sequence[str]) -> None:
        """Refuse a new member of an enumeration."""
        for name in names:
            if isinstance(self.cls, enum.EnumMeta) and not hasattr(self.cls, name):
                value = self.scope.value(statement.value)
                if name[:1] != "_" and not hasattr(type(value), "__get__"):
                    self.refuse(f"it has no member {name}, and members are made with the class")

    def is_used_up(self, statement: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """Whether a function has made the members of an enumeration, and is not called again."""
        if statement.name not in ("__new__", "_generate_next_value_"):
            return False
        if not isinstance(self.cls, enum.EnumMeta):
            return False
        if self.is_in_source(statement) is False:
            self.refuse(f"{statement.name} differs in the text, and its members exist already")
        return True

    def check_field(self, statement: ast.stmt, name: str, value: ast.expr | None) -> None:
        """Refuse a field or member whose value in the text is another."""
        given = self.scope.value(value)
        live = self._value_of_field(name)
        same: bool | None
        if live is not UNKNOWN and value is None:
            same = live is inspect.Parameter.empty
        elif live is not UNKNOWN and given is not UNKNOWN:
            same = are_equal(
                getattr(given, "value", given) if name in self.members else given, live
            )
        else:
            same = self.is_in_source(statement)
        if same is False:
            self._refuse_field(statement, name)

    def _value_of_field(self, name: str) -> Any:
        """The value of a field when nothing is given for it; ``empty`` where there is none."""
        if name in self.members:
            member = self.members[name]
            is_made = isinstance(getattr(self.cls, "_new_member_", None), types.FunctionType)
            return UNKNOWN if is_made else member.value
        own = vars(self.cls).get(name, UNKNOWN)
        if name in self._parameters:
            own = self._parameters[name].default
        is_told = own is inspect.Parameter.empty or is_constant(own)
        return own if is_told else UNKNOWN

    def _refuse_field(self, statement: ast.stmt, name: str) -> NoReturn:
        what = "member" if name in self.members else "field"
        known = name in self.members or name in self.annotations or name in vars(self.cls)
        text = ast.unparse(statement).splitlines()[0]
        self.refuse(
            f"the {what} {name} differs in the text ({text}), and was made with the class"
            if known
            else f"it has no {what} {name} ({text}), and {what}s are made with the class",
            f"keep its {what}s as they are, or reload {self.cls.__module__} for a new class",
        )

    def check_annotation(self, statement: ast.AnnAssign, name: str) -> bool:
        """Refuse a field of another annotation or value.

        Returns:
            Whether it is a field, made with the class; else it is an attribute like any other.
        """
        if _is_class_variable(statement.annotation):
            return False
        if name not in self.annotations:
            if self.is_built and self.is_in_source(statement) is not True:
                self._refuse_field(statement, name)
            return self.is_built
        own = self.annotations[name]
        given = self.around.value(statement.annotation)
        same: bool | None
        if isinstance(own, str):
            same = _is_text_of(own, statement.annotation)
        elif given is not UNKNOWN and not hasattr(own, "__forward_arg__"):
            same = are_equal(given, own) or given == own or repr(given) == repr(own)
        else:
            same = self.is_in_source(statement, annotation_only=True)
        if same is False:
            self._refuse_field(statement, name)
        if self.is_built:
            self.check_field(statement, name, statement.value)
        return self.is_built

    def check_state(self, statement: ast.Assign, names: Sequence[str]) -> None:
        """Refuse a changed value that something was made of with the class."""
        for name in names:
            is_data = hasattr(type(vars(self.cls).get(name)), "__set__")
            is_made = self._has_maker and isinstance(statement.value, ast.Call)
            if (is_data or is_made) and self.is_in_source(statement) is False:
                self._refuse_field(statement, name)

    def is_met(self, statement: ast.Assign, names: Sequence[str]) -> bool:
        """Whether the class's maker has met what the class itself does not show; refuses the new.

        A metaclass takes fields out of the body (``Field()``, ``Column()``), and may take in what
        is assigned later.
        """
        is_shown = all(name in vars(self.cls) for name in names)
        if is_shown or not self._has_maker or not isinstance(statement.value, ast.Call):
            return False
        if self.is_in_source(statement) is False:
            self._refuse_field(statement, names[0])
        return True

    @property
    def _has_maker(self) -> bool:
        return type(self.cls) not in (type, ABCMeta)

    def check_other(self, statement: ast.stmt) -> None:
        """Refuse a statement that is no definition, unless the class has it as it is."""
        if self.is_in_source(statement):
            return
        line = ast.unparse(statement).splitlines()[0]
        self.refuse(
            f"line {statement.lineno} of the text is not a definition: {line}",
            "write definitions only: def, class, NAME = value",
        )

    def is_in_source(self, statement: ast.stmt, *, annotation_only: bool = False) -> bool | None:
        """Whether the class's own text has the same statement; None where it cannot be had."""
        if self.source is None:
            return None
        if annotation_only:
            assert isinstance(statement, ast.AnnAssign)
            given = ast.dump(statement.annotation)
            name = ast.dump(statement.target)
            return any(
                (ast.dump(one.target), ast.dump(one.annotation)) == (name, given)
                for one in self.source.body
                if isinstance(one, ast.AnnAssign)
            )
        return ast.dump(statement) in {ast.dump(one) for one in self.source.body}

    def names_bound(self, statement: ast.stmt) -> list[str]:
        """The names of the class that a statement may bind."""
        found = {
            getattr(node, "id", None) or getattr(node, "name", None) for node in ast.walk(statement)
        }
        return [
            name
            for name in sorted(n for n in found if isinstance(n, str))
            if mangled(self.cls.__name__, name) in vars(self.cls)
        ]


def is_built(cls: type) -> bool:
    """Whether somebody works things out of a class's body while it is made."""
    if type(cls) not in (type, ABCMeta):
        return True
    if vars(cls).keys() & {"__dataclass_fields__", "__attrs_attrs__", "_fields"}:
        return True
    return any(
        "__init_subclass__" in vars(one) and one.__module__ not in ("builtins", "typing")
        for one in cls.__mro__[1:]
    )


def is_constant(value: object) -> bool:
    """Whether a value cannot change in itself: text, numbers, classes, members of enumerations."""
    if type(value) in (tuple, frozenset):
        return all(map(is_constant, value))  # type: ignore[call-overload]
    return type(value) in _PLAIN or isinstance(value, (type, enum.Enum))


def are_equal(some: object, other: object) -> bool:
    """Whether two constants are the same."""
    if type(some) is not type(other):
        return False
    if isinstance(some, (type, enum.Enum)):
        return some is other
    if isinstance(some, tuple) and isinstance(other, tuple):
        return len(some) == len(other) and all(map(are_equal, some, other))
    try:
        return bool(some == other) or some is other
    except Exception:  # an element that cannot be compared: then it is taken as another value
        return False


def are_bases(cls: type, bases: Sequence[object]) -> bool:
    """Whether these are a class's bases, or go by the same names: of a module loaded again."""
    theirs: tuple[object, ...] = tuple(bases) or (object,)
    if theirs in (cls.__bases__, getattr(cls, "__orig_bases__", None)):
        return True
    return all(isinstance(base, type) for base in theirs) and [
        dotted_name(base) for base in theirs
    ] == [dotted_name(base) for base in cls.__bases__]


def annotations_of(cls: type) -> dict[str, Any]:
    """A class's own annotations; what they name need not be there."""
    if sys.version_info < (3, 14):
        return dict(vars(cls).get("__annotations__", {}))
    library: Any = importlib.import_module("annotationlib")
    # Asking the class would leave what it answers in its namespace.
    annotate = library.get_annotate_from_class_namespace(vars(cls))
    if annotate is None:
        return dict(vars(cls).get("__annotations__", {}))
    try:
        form = library.Format.FORWARDREF
        return dict(library.call_annotate_function(annotate, form, owner=cls))
    except Exception:  # it is the module's own code that computes them
        return {}


def _listed_slots(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _is_class_variable(annotation: ast.expr) -> bool:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value.replace("typing.", "").startswith("ClassVar")
    while isinstance(annotation, ast.Subscript):
        annotation = annotation.value
    return getattr(annotation, "attr", getattr(annotation, "id", None)) == "ClassVar"


def _is_text_of(text: str, annotation: ast.expr) -> bool:
    if isinstance(annotation, ast.Constant) and annotation.value == text:
        return True
    try:
        return ast.dump(ast.parse(text, mode="eval").body) == ast.dump(annotation)
    except SyntaxError:
        return False
