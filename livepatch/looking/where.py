"""Finding targets: the functions, methods and classes of the loaded modules, by name or by text."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any

from livepatch.engine.naming.following import follow, full_name, module_of
from livepatch.engine.naming.modules import named_modules
from livepatch.engine.naming.slots import ABSENT
from livepatch.engine.reading.namespaces import is_class, namespace_of
from livepatch.engine.switching.kinds import kind_of

from .callables import own_code
from .namespaces import chain, functions_in
from .origins import Origin, Rank, origin_of
from .outlines import outline_of
from .written import read, written_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

_US = Origin(Rank.PACKAGE, __name__.partition(".")[0])
_WEBUIS = (Rank.WEBUI, Rank.EXTENSION)
_SPECIAL = re.compile(r"[\\^$*+?{}\[\]|()]")
_CLASS = re.compile(r"(\s*)class (\w+)")
_IN_A_CLASS = {
    FunctionType: "method",
    staticmethod: "static method",
    classmethod: "class method",
    property: "property",
}


@dataclass(frozen=True)
class Definition:
    """A function, method, property or class of a loaded module.

    Attributes:
        path: its dotted name, as a target.
        kind: what it is.
        file: its source file.
        first, last: the lines that it takes there, counted from 1.
        rank: whose it is.
    """

    path: str
    kind: str
    file: str
    first: int
    last: int
    rank: Rank


@dataclass(frozen=True)
class Hit:
    """A definition that was looked for.

    Attributes:
        definition: what was found.
        line: the line of the file that matches; that of the definition where its name does.
        text: the line's text; empty where the name matches.
    """

    definition: Definition
    line: int
    text: str = ""

    @property
    def place(self) -> str:
        """``file:line``."""
        return f"{self.definition.file}:{self.line}"


def search(pattern: str, *, everywhere: bool = False) -> list[Hit]:
    """The target of that very name, then definitions whose name matches, then by their source.

    Args:
        pattern: a part of a name or of a line, in any case; a regular expression where it has
            marks of one. What has it as its name is found wherever it is.
        everywhere: look into the packages and the standard library too, not only into the webui's
            own modules and its extensions.

    Example:
        >>> import textwrap
        >>> search("textwrap.dedent", everywhere=True)[0].definition.path
        'textwrap.dedent'
    """
    wanted = _Wanted(pattern)
    by_name: list[Hit] = []
    by_source: list[Hit] = []
    for name, module in named_modules().items():
        namespace = namespace_of(module)
        origin = origin_of(namespace)
        if origin == _US or not (everywhere or origin.rank in _WEBUIS):
            continue
        file = namespace.get("__file__")
        data = read(file) if type(file) is str else None
        if type(file) is not str or data is None:
            continue
        in_text = wanted.is_in(data)
        if not in_text and not wanted.may_be_named(name, data):
            continue
        lines = data.decode("utf-8", "replace").splitlines()
        source = _Source(namespace, file, lines, origin.rank)
        definitions = list(source.definitions(name))
        named = [d for d in definitions if wanted.expression.search(d.path)]
        by_name += [Hit(d, d.first) for d in (*named, *source.displaced(name, wanted.expression))]
        if in_text:
            by_source += _in_source(wanted.expression, lines, definitions, named)
    by_name.sort(key=lambda hit: _order(hit, pattern))
    by_source.sort(key=lambda hit: _order(hit, pattern))
    exact = _named(pattern)
    if exact is not None:
        found = [*by_name, *by_source]
        same = [hit for hit in found if hit.definition.path == exact.definition.path]
        return [*(same or [exact]), *(hit for hit in found if hit not in same)]
    return [*by_name, *by_source]


def _named(pattern: str) -> Hit | None:
    """What has the pattern as its name, in whatever module that is; the name may be a short one."""
    path = full_name(pattern)
    found, _ = follow(path)
    if found is None or found.value is ABSENT:
        return None
    module = module_of(path)
    namespace = namespace_of(module)
    value = found.unwrapped().innermost
    code = own_code(value) if isinstance(value, FunctionType) else None
    file = str(namespace.get("__file__") or "built in") if code is None else code.co_filename
    first, last = _extent(code) if code is not None else (_line_of(value, file, found.name),) * 2
    kind = "value" if not callable(value) else "class" if is_class(value) else "callable"
    if code is not None:
        what = _IN_A_CLASS.get(type(found.value), "method") if is_class(found.holder) else ""
        kind = _kind(code, what)
    return Hit(Definition(path, kind, file, first, last, origin_of(namespace).rank), first)


def _line_of(value: object, file: str, name: object) -> int:
    """The line of a file that binds a name, as its text shows; the first where none does."""
    text = (read(file) or b"").decode("utf-8", "replace")
    binds = "class" if is_class(value) else ""
    pattern = rf"^\s*{binds}\s*{re.escape(str(name))}\b\s*{'' if binds else '[:=]'}"
    match = re.search(pattern, text, re.MULTILINE)
    return 1 if match is None else text.count("\n", 0, match.end()) + 1


class _Wanted:
    """What is looked for, as an expression, and whether a file can have it, told fast."""

    def __init__(self, pattern: str) -> None:
        self.literal: bytes | None = None
        self.lowered: re.Pattern[bytes] | None = None
        if _SPECIAL.search(pattern):
            try:
                self.expression = re.compile(pattern, re.IGNORECASE)
            except re.error:
                pass  # a piece of code such as "run(", to be found as it stands
            else:
                if pattern.isascii() and not re.search(r"\\[A-Z]", pattern):
                    # Ten times faster than matching every letter in both cases.
                    self.lowered = re.compile(pattern.lower().encode(), re.MULTILINE)
                return
        self.expression = re.compile(re.escape(pattern), re.IGNORECASE)
        self.literal = pattern.lower().encode()

    def is_in(self, data: bytes) -> bool:
        """Whether a line of a text may match."""
        if self.literal is not None and self.literal.isascii():
            return self.literal in data.lower()
        if self.lowered is not None:
            return self.lowered.search(data.lower()) is not None
        return self.expression.search(data.decode("utf-8", "replace")) is not None

    def may_be_named(self, name: str, data: bytes) -> bool:
        """Whether a name in a module may match; what it defines stands in its text by name."""
        if self.literal is None or self.expression.search(f"{name}."):
            return True
        last = self.literal.rpartition(b".")[2]
        return b"." in self.literal and last in data.lower()


class _Source:
    """A module's namespace, and the lines of its file."""

    def __init__(self, namespace: dict[str, Any], file: str, lines: list[str], rank: Rank) -> None:
        self.namespace = namespace
        self.file = file
        self.lines = lines
        self.rank = rank

    @functools.cached_property
    def classes(self) -> dict[str, list[tuple[int, int]]]:
        """The first and last lines of the ``class`` statements by name, told by indentation."""
        found: dict[str, list[tuple[int, int]]] = {}
        for number, line in enumerate(self.lines, 1):
            match = _CLASS.match(line)
            if match is not None:
                last = _last_line(self.lines, number, len(match.group(1)))
                found.setdefault(match.group(2), []).append((number, last))
        return found

    def definitions(self, prefix: str) -> Iterator[Definition]:
        """What the module defines, its classes' members included."""
        own_name = self.namespace.get("__name__")
        for name, value in self.namespace.copy().items():
            if type(name) is not str:
                continue
            path = f"{prefix}.{name}"
            if is_class(value):
                is_own = namespace_of(value).get("__module__") == own_name
                if is_own and value.__name__ == name:
                    yield from self._of_class(path, value)
                continue
            function = _own_function(name, value, self.namespace)
            if function is not None and _is_first_name(name, function, value, self.namespace):
                yield self._of_function(path, function)

    def displaced(self, prefix: str, expression: re.Pattern[str]) -> Iterator[Definition]:
        """Functions in the text in whose place there is something else now, or nothing.

        Args:
            prefix: the module's name.
            expression: what their names match.
        """
        outline = outline_of(self.file)
        if outline is None:
            return
        holders: list[tuple[list[str], dict[str, Any], set[str]]] = [
            ([], self.namespace, outline.functions)
        ]
        for name, value in self.namespace.copy().items():
            own = namespace_of(value).get("__module__") if is_class(value) else None
            if own and own == self.namespace.get("__name__") and name in outline.classes:
                holders.append(([name], namespace_of(value), outline.classes[name]))
        for classes, names, functions in holders:
            for name in functions:
                path = ".".join([prefix, *classes, name])
                if expression.search(path) and self._is_displaced(name, names.get(name)):
                    yield from self._in_text(path, classes, name, is_there=name in names)

    def _is_displaced(self, name: str, value: object) -> bool:
        if value is None:
            return True
        return bool(functions_in(value)) and _own_function(name, value, self.namespace) is None

    def _in_text(
        self, path: str, classes: list[str], name: str, *, is_there: bool
    ) -> Iterator[Definition]:
        written = written_in(self.file)
        binding = written.binding(classes, name) if written else None
        for node in binding.definitions[-1:] if binding else ():
            what = "method" if classes else "function"
            kind = f"{what}, {'replaced' if is_there else 'taken out'}"
            last = node.end_lineno or node.lineno
            yield Definition(path, kind, self.file, node.lineno, last, self.rank)

    def _of_class(self, path: str, cls: type) -> Iterator[Definition]:
        members: list[Definition] = []
        for name, value in namespace_of(cls).items():
            if type(name) is not str:
                continue
            if is_class(value):
                if value.__qualname__ == f"{cls.__qualname__}.{name}":
                    members += self._of_class(f"{path}.{name}", value)
                continue
            function = _own_function(name, value, self.namespace)
            if function is not None and not function.__code__.co_filename.startswith("<string>"):
                kind = _IN_A_CLASS.get(type(value), "method")
                members.append(self._of_function(f"{path}.{name}", function, kind))
        own = self.classes.get(cls.__name__, [])
        first = min((member.first for member in members), default=0)
        around = [extent for extent in own if extent[0] <= first <= extent[1]] or own or [(1, 1)]
        yield Definition(path, "class", self.file, *around[-1], self.rank)
        yield from members

    def _of_function(self, path: str, function: FunctionType, member: str = "") -> Definition:
        code = own_code(function)
        return Definition(path, _kind(code, member), self.file, *_extent(code), self.rank)


