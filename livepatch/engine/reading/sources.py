"""Source text: of functions in files, and of code that came from a cell.

A text counts only where it is the one that the code was compiled from: of an edited file, what
stands at the old line may be another function. A text that was found is kept with its code, so that
it can still be had when the file is edited later.
"""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import linecache
import os
import sys
import textwrap
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from .compiled import Definition, is_compiled_from
from .descriptors import called_by
from .namespaces import is_a, namespace_of
from .parsing import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

UNWRITTEN = "<livepatch "
"""How the file name of a text begins that was given to us and is in no file."""
texts_elsewhere: list[Callable[[str], Sequence[str] | None]] = []
"""Who else has texts by the file names of code: the lines of one; None of one that is not theirs.

The texts of cells are among them as soon as there are any: see ``texts``.
"""

_KEPT = 1_000  # functions, and the files of as many of them as
_KEPT_FILES = 30


class Source(NamedTuple):
    """The text of a function.

    Attributes:
        text: its lines, as they stand in their file.
        definition: its definition, parsed, with the lines and columns of its file.
    """

    text: str
    definition: Definition | None


class _Sources:
    """The texts that were found, each with the code that was compiled from it.

    Threads find texts side by side: each step on a dictionary here is one that the interpreter does
    not interrupt.
    """

    def __init__(self) -> None:
        # Not by the code alone: two files may have the same function in the same line.
        self._found: dict[tuple[str, CodeType], Source] = {}
        self._files: dict[str, Sequence[str]] = {}

    def keep(self, code: CodeType, source: Source) -> None:
        """Let a text be a code's."""
        _put_last(self._found, (code.co_filename, code), source, _KEPT)

    def find(self, code: CodeType) -> Source | None:
        """The text of a code object; None where there is none, or it was edited since."""
        found = self._found.get((code.co_filename, code))
        if found is None:
            for lines in self.versions(code):
                found = _at_its_line(code, lines) or _elsewhere(code, lines)
                if found is not None:
                    self.keep(code, found)
                    _put_last(self._files, code.co_filename, lines, _KEPT_FILES)
                    break
        return found

    def versions(self, code: CodeType) -> Iterator[Sequence[str]]:
        """The lines of a code's file: as it is, and as it was when somebody read it before."""
        name = code.co_filename
        own = _lines_elsewhere(name)
        if own is not None:
            yield own
            return
        entry = linecache.cache.get(name, ())
        before = [entry[2]] if len(entry) == 4 else []
        now = lines_of(name)
        if now:
            yield now
        kept = [lines for lines in (self._files.get(name), *before) if lines is not None]
        yield from (lines for lines in kept if lines != now)


def _put_last(kept: dict[Any, Any], key: object, value: object, most: int) -> None:
    kept.pop(key, None)
    kept[key] = value
    for oldest in [*kept][:-most]:
        kept.pop(oldest, None)


def lines_of(name: str) -> Sequence[str]:
    """The lines of a file as it is now, by the name that its code objects have; none without one.

    ``inspect.findsource`` asks every loaded module for its file, which loads those that are lazy.

    Example:
        >>> lines_of("<string>")
        []
    """
    if not name.startswith("<"):  # an old text of it may lie in the cache
        linecache.checkcache(name)
    lines = linecache.getlines(name)
    if lines or name.startswith("<"):
        return lines
    # Of a module in an archive its loader has the text.
    folder, file = os.path.split(name)
    called = ("__main__", os.path.splitext(file)[0], os.path.basename(folder))  # or a package
    for module_name, module in sys.modules.copy().items():
        if module_name.rpartition(".")[2] in called and is_a(module, ModuleType):
            names = namespace_of(module)
            if names.get("__file__") == name:
                return linecache.getlines(name, names)
    return []


_sources = _Sources()


def source_of(function: Callable[..., object] | CodeType) -> str | None:
    """The source text of a function as it runs now, dedented; None where it cannot be had.

    Of a file that was edited since, it is the text that the function was compiled from, where
    somebody has read that before, or None.

    Example:
        >>> source_of(len) is None
        True
    """
    code = getattr(function, "__code__", function)
    return source_of_code(code) if isinstance(code, CodeType) else _text_of(code)


def source_of_code(code: CodeType) -> str | None:
    """The source text of a code object, dedented; None where it cannot be had."""
    source = _sources.find(_called(code))
    return None if source is None else textwrap.dedent(source.text)


