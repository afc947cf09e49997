"""Which definitions of several files some names need, and the files with no others in them.

What stays is the text of the files, to the letter: statements and methods that nobody needs are cut
out by their lines. Only an import of which a part is needed is written anew. Nothing is run.

A statement at the top level of a file is needed when a needed one has its name, and a method when
a needed statement has its name anywhere: as an attribute, or as a text, as ``getattr`` takes it.
Special methods, what a base from elsewhere may call, and statements that bind no name are needed
as soon as their class or their file is. Abstract methods without a body run nowhere, and are cut.
Annotations need nothing: they are texts that no one evaluates (``from __future__ import
annotations``).
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

_SPECIAL = re.compile(r"_\w*_")  # also what IPython asks for, such as _repr_html_
_NAME = re.compile(r"[A-Za-z_]\w*")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_IMPORTS = (ast.Import, ast.ImportFrom)
_SCOPES = (
    *(*_FUNCTIONS, ast.Lambda),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)
# Bases from elsewhere that call no methods of ours but special ones.
_QUIET = frozenset(
    ("ABC", "Exception", "Generic", "LookupError", "ModuleType", "NamedTuple", "Protocol", "str")
)


@dataclass
class _Part:
    """A statement of a file, or a method, and what it needs when it runs.

    Attributes:
        node: it.
        binds: the names that it binds where it stands.
        reads: the names that it reads.
        names: what it names besides: attributes, and texts that are identifiers.
        shown: every name in it, annotations included.
        dotted: the attributes that it asks of names, each with the name.
        imports: the imports inside it.
        methods: of a class, its methods.
        bases: of a class, what it is derived from.
        has_body: of a class, whether it would have one without any methods.
    """

    node: ast.stmt
    binds: set[str] = field(default_factory=set)
    reads: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    shown: set[str] = field(default_factory=set)
    dotted: set[tuple[str, str]] = field(default_factory=set)
    imports: list[ast.Import | ast.ImportFrom] = field(default_factory=list)
    methods: list[_Part] = field(default_factory=list)
    bases: list[str] = field(default_factory=list)
    has_body: bool = True
    is_needed: bool = False


class _File:
    """A file, by its parts; parsed when something of it is needed first."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text
        self.for_types: list[ast.stmt] = []
        self.handed_on: set[str] = set()  # what it imports and something needs, here or elsewhere
        self.parts: list[_Part] = []
        for number, statement in enumerate(ast.parse(text).body):
            if _is_for_types(statement):
                self.for_types.append(statement)
            elif number and self.parts and _is_text(statement):
                self.parts[-1].node.end_lineno = statement.end_lineno  # it says what that is
            else:
                self.parts.append(_part(statement))
        self.binding: dict[str, list[_Part]] = {}
        for part in self.parts:
            for name in part.binds:
                self.binding.setdefault(name, []).append(part)


def shaken(
    files: Mapping[str, str],
    wanted: Iterable[tuple[str, str]],
    named: Collection[str] = (),
    shared: Collection[str] = (),
) -> dict[str, str]:
    r"""The files that some names need, with what those need in them.

    Args:
        files: Python files by their paths, ``folder/name.py``; imports among them are relative.
        wanted: the names to begin with, each with the path of its file.
        named: names of methods that others call.
        shared: folders whose classes make what others get into their hands: their public methods
            are needed too.

    Example:
        >>> files = {"a.py": "from .b import c, d\n\ndef e():\n    return c"}
        >>> files["b.py"] = "c = 1\n\n\ndef d():\n    return 2\n"
        >>> for path, text in sorted(shaken(files, [("a.py", "e")]).items()):
        ...     print(path, repr(text))
        a.py 'from .b import c\n\ndef e():\n    return c\n'
        b.py 'c = 1\n'
    """
    shaker = _Shaker(files, named, shared)
    for path, name in wanted:
        shaker.need(path, name)
    shaker.run()
    return {path: shaker.text(file) for path, file in sorted(shaker.files.items())}


