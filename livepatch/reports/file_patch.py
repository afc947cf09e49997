"""A replaced function as a unified difference of its file, which ``git apply`` takes."""

from __future__ import annotations

import ast
import builtins
import difflib
import re
import sys
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.engine.errors import PatchRefused
from livepatch.engine.layers.function_stacks import is_over_function
from livepatch.engine.reading.compiled import is_compiled_from
from livepatch.engine.reading.parsing import parse
from livepatch.engine.switching.codes import global_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FunctionType

    from livepatch.engine.layers.function_stacks import FunctionStack
    from livepatch.engine.layers.patch import Patch
    from livepatch.engine.layers.stacks import Layer, Stack

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def file_patch(target: str, stacks: Sequence[Stack]) -> str:
    """The patch of the files in which a target stands.

    The function's lines are replaced by the layer's text, under the original's name and decorators;
    imports above the function in the cell join those of the file. Layers around the original are
    named in a comment: they are no change of its text.

    Args:
        target: the target's dotted name.
        stacks: the stacks of the target: several of a class.

    Raises:
        PatchRefused: nothing is replaced, or the new text could not stand alone in the file.
    """
    asked = f"diff {target} --patch"
    replaced: list[tuple[FunctionStack, Layer, Patch]] = []
    around: list[str] = []
    for stack in stacks:
        on = [p for p in stack.placements if p.on and p.layer.verb != "trace"]
        own = [p for p in on if p.layer.verb == "replace"]
        around += [f"{p.layer.verb} by {p.layer.whose()}" for p in on if p not in own]
        if own and not is_over_function(stack):
            raise PatchRefused(
                asked, f"{target} is a value, not a function", f"see it with %diff {target}"
            )
        if own and is_over_function(stack):
            replaced.append((stack, own[-1].layer, own[-1].patch))
    if not replaced:
        found = "no layer that is on replaces it"
        if around:
            found += f"; a layer around it does not change its text ({', '.join(around)})"
        raise PatchRefused(asked, found, "lp.export writes layers of every kind as an extension")
    files: dict[str, _File] = {}
    for stack, layer, patch in replaced:
        if stack.override is not None:
            raise PatchRefused(
                asked,
                f"{stack.path} has no source text of its own: it is inherited, or belongs to one "
                "instance",
                "replace it where it is defined, or write an extension: lp.export",
            )
        new = _new_text(asked, layer, patch, stack.original)
        filename = stack.original.__code__.co_filename
        file = files.setdefault(filename, _File.read(asked, filename))
        file.replace(asked, stack.original, new)
    notes = "".join(f"# not in this patch: {note}\n" for note in around)
    return notes + "".join(file.difference() for file in files.values())


@dataclass
class _New:
    """The text of a cell in its parts."""

    definition: _Function
    lines: list[str]  # of the definition, without decorators
    imports: list[ast.Import | ast.ImportFrom]


def _new_text(asked: str, layer: Layer, patch: Patch, original: FunctionType) -> _New:
    """A layer's text, checked to need nothing that the file does not have."""
    try:
        tree = parse(layer.source or "")
    except (SyntaxError, ValueError):
        tree = ast.Module([], [])
    functions = [s for s in tree.body if isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef))]
    if len(functions) != 1:
        raise PatchRefused(
            asked,
            f"the text of {layer.whose()} is not a function that fits into the file",
            f"write it in a cell: %%replace {layer.target}",
        )
    (definition,) = functions
    imports = [s for s in tree.body if isinstance(s, (ast.Import, ast.ImportFrom))]
    missing = _missing(patch, definition, imports, original)
    if missing:
        raise PatchRefused(
            asked,
            f"the new code of {layer.whose()} uses names that the file does not have: "
            f"{', '.join(sorted(missing))}",
            "import or define them in the cell's function; lp.export includes them",
        )
    lines = (layer.source or "").splitlines()[definition.lineno - 1 : definition.end_lineno]
    return _New(definition, lines, imports)


def _missing(
    patch: Patch,
    definition: _Function,
    imports: Sequence[ast.Import | ast.ImportFrom],
    original: FunctionType,
) -> set[str]:
    imported = {(a.asname or a.name).partition(".")[0] for s in imports for a in s.names}
    module = original.__globals__
    missing: set[str] = set()
    for fact in patch.facts:  # what the graft found
        if fact.startswith("uses your ") or fact.endswith("is the webui's own code"):
            missing |= set(re.findall(r"`(\w+)`", fact))
    function = patch.function
    own = function.__globals__
    for name in global_names(function.__code__):
        known = own.get(name, _NOWHERE)
        if own is not module and name not in imported and known is not module.get(name, _NOWHERE):
            missing.add(name)
    if own is not module:
        missing |= set(function.__code__.co_freevars) - set(original.__code__.co_freevars)
    calls_itself = any(
        isinstance(node, ast.Name) and node.id == definition.name for node in ast.walk(definition)
    )
    if calls_itself and definition.name not in (original.__name__, *module):
        missing.add(definition.name)
    return {name for name in missing - imported if not hasattr(builtins, name)} - {"__class__"}