def text_at_line(code: CodeType) -> str | None:
    """What stands now where a code object was compiled from, dedented, whatever that is.

    For who knows a text by its hash: where the file was edited since, it may be another's.
    """
    block = _block_at(code.co_firstlineno, lines_of(code.co_filename))
    return None if block is None else textwrap.dedent(block)


def _block_at(line: int, lines: Sequence[str]) -> str | None:
    try:
        return "".join(inspect.getblock(lines[line - 1 :])) or None
    except (IndexError, SyntaxError):
        return None


def is_text(filename: str) -> bool:
    """Whether code of that file name came from a text that was given to us."""
    return filename.startswith(UNWRITTEN) or _lines_elsewhere(filename) is not None


def _lines_elsewhere(name: str) -> Sequence[str] | None:
    found = (lines_of_text(name) for lines_of_text in texts_elsewhere)
    return next((lines for lines in found if lines is not None), None)


def _text_of(thing: object) -> str | None:
    """The text of a class; None where none in its file has the methods that run."""
    name = getattr(thing, "__qualname__", None)
    try:
        file = inspect.getfile(thing)  # type: ignore[arg-type]
        lines, near = inspect.findsource(thing)  # type: ignore[arg-type]
        tree = parse("".join(lines))
    except (OSError, TypeError, IndexError, SyntaxError, ValueError):
        file = _file_of_methods(thing) or ""
        text = "".join(linecache.getlines(file))
        if not text or name not in _lines_of_classes(text):
            return None
        lines, near, tree = (
            text.splitlines(keepends=True),
            _lines_of_classes(text)[name],
            parse(text),
        )
    found = [
        (abs(_first_line(node) - 1 - near), _first_line(node))
        for qualified_name, node in _definitions(tree, "")
        if isinstance(node, ast.ClassDef)
        and qualified_name == name
        and _has_methods(node, thing, file)
    ]
    if not found:
        return None
    return textwrap.dedent("".join(inspect.getblock(lines[min(found)[1] - 1 :])))


def _file_of_methods(thing: object) -> str | None:
    """The file of a class's own methods, where its module is not in ``sys.modules``."""
    if getattr(thing, "__module__", None) in sys.modules:
        return None
    for value in namespace_of(thing).values() if is_a(thing, type) else ():
        function: Any = called_by(value) or value
        name = f"{getattr(thing, '__qualname__', '')}.{getattr(function, '__name__', '')}"
        own = thing.__module__, name
        if is_a(function, FunctionType) and (function.__module__, function.__qualname__) == own:
            return str(function.__code__.co_filename)
    return None


def _has_methods(node: ast.ClassDef, cls: object, file: str) -> bool:
    """Whether the methods of a class that are written in a text are those that it has."""
    written: dict[str, list[Definition]] = {}
    for one in node.body:
        if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)):
            written.setdefault(one.name, []).append(one)
    for name, value in namespace_of(cls).items():
        code = getattr(called_by(value) or value, "__code__", None)
        # One with a layer runs code from elsewhere.
        if name in written and isinstance(code, CodeType) and code.co_filename == file:
            own = code.co_name == name and _called(code) is code
            if own and not any(is_compiled_from(code, one) for one in written[name]):
                return False
    return True


def definition_of(function: FunctionType) -> Definition | None:
    """The definition of a function, parsed, with the lines and columns of its file.

    None where there is no text or it was edited since, or where one line has several lambdas that
    cannot be told apart.
    """
    source = _sources.find(function.__code__)
    return None if source is None else copy.deepcopy(source.definition)


def keep_source(code: CodeType, given: CodeType) -> None:
    """Let the text of one code be that of another, which was compiled from it in another place."""
    source = _sources.find(given)
    if source is not None:
        _sources.keep(code, source)


def why_no_source(code: CodeType) -> str:
    """Why there is no definition of a code, in words."""
    if any(_sources.versions(code)):
        return f"the text that it was compiled from is gone: {place(code)} has a different one now"
    return f"it has no source text ({place(code)})"


def _called(code: CodeType) -> CodeType:
    """Of a trampoline, which bears the line of what it calls, the code that it calls."""
    for constant in code.co_consts:
        if isinstance(constant, FunctionType):
            called = constant.__code__
            if (called.co_filename, called.co_firstlineno) == (
                code.co_filename,
                code.co_firstlineno,
            ):
                return called
    return code