def _kind(code: CodeType, member: str) -> str:
    kind = kind_of(code).replace("plain function", "" if member else "function")
    return f"{kind} {member}".strip()


def _own_function(name: str, value: object, namespace: dict[str, Any]) -> FunctionType | None:
    """The function of the module's own source behind a value, below its decorators."""
    function = next(iter(functions_in(value)), None)
    if function is None:
        wrapped = namespace_of(value).get("__wrapped__")  # functools.lru_cache and its like
        function = next(iter(functions_in(wrapped)), None)
    if function is None:
        return None
    if function.__globals__ is namespace and function.__code__.co_name == name:
        return function
    _, original = chain(function, name, namespace)
    if original is None and function.__globals__ is namespace:
        return function
    return original


def _is_first_name(
    name: str, function: FunctionType, value: object, namespace: dict[str, Any]
) -> bool:
    """Whether this is not just another name of a function that is found under its own."""
    own = function.__name__
    return own == name or namespace.get(own) is not value


def _extent(code: CodeType) -> tuple[int, int]:
    last = max((line for *_, line in code.co_lines() if line), default=code.co_firstlineno)
    inner = [_extent(c)[1] for c in code.co_consts if type(c) is type(code)]
    return code.co_firstlineno, max(last, *inner, code.co_firstlineno)


