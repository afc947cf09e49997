"""The names that a text uses, and the text of a class that came from a cell."""

from __future__ import annotations

import ast
import inspect
import linecache
import symtable
import textwrap
from types import FunctionType
from typing import TYPE_CHECKING, Any

from livepatch.engine.reading.descriptors import called_by
from livepatch.engine.reading.sources import source_of
from livepatch.engine.reading.texts import texts

if TYPE_CHECKING:
    from collections.abc import Iterator


def names_used(text: str, *, annotations: bool = False) -> set[str]:
    r"""The names that a definition takes from around it.

    Args:
        text: a ``def`` or ``class``.
        annotations: whether those in annotations count.

    Example:
        >>> sorted(names_used("def f(a: Latent, b=START):\n    c = a\n    return g(c)"))
        ['START', 'g']
    """
    tree = ast.parse(textwrap.dedent(text))
    if not annotations:
        tree = ast.fix_missing_locations(_WithoutAnnotations().visit(tree))
    table = symtable.symtable(ast.unparse(tree), "<text>", "exec")
    own = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()}
    return set(_global_names(table)) - own


def _global_names(table: symtable.SymbolTable) -> Iterator[str]:
    is_module = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (is_module or symbol.is_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _global_names(child)


class _WithoutAnnotations(ast.NodeTransformer):
    def visit_arg(self, node: ast.arg) -> Any:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: Any) -> Any:
        node.returns = None
        return self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        self.generic_visit(node)
        node.annotation = ast.Constant("")
        return node


def text_of_function(function: FunctionType) -> str | None:
    """The text of a function; of a lambda a ``def`` of the same meaning is made elsewhere."""
    return source_of(function.__code__)


def text_of_class(cls: type) -> str | None:
    """The text of a class, in a file or in a cell.

    ``inspect`` finds the file of a class by its module, and a notebook is none: the code of a
    method leads there.
    """
    try:
        return textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):
        pass
    for value in vars(cls).values():
        function = inspect.unwrap(value) if callable(value) else value
        function = called_by(function) or function
        if isinstance(function, FunctionType):
            text = _class_around(function, cls.__name__)
            if text is not None:
                return text
    return None


def _class_around(function: FunctionType, name: str) -> str | None:
    code = function.__code__
    lines = texts.lines(code.co_filename) or linecache.getlines(code.co_filename)
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if first <= code.co_firstlineno <= (node.end_lineno or first):
                return textwrap.dedent("".join(lines[first - 1 : node.end_lineno]))
    return None