def _at_its_line(code: CodeType, lines: Sequence[str]) -> Source | None:
    """What stands at a code's own line, where that is its text."""
    first = code.co_firstlineno
    block = _block_at(first, lines)
    if code.co_name == "<lambda>" or block is None:
        return None
    # An indented block is parsed inside another one: taking the indentation away would change what
    # stands in triple quotes.
    indented = block[:1] in (" ", "\t")
    definition = None
    try:
        tree = parse(f"if 1:\n{block}" if indented else block)
        statement = tree.body[0]
        definition = statement.body[0] if isinstance(statement, ast.If) else statement
        ast.increment_lineno(definition, first - 1 - indented)
    except (SyntaxError, ValueError, IndexError):  # not a whole statement
        pass
    if is_text(code.co_filename):  # that of a cell, which nobody edits; compiled in another place
        is_definition = isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef))
        return Source(block, definition if is_definition else None)  # type: ignore[arg-type]
    if not isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return None
    is_it = _first_line(definition) == first and is_compiled_from(code, definition)
    return Source(block, definition) if is_it else None


def _elsewhere(code: CodeType, lines: Sequence[str]) -> Source | None:
    """The definition that a code was compiled from, wherever it stands.

    A lambda's line can be the middle of a statement, so the whole file is parsed.
    """
    try:
        tree = parse("".join(lines))
    except (SyntaxError, ValueError):  # the file is being edited
        return None
    is_lambda = code.co_name == "<lambda>"
    candidates = [
        node
        for qualified_name, node in _definitions(tree, "")
        if not isinstance(node, ast.ClassDef)
        and qualified_name == getattr(code, "co_qualname", qualified_name)
        and is_compiled_from(code, node)
    ]
    there = [node for node in candidates if _first_line(node) == code.co_firstlineno]
    candidates = there or candidates
    if is_lambda and sys.version_info >= (3, 11):
        positions = set(code.co_positions())
        candidates = [n for n in candidates if _position(n.body) in positions] or candidates  # type: ignore[arg-type]
    if len(candidates) != 1:
        return None
    first = _first_line(candidates[0])
    return Source("".join(inspect.getblock(list(lines[first - 1 :]))), candidates[0])


def _definitions(node: ast.AST, around: str) -> Iterator[tuple[str, Definition | ast.ClassDef]]:
    """All definitions in a text, with their qualified names."""
    for child in ast.iter_child_nodes(node):
        inside = around
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            name = around + getattr(child, "name", "<lambda>")
            yield name, child
            inside = f"{name}.<locals>."
        elif isinstance(child, ast.ClassDef):
            yield around + child.name, child
            inside = f"{around}{child.name}."
        yield from _definitions(child, inside)


def _first_line(node: Definition | ast.ClassDef) -> int:
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _position(node: ast.expr) -> tuple[int, int | None, int, int | None]:
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


def place(thing: object) -> str:
    """``file:line`` of a function, code object, class or module, or else what it is.

    Example:
        >>> place(len)
        'built in'
    """
    code = getattr(thing, "__code__", thing)
    if inspect.iscode(code):
        where = f"line {code.co_firstlineno}" if is_text(code.co_filename) else None
        return f"the cell, {where}" if where else f"{code.co_filename}:{code.co_firstlineno}"
    try:
        filename = inspect.getsourcefile(thing) or inspect.getfile(thing)  # type: ignore[arg-type]
    except (TypeError, OSError):
        return "built in"
    line = _line_of_class(thing, filename) if isinstance(thing, type) else None
    return str(filename) if line is None else f"{filename}:{line}"


def _line_of_class(cls: type, filename: str) -> int | None:
    """The line on which a class begins, its decorators included.

    ``inspect`` takes the whole file apart at each question.
    """
    own = vars(cls).get("__firstlineno__")  # from Python 3.13 on
    if isinstance(own, int):
        return own
    return _lines_of_classes("".join(linecache.getlines(filename))).get(cls.__qualname__)


@functools.lru_cache(maxsize=8)
def _lines_of_classes(text: str) -> dict[str, int]:
    """On which line the first class of each qualified name begins."""
    try:
        return _first_lines_of_classes(parse(text))
    except (SyntaxError, ValueError, RecursionError):
        return {}


def _first_lines_of_classes(module: ast.Module) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, node in _definitions(module, ""):
        if isinstance(node, ast.ClassDef):
            found.setdefault(name, _first_line(node))
    return found