def _last_line(lines: list[str], number: int, indent: int) -> int:
    last = number
    for after, following in enumerate(lines[number:], number + 1):
        text = following.lstrip()
        if text and len(following) - len(text) <= indent and text[0] not in ")]}#":
            break
        last = after if text else last
    return last


def _in_source(
    expression: re.Pattern[str],
    lines: list[str],
    definitions: list[Definition],
    named: list[Definition],
) -> Iterator[Hit]:
    """The innermost definitions around the lines that match, each with its first one."""
    seen = {id(definition) for definition in named}
    for number, line in enumerate(lines, 1):
        if not expression.search(line):
            continue
        around = [d for d in definitions if d.first <= number <= d.last]
        if around:
            innermost = min(around, key=lambda d: d.last - d.first)
            if id(innermost) not in seen:
                seen.add(id(innermost))
                yield Hit(innermost, number, line.strip())


def _order(hit: Hit, pattern: str) -> tuple[int, int, str]:
    """An exact name before others; the webui's own, then the extensions, then the rest."""
    rank = hit.definition.rank
    place = 0 if rank is Rank.WEBUI else 1 if rank is Rank.EXTENSION else 4 - rank
    path = hit.definition.path.lower()
    exact = path == pattern.lower() or path.endswith(f".{pattern.lower()}")
    return 0 if exact else 1, place, path