class _Shaker:
    """Follows names from part to part."""

    def __init__(
        self, texts: Mapping[str, str], named: Collection[str], shared: Collection[str]
    ) -> None:
        self.texts = texts
        self.shared = tuple(f"{folder}/" for folder in shared)
        self.files: dict[str, _File] = {}
        self.named = set(named)
        self._waiting: list[tuple[_File, _Part]] = []
        self._asleep: dict[str, list[tuple[_File, _Part]]] = {}
        self._asked: set[tuple[str, str]] = set()

    def need(self, path: str, name: str) -> None:
        """A name of a file is needed."""
        if (path, name) in self._asked:
            return
        self._asked.add((path, name))
        file = self.file(path)
        for part in file.binding.get(name, ()):
            if isinstance(part.node, _IMPORTS):
                file.handed_on.add(name)
                for target, inner in self._meant(file, part.node, name):
                    self.need(target, inner)
            else:
                self._take(file, part)
        if name not in file.binding and "__getattr__" in file.binding:  # names on demand
            self.need(path, "__getattr__")

    def file(self, path: str) -> _File:
        """A file; with the first need of it, what it does as it is imported."""
        file = self.files.get(path)
        if file is None:
            file = self.files[path] = _File(path, self.texts[path])
            for package in _packages_around(path, self.texts):
                self.file(package)
            for part in file.parts:
                if not part.binds:
                    self._take(file, part)
        return file

    def run(self) -> None:
        """Follow everything that is needed."""
        while self._waiting:
            file, part = self._waiting.pop()
            for name in part.reads:
                self.need(file.path, name)
            for statement in part.imports:
                for alias in statement.names:
                    bound = (alias.asname or alias.name).partition(".")[0]
                    for target, inner in self._meant(file, statement, bound):
                        self.need(target, inner)
            for name, attribute in part.dotted:
                for module in self._modules_called(file, name):
                    self.need(module, attribute)
            self._name(part.names)

    def _take(self, file: _File, part: _Part) -> None:
        if part.is_needed:
            return
        part.is_needed = True
        self._waiting.append((file, part))
        is_shared = file.path.startswith(self.shared)
        is_open = bool(part.methods) and self._is_open(file, part)
        for number, method in enumerate(part.methods):
            (name,) = method.binds
            is_others = is_open or (is_shared and not name.startswith("_"))
            is_its_body = number == 0 and not part.has_body
            if is_others or is_its_body or name in self.named or _SPECIAL.fullmatch(name):
                self._take(file, method)
            else:
                self._asleep.setdefault(name, []).append((file, method))

    def _is_open(self, file: _File, cls: _Part) -> bool:
        """Whether a class has a base from elsewhere, which may call any of its methods."""
        for base in cls.bases:
            found = [*self._classes_called(file, base)]
            if base not in _QUIET and (not found or any(self._is_open(*one) for one in found)):
                return True
        return False

    def _classes_called(self, file: _File, name: str) -> Iterator[tuple[_File, _Part]]:
        for part in file.binding.get(name, ()):
            if isinstance(part.node, ast.ClassDef):
                yield file, part
            elif isinstance(part.node, _IMPORTS):
                for path, inner in self._meant(file, part.node, name):
                    if inner:
                        yield from self._classes_called(self.file(path), inner)

    def _name(self, names: set[str]) -> None:
        for name in names - self.named:
            self.named.add(name)
            for file, method in self._asleep.pop(name, ()):
                self._take(file, method)

    def _meant(
        self, file: _File, statement: ast.Import | ast.ImportFrom, bound: str
    ) -> Iterator[tuple[str, str]]:
        """The file and the name that a name stands for that an import binds."""
        if isinstance(statement, ast.Import) or not statement.level:
            return
        folder = file.path.split("/")[: -statement.level]
        module = "/".join([*folder, *(statement.module or "").split(".")]).rstrip("/")
        for alias in statement.names:
            if (alias.asname or alias.name) == bound:
                inner = f"{module}/{alias.name}".lstrip("/")
                for path in (f"{inner}.py", f"{inner}/__init__.py"):
                    if path in self.texts:
                        yield path, ""
                        return
                is_file = f"{module}.py" in self.texts
                yield f"{module}.py" if is_file else f"{module}/__init__.py", alias.name

    def _modules_called(self, file: _File, name: str) -> Iterator[str]:
        for part in file.binding.get(name, ()):
            if isinstance(part.node, _IMPORTS):
                yield from (p for p, inner in self._meant(file, part.node, name) if not inner)

    def text(self, file: _File) -> str:
        """The text of a file with what is needed of it."""
        lines = file.text.splitlines(keepends=True)
        shown = {*file.handed_on}
        gone: list[tuple[int, int]] = []
        for part in file.parts:
            if part.is_needed:
                shown |= part.shown
                needed = {id(one.node): one for one in part.methods if one.is_needed}
                is_class = isinstance(part.node, ast.ClassDef)
                for method in part.node.body if is_class else ():  # type: ignore[attr-defined]
                    if id(method) in needed:
                        shown |= needed[id(method)].shown
                    elif isinstance(method, _FUNCTIONS):
                        gone.append(_lines_of(method, lines))
            elif not isinstance(part.node, _IMPORTS):
                gone.append(_lines_of(part.node, lines))
        for part in file.parts:
            if isinstance(part.node, _IMPORTS):
                kept = [a for a in part.node.names if self._is_used(file, part.node, a, shown)]
                if not kept:
                    gone.append(_lines_of(part.node, lines))
                elif len(kept) < len(part.node.names):
                    first, last = part.node.lineno - 1, part.node.end_lineno or 0
                    part.node.names = kept
                    lines[first:last] = [_written(part.node), *[""] * (last - first - 1)]
        gone += [_lines_of(one, lines) for one in file.for_types]
        for first, last in gone:
            lines[first:last] = [""] * (last - first)
        return re.sub(r"\n{4,}", "\n\n\n", "".join(lines)).strip("\n") + "\n"

    def _is_used(
        self, file: _File, statement: ast.Import | ast.ImportFrom, alias: ast.alias, shown: set[str]
    ) -> bool:
        bound = (alias.asname or alias.name).partition(".")[0]
        if getattr(statement, "module", "") == "__future__":
            return True
        if bound not in shown:
            return False
        for path, name in self._meant(file, statement, bound):
            other = self.files.get(path)
            if other is None:
                return False
            held = other.binding.get(name, ())
            is_there = any(p.is_needed or isinstance(p.node, _IMPORTS) for p in held)
            return not name or is_there or "__getattr__" in other.binding
        return True


