"""What a row of the table is, and the small program that each row runs in."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import inspect
import itertools
import sys
import textwrap
import types
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FUNCTION = """
def f(a=1):
    return "old", a
"""

METHOD = """
class C:
    def m(self):
        return "old"
"""

KINDS: list[Kind] = []
LIMITS: list[Limit] = []
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Kind:
    """One way in which a program holds a function.

    Attributes:
        name: what the table calls it.
        group: the file it stands in.
        text: the program's own module, ``app``; the one ``"old"`` in it is what changes.
        target: what is replaced, below ``app``; a function of ``app`` where it has no name.
        hold: takes a reference in ``app`` before the patch and answers how it is called later;
            a generator that yields that call ends afterwards what it began.
        new: the new definition, where it is not the old one with ``"new"`` for ``"old"``.
        elsewhere: the new definition as somebody writes it in another module, where it differs.
        dress: what a careful user assigns to the name so that a rebound name behaves the same.
        assigned: the name that such a user assigns to, where it is not the target.
        edit: the program's text as a careful user edits it, where it is more than ``"new"`` for
            ``"old"`` in the definition.
        override: the change is a new attribute that restore takes away: there is no object of the
            target's own whose identity could stay.
        value: the new value, where a value and no function is replaced.
        forms: how the new code can be given: as a function of another module, as a text.
        needs: modules without which the row is skipped.
    """

    name: str
    group: str
    text: str
    target: str | Callable[[Any], object]
    hold: Callable[[Any], Any]
    new: str | None = None
    elsewhere: str | None = None
    dress: Callable[[Any, Any], object] | None = None
    assigned: str | None = None
    edit: str | None = None
    override: bool = False
    value: object = None
    forms: tuple[str, ...] = ("function", "text")
    needs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    def missing(self) -> list[str]:
        """The modules that it needs and that are not installed."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None]


@dataclass(frozen=True)
class Limit(Kind):
    """What cannot be reached: refused, or named in the answer.

    Attributes:
        error: the name of the error that refuses it; None where the answer has to name it.
        says: words of the error's three lines, or of the answer line.
        stays: whether the call still gives the old result after the patch.
    """

    error: str | None = None
    says: tuple[str, ...] = ()
    stays: bool = True


def holding(text: str = FUNCTION, target: Any = "f", **fields: Any) -> Callable[[Any], Any]:
    """Make a row of the decorated function, which is the row's ``hold``."""
    return _row(Kind, KINDS, text, target, fields)


def limit(text: str = FUNCTION, target: Any = "f", **fields: Any) -> Callable[[Any], Any]:
    """Make a row of the other table: of what cannot be reached."""
    return _row(Limit, LIMITS, text, target, fields)


def _row(kind: Any, table: list[Any], text: str, target: Any, fields: Any) -> Any:
    def register(hold: Any) -> Any:
        name = hold.__name__.strip("_").replace("_", " ")
        group = hold.__module__.rpartition(".")[2]
        row = kind(name=name, group=group, text=text, target=target, hold=hold, **fields)
        if any(name == other.name for other in (*KINDS, *LIMITS)):
            raise ValueError(f"two rows are called {name!r}")
        table.append(row)
        return hold

    return register


def three(make: Callable[[], Any]) -> Callable[[], Any]:
    """Of what can be used once, prepare one for before, one for during and one for after."""
    return iter([make() for _ in range(3)]).__next__


class Same:
    """Equal to the same object only."""

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.thing is other.thing

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<the same {self.thing!r}>"