_NOWHERE: Any = object()


class _File:
    """A source file and what shall stand in it."""

    def __init__(self, filename: str, text: str) -> None:
        self.filename = filename
        self.before = text.splitlines(keepends=True)
        self.newline = "\r\n" if self.before and self.before[0].endswith("\r\n") else "\n"
        self.tree = parse(text)
        self.replaced: list[tuple[int, int, list[str]]] = []  # first line, last line, new lines
        self.imports: list[str] = []

    @classmethod
    def read(cls, asked: str, filename: str) -> _File:
        """Read a file as it lies on disk."""
        try:
            with tokenize.open(filename) as decoded:
                encoding = decoded.encoding
            text = Path(filename).read_bytes().decode(encoding)
            return cls(filename, text)
        except (OSError, SyntaxError, ValueError) as error:
            raise PatchRefused(
                asked, f"its file cannot be read ({filename}): {error}", "lp.export needs no file"
            ) from None

    def replace(self, asked: str, original: FunctionType, new: _New) -> None:
        """Put a text into the place of a function."""
        old = self._definition(asked, original)
        indent = self.before[old.lineno - 1][: old.col_offset]
        rewritten = _indented(new, indent, original.__name__)
        self.replaced.append((old.lineno, old.end_lineno or old.lineno, rewritten))
        present = {ast.unparse(s) for s in self.tree.body}
        texts = (ast.unparse(statement) for statement in new.imports)
        self.imports += [t for t in texts if t not in present and t not in self.imports]
        self._check(asked, new, original, decorators=old.decorator_list)

    def difference(self) -> str:
        """The unified difference, as git writes it."""
        name = self._name()
        lines = [
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for line in difflib.unified_diff(self.before, self._after(), f"a/{name}", f"b/{name}")
        ]
        return f"diff --git a/{name} b/{name}\n{''.join(lines)}"

    def _after(self) -> list[str]:
        after = list(self.before)
        for first, last, lines in sorted(self.replaced, reverse=True):
            ends = after[last - 1].endswith("\n")
            new = [f"{line}{self.newline}" for line in lines]
            if not ends:
                new[-1] = lines[-1]
            after[first - 1 : last] = new
        if self.imports:
            position = self._end_of_imports()
            after[position:position] = [f"{line}{self.newline}" for line in self.imports]
        return after

    def _end_of_imports(self) -> int:
        """The line after the imports at the file's top, or after its docstring."""
        end = 0
        for position, statement in enumerate(self.tree.body):
            is_doc = position == 0 and isinstance(statement, ast.Expr)
            if not is_doc and not isinstance(statement, (ast.Import, ast.ImportFrom)):
                break
            end = statement.end_lineno or end
        return end

    def _definition(self, asked: str, original: FunctionType) -> _Function:
        code = original.__code__
        found = [
            node
            for node in ast.walk(self.tree)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and is_compiled_from(code, node)
        ]
        for node in found:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if first == code.co_firstlineno:
                return node
        raise PatchRefused(
            asked,
            f"{self.filename}:{code.co_firstlineno} is not the def {code.co_name} that runs: the "
            "file was edited after it was loaded",
            "load the module again, or use lp.export",
        )

    def _check(
        self, asked: str, new: _New, original: FunctionType, *, decorators: list[ast.expr]
    ) -> None:
        """The new file must mean what the cell means."""
        new.definition.name, new.definition.decorator_list = original.__name__, decorators
        wanted = ast.dump(new.definition)
        try:
            tree = parse("".join(self._after()))
        except (SyntaxError, ValueError):
            tree = ast.Module([], [])
        if not any(
            ast.dump(n) == wanted for n in ast.walk(tree) if type(n) is type(new.definition)
        ):
            raise PatchRefused(
                asked,
                "the cell's text would change its meaning with the file's indentation",
                "indent the cell's function by four spaces per level",
            )

    def _name(self) -> str:
        """The file's path below the git root, else below the webui's folder."""
        path = Path(self.filename).resolve()
        root = next((folder for folder in path.parents if (folder / ".git").exists()), None)
        if root is None:
            main = getattr(sys.modules.get("__main__"), "__file__", None)
            folder = Path(main).resolve().parent if main else path.parent
            root = folder if path.is_relative_to(folder) else path.parent
        return path.relative_to(root).as_posix()


def _indented(new: _New, indent: str, name: str) -> list[str]:
    """The definition's lines, indented and renamed; what stands in a long text stays as it is."""
    within: set[int] = set()
    for node in ast.walk(new.definition):
        if isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))
        ):
            within |= set(range(node.lineno + 1, (node.end_lineno or node.lineno) + 1))
    own = re.escape(new.definition.name)
    lines = []
    for number, line in enumerate(new.lines, new.definition.lineno):
        lines.append(line if number in within or not line.strip() else f"{indent}{line}")
    lines[0] = re.sub(rf"\bdef(\s+){own}\b", rf"def\g<1>{name}", lines[0], count=1)
    return lines