def _is_for_types(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.If):
        return isinstance(statement.test, ast.Name) and statement.test.id == "TYPE_CHECKING"
    targets = getattr(statement, "targets", ())
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _part(node: ast.stmt) -> _Part:
    part = _Part(node)
    if isinstance(node, _IMPORTS):
        part.binds = {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        part.binds = part.binds if getattr(node, "module", "") != "__future__" else set()
        return part
    if isinstance(node, ast.ClassDef):
        part.binds = {node.name}
        inner = [one for one in node.body if not isinstance(one, _FUNCTIONS)]
        part.methods = [_part(one) for one in node.body if isinstance(one, _FUNCTIONS)]
        if inner:
            part.methods = [one for one in part.methods if not _is_to_be_overridden(one.node)]
        part.has_body = bool(inner)
        part.bases = [_name_of(base) for base in node.bases]
        for one in (*node.bases, *node.keywords, *node.decorator_list, *inner):
            _read(one, part)
        # What its body names may be a method, as in `__call__ = handle`.
        part.names |= part.reads
        return part
    if isinstance(node, _FUNCTIONS):
        part.binds = {node.name}
    elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.If)):
        part.binds = set(_bound(node))
    _read(node, part)
    return part


def _is_to_be_overridden(method: Any) -> bool:
    """Whether a method only says that derived classes have one: it never runs."""
    is_abstract = any(_name_of(one) == "abstractmethod" for one in method.decorator_list)
    return is_abstract and len(method.body) == 1 and _is_text(method.body[0])


