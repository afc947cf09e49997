"""Source text: of functions in files, and of code that came from a cell."""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
import textwrap
from typing import TYPE_CHECKING

from .parsing import parse
from .texts import is_text, texts

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FunctionType


def source_of(function: Callable[..., object] | CodeType) -> str | None:
    """The source text of a function as it runs now, dedented; None where it cannot be had.

    Example:
        >>> source_of(len) is None
        True
    """
    block = _block_of(getattr(function, "__code__", function))
    return None if block is None else textwrap.dedent(block)


def _block_of(code: object) -> str | None:
    """The lines of a code object as they stand in their file."""
    try:
        lines = texts.lines(code.co_filename) if inspect.iscode(code) else None
        if lines is not None:
            assert inspect.iscode(code)
            return "".join(inspect.getblock(lines[code.co_firstlineno - 1 :]))
        # The code object, not the function: inspect would follow __wrapped__ to the code of
        # another.
        return inspect.getsource(code)  # type: ignore[arg-type]
    except (OSError, TypeError, IndexError, SyntaxError):
        return None


def definition_of(
    function: FunctionType,
) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | None:
    """The definition of a function, parsed, with the lines and columns of its file.

    None where there is no text, or where one line has several lambdas that cannot be told apart.
    """
    code = function.__code__
    if function.__code__.co_name == "<lambda>":
        return _lambda_of(code)
    block = _block_of(code) or ""
    # An indented block is parsed inside another one: taking the indentation away would change what
    # stands in triple quotes.
    indented = block[:1] in (" ", "\t")
    try:
        tree = parse(f"if 1:\n{block}" if indented else block)
    except (SyntaxError, ValueError):  # not a whole statement
        return None
    statement = tree.body[0] if tree.body else None
    definition = statement.body[0] if isinstance(statement, ast.If) else statement
    if not isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return None
    ast.increment_lineno(definition, code.co_firstlineno - 1 - indented)
    return definition


def _lambda_of(code: CodeType) -> ast.Lambda | None:
    """A lambda's node: its line can be the middle of a statement, so the whole file is parsed."""
    lines = texts.lines(code.co_filename) or linecache.getlines(code.co_filename)
    try:
        tree = parse("".join(lines))
    except (SyntaxError, ValueError):  # the file is being edited
        return None
    parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    candidates = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Lambda)
        and node.lineno == code.co_firstlineno
        and parameters == tuple(argument.arg for argument in _named_arguments(node.args))
    ]
    if sys.version_info >= (3, 11):
        positions = set(code.co_positions())
        candidates = [node for node in candidates if _position(node.body) in positions]
    return candidates[0] if len(candidates) == 1 else None


def _named_arguments(arguments: ast.arguments) -> list[ast.arg]:
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]


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
    if inspect.ismodule(thing):
        return str(filename)
    try:
        return f"{filename}:{inspect.getsourcelines(thing)[1]}"  # type: ignore[arg-type]
    except (OSError, TypeError, IndexError):
        return str(filename)