@dataclass
class Program:
    """A row's program: its module, loaded from a file of its own, and the reference it took.

    Example:
        >>> with Program(kind, folder) as program:  # doctest: +SKIP
        ...     program.call()
    """

    kind: Kind
    folder: Path
    ending: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> Program:
        self.module_name = f"held_{next(_numbers)}"
        sys.path.insert(0, str(self.folder))
        self.ending.callback(sys.path.remove, str(self.folder))
        try:
            self.text = textwrap.dedent(self.kind.text).lstrip("\n")
            self.app = self._load(self.module_name, self.text)
            held = self.kind.hold(self.app)
            if inspect.isgenerator(held):
                held = self.ending.enter_context(contextlib.contextmanager(lambda: held)())
            self._call, self._intact = held if isinstance(held, tuple) else (held, lambda: True)
            refused = isinstance(self.kind, Limit) and self.kind.error
            self._named = None if refused else self.named()
        except BaseException:
            self.ending.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.close()

    def _load(self, name: str, text: str) -> types.ModuleType:
        path = self.folder / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        self.ending.callback(sys.modules.pop, name, None)
        spec.loader.exec_module(module)
        return module

    def call(self) -> str:
        """What the call through the held reference gives, as text."""
        return repr(self._call())

    def is_intact(self) -> bool:
        """Whether the target's name leads to the very same object, and registries know it."""
        try:
            if not self._intact():
                return False
        except (AttributeError, LookupError):  # what hung on the old object is gone
            return False
        return self.kind.override or self.named() is self._named

    @property
    def target(self) -> Any:
        """The target as livepatch takes it."""
        if isinstance(self.kind.target, str):
            return f"{self.module_name}.{self.kind.target}"
        return self.kind.target(self.app)

    def new(self, form: str = "function") -> Any:
        """What the target is replaced by: a value, a function of another module, or a text."""
        if self.kind.value is not None:
            return self.kind.value
        return self.new_text() if form == "text" else self.new_function()

    def new_text(self) -> str:
        """The new definition, to stand in the target's place."""
        return self.kind.new or self._definition().replace("old", "new")

    def new_function(self) -> Any:
        """The new function, from another module."""
        text = textwrap.dedent(self.kind.elsewhere or self.new_text())
        tree = ast.parse(self.text)
        imports = [ast.unparse(n) for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
        text = "\n".join([*imports, text])
        name = next(n.name for n in ast.parse(text).body if hasattr(n, "name"))
        return getattr(self._load(f"elsewhere_{self.module_name}", text), name)

    def edited(self) -> str:
        """The program's text with the new code, as an editor would leave it."""
        if self.kind.edit is not None:
            return textwrap.dedent(self.kind.edit).lstrip("\n")
        old = self._definition(dedent=False)
        return self.text.replace(old, old.replace("old", "new"))

    def _definition(self, *, dedent: bool = True) -> str:
        """The text of the definition that the ``"old"`` stands in, without its decorators."""
        found = [
            node
            for node in ast.walk(ast.parse(self.text))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and "old" in "".join(self._lines(node))
        ]
        text = "".join(self._lines(found[-1])) if found else self.text
        return textwrap.dedent(text) if dedent else text

    def _lines(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
        return self.text.splitlines(keepends=True)[node.lineno - 1 : node.end_lineno]

    def owner(self, path: str) -> tuple[Any, str]:
        """What the last name of a path is an attribute of, and that name."""
        *parents, name = path.replace("['", ".").replace("']", "").split(".")
        holder: Any = self.app
        for parent in parents:
            holder = _static(holder, parent)
        return holder, name

    def named(self) -> object:
        """What the target's name leads to, not computed."""
        if not isinstance(self.kind.target, str):
            return self.kind.target(self.app)
        return _static(*self.owner(self.kind.target))

    def snapshot(self) -> dict[str, Any]:
        """All that "restored" means: of each function its code object and what goes with it."""
        seen: dict[str, Any] = {}
        _look(self.module_name, self.app, seen, set(), self.module_name)
        return seen


def _static(holder: Any, name: str) -> Any:
    if isinstance(holder, type):
        for ancestor in holder.__mro__:
            if name in ancestor.__dict__:
                return ancestor.__dict__[name]
    if name in getattr(holder, "__dict__", {}):
        return holder.__dict__[name]
    if isinstance(holder, dict):
        return holder[name]
    return getattr(holder, name)


def _look(path: str, thing: Any, seen: dict[str, Any], known: set[int], module: str) -> None:
    """Write down a thing of the program and all that hangs on it."""
    if id(thing) in known:
        return
    known.add(id(thing))
    parts: dict[str, Any] = {}
    if isinstance(thing, types.FunctionType):
        seen[path] = (
            Same(thing.__code__),
            thing.__defaults__,
            thing.__kwdefaults__,
            [Same(cell) for cell in thing.__closure__ or ()],
            {key: Same(value) for key, value in thing.__dict__.items()},
            _annotations(thing),
            thing.__doc__,
        )
        parts = {f"<cell {n}>": _content(c) for n, c in enumerate(thing.__closure__ or ())}
        parts |= thing.__dict__
    elif isinstance(thing, (staticmethod, classmethod)):
        parts = {"__func__": thing.__func__}
    elif isinstance(thing, property):
        parts = {name: getattr(thing, name) for name in ("fget", "fset", "fdel")}
    elif isinstance(thing, partial):
        parts = {"func": thing.func}
        seen[path] = (Same(thing.func), thing.args, thing.keywords)
    elif isinstance(thing, cached_property):
        parts = {"func": thing.func}
    elif isinstance(thing, types.ModuleType) or _is_of(thing, module):
        parts = {k: v for k, v in vars(thing).items() if k not in _CHANGING}
        namespace = isinstance(thing, (types.ModuleType, type))
        seen[path] = {
            # What an instance collects while it is called is not ours to compare.
            name: Same(value) if namespace or callable(value) else "a value"
            for name, value in parts.items()
        }
    for name, part in parts.items():
        _look(f"{path}.{name}", part, seen, known, module)


# The interpreter's own, made anew whenever it likes; and what collects results.
_CHANGING = {"__builtins__", "__cached__", "__annotations__", "__annotate__", "__weakref__"}


def _is_of(thing: Any, module: str) -> bool:
    """Whether it is a class of the program, or an instance of one that has attributes."""
    of = thing if isinstance(thing, type) else type(thing)
    return getattr(of, "__module__", None) == module and hasattr(thing, "__dict__")


def _content(cell: types.CellType) -> object:
    with contextlib.suppress(ValueError):  # the cell is empty
        return cell.cell_contents
    return None


def rows(kinds: list[Any]) -> Iterator[Any]:
    """The rows that can run here."""
    return (kind for kind in kinds if not kind.missing())


def _annotations(function: Any) -> Any:
    """What says which annotations a function has; from 3.14 on they may not be computable."""
    annotate = getattr(function, "__annotate__", None)
    return annotate if annotate is not None else dict(function.__annotations__)