def _bound(node: ast.stmt) -> Iterator[str]:
    """The names that an assignment, or the branches of a condition, bind."""
    if isinstance(node, ast.If):
        for one in (*node.body, *node.orelse):
            if isinstance(one, (*_FUNCTIONS, ast.ClassDef)):
                yield one.name
            else:
                yield from _bound(one)
        return
    for target in getattr(node, "targets", None) or [getattr(node, "target", None)]:
        if target is not None:
            yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))


def _name_of(base: ast.expr) -> str:
    base = base.value if isinstance(base, ast.Subscript) else base
    return base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")


def _read(node: Any, part: _Part) -> None:
    """Note what a piece of code reads and names."""
    waiting: list[tuple[Any, bool, frozenset[str]]] = [(node, True, frozenset())]
    while waiting:
        one, runs, own = waiting.pop()
        if isinstance(one, ast.Name):
            part.shown.add(one.id)
            if runs and isinstance(one.ctx, ast.Load) and one.id not in own:
                part.reads.add(one.id)
            continue
        if isinstance(one, ast.Attribute) and runs:
            if not isinstance(one.ctx, ast.Store):
                part.names.add(one.attr)
            if isinstance(one.value, ast.Name):
                part.dotted.add((one.value.id, one.attr))
        elif isinstance(one, ast.Constant):
            if runs and isinstance(one.value, str) and _NAME.fullmatch(one.value):
                part.names.add(one.value)
            continue
        elif isinstance(one, _IMPORTS):
            part.imports.append(one)
            continue
        inside = own | _bound_inside(one) if isinstance(one, _SCOPES) else own
        for name in one._fields:
            value = getattr(one, name, None)
            evaluated = runs and name not in ("annotation", "returns")
            seen = own if name == "decorator_list" else inside
            several = value if isinstance(value, list) else (value,)
            waiting += [(inner, evaluated, seen) for inner in several if isinstance(inner, ast.AST)]


def _bound_inside(scope: ast.AST) -> set[str]:
    """The names that a function or a comprehension binds for itself: they mean nothing outside."""
    bound: set[str] = set()
    others: set[str] = set()
    waiting = [*ast.iter_child_nodes(scope)]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load):
            bound.add(one.id)
        elif isinstance(one, ast.arg):
            bound.add(one.arg)
        elif isinstance(one, (*_FUNCTIONS, ast.ClassDef)):
            bound.add(one.name)
        elif isinstance(one, _IMPORTS):
            bound |= {(alias.asname or alias.name).partition(".")[0] for alias in one.names}
        elif isinstance(one, ast.ExceptHandler) and one.name:
            bound.add(one.name)
        elif isinstance(one, ast.Global):
            others |= set(one.names)
        if not isinstance(one, (*_SCOPES, ast.ClassDef)):
            waiting += ast.iter_child_nodes(one)
    return bound - others


def _packages_around(path: str, texts: Mapping[str, str]) -> Iterator[str]:
    folders = path.split("/")[:-1]
    for depth in range(1, len(folders) + 1):
        package = "/".join([*folders[:depth], "__init__.py"])
        if package in texts:
            yield package


def _lines_of(node: ast.stmt, lines: list[str]) -> tuple[int, int]:
    """The lines of a statement: its decorators, and the comments right above it, too."""
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))]) - 1
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return first, node.end_lineno or 0


def _written(statement: ast.Import | ast.ImportFrom) -> str:
    """An import on one line, or with one name a line where that is too long."""
    text = f"{ast.unparse(statement)}\n"
    if len(text) <= 100:
        return text
    head, _, names = text.partition(" import ")
    rows = "".join(f"    {name},\n" for name in names.strip().split(", "))
    return f"{head} import (\n{rows})\n"
