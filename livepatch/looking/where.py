"""Finding targets: the functions, methods and classes of the loaded modules, by name or by text."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from livepatch.engine.layers.function_stacks import patched_function
from livepatch.engine.reading.namespaces import is_class, namespace_of
from livepatch.engine.switching.kinds import kind_of

from .namespaces import chain, functions_in, loaded_modules
from .origins import Origin, Rank, origin_of
from .written import read

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
    """Definitions whose dotted name matches, then those whose source does.

    Args:
        pattern: a part of a name or of a line, in any case; a regular expression where it has
            marks of one.
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
    for name, module in _modules():
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
        definitions = list(_Source(namespace, file, lines, origin.rank).definitions(name))
        named = [d for d in definitions if wanted.expression.search(d.path)]
        by_name += [Hit(d, d.first) for d in named]
        if in_text:
            by_source += _in_source(wanted.expression, lines, definitions, named)
    by_name.sort(key=lambda hit: _order(hit, pattern))
    by_source.sort(key=lambda hit: _order(hit, pattern))
    return [*by_name, *by_source]


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


def _modules() -> Iterator[tuple[str, ModuleType]]:
    """The loaded modules, and the extension scripts that a webui keeps out of ``sys.modules``."""
    loaded = loaded_modules()
    yield from loaded.items()
    known = {id(module) for module in loaded.values()}
    for name, module in loaded.items():
        if name.rpartition(".")[2] != "script_loading":  # of A1111 and its kin
            continue
        scripts = namespace_of(module).get("loaded_scripts")
        for key, script in scripts.copy().items() if type(scripts) is dict else ():
            if issubclass(type(script), ModuleType) and id(script) not in known:
                yield f"{name}.loaded_scripts[{key!r}]", script


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
        code = _own_code(function)
        kind = kind_of(code).replace("plain function", "" if member else "function")
        what = f"{kind} {member}".strip()
        return Definition(path, what, self.file, *_extent(code), self.rank)


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


def _own_code(function: FunctionType) -> CodeType:
    """The webui's own code of a function, whatever layers lie over it."""
    patched = patched_function(function)
    return (function if patched is None else patched.original).__code__


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
    """The webui's own first, then the extensions, then the rest; an exact name before others."""
    rank = hit.definition.rank
    place = 0 if rank is Rank.WEBUI else 1 if rank is Rank.EXTENSION else 4 - rank
    path = hit.definition.path.lower()
    exact = path == pattern.lower() or path.endswith(f".{pattern.lower()}")
    return place, 0 if exact else 1, path
