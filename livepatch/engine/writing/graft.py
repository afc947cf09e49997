"""New code as a user writes it: a text of imports and one ``def``, or a function's own definition.

It is compiled as if it stood in the target's place. What of it leads to the target means the
webui's own code there: see ``held``.
"""

from __future__ import annotations

import ast
import re
import textwrap
from typing import TYPE_CHECKING, Any

from ..errors import PatchRefused
from ..reading.parsing import parse
from ..reading.texts import name_of, texts
from .decorators import keep_decorators
from .held import Below
from .placing import compile_text, does_not_compile
from .resolved import ResolvedDefinition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CellType, CodeType, FunctionType

    from ..naming.functions import Target
    from .names import FunctionNode


class Graft(ResolvedDefinition):
    """New code of a user's that is compiled in the target's place, but has not run yet.

    Args:
        asked: the user's request in words, the first line of an error.
        text: imports, then one ``def`` of any name.
        target: the function that it shall take the place of.
        original: a function with the target's own code, whatever layers lie over the target now.
        namespace: the notebook's names: what the module lacks is read from here when it is used.
        closure: closure cells around the text by name; default: those of the target.
        namespace_first: whether a name that both have is the notebook's.
        parsed: the ``def`` itself, with the lines of its file, where the text lies in a file.
        imports: the imports that stand above it there.
        values: values for the ``resolution.value_named`` in it.

    Attributes:
        source: the text, dedented.
        facts: names taken from the notebook, clashes, decorators kept.

    Raises:
        PatchRefused: the text does not compile, does not define exactly one function, or has
            decorators that the target does not have.
    """

    def __init__(
        self,
        asked: str,
        text: str,
        target: Target,
        original: FunctionType,
        namespace: dict[str, Any],
        *,
        closure: Mapping[str, CellType] | None = None,
        namespace_first: bool = False,
        parsed: tuple[FunctionNode, str] | None = None,
        imports: Sequence[ast.stmt] = (),
        values: dict[str, Any] | None = None,
    ) -> None:
        self.source = dedented(text)
        self.below = Below(asked, target, original)
        self.in_file = parsed is not None
        if parsed is None:
            filename = name_of(self.source, target.path)
            imports, definition = _parse(asked, self.source, original)
        else:
            definition, filename = parsed
        decorators = keep_decorators(asked, definition.decorator_list, original, imports, namespace)
        super().__init__(
            asked,
            definition,
            filename,
            target,
            original,
            namespace,
            imports=imports,
            closure=closure,
            namespace_first=namespace_first,
            values=values,
        )
        self.facts = (*self.uses.facts(), *decorators)
        if self.uses.notebook:  # some of which its imports are only going to bind
            names = self.uses.notebook & namespace.keys()
            self.below.names_among(namespace, names, self.code)

    def _factory(self) -> CodeType:
        if self.in_file:
            return super()._factory()
        return texts.keep(self.filename, self.source, self._settled)

    def build(self) -> FunctionType:
        """Run the imports in the namespace and make the function.

        Raises:
            PatchRefused: an import, a default value or an annotation raised.
        """
        try:
            made = super().build()
            self._lead_defaults(made)
        except PatchRefused:
            raise
        except Exception as error:
            raise PatchRefused(
                self.asked,
                f"an import, a default value or an annotation of the new code raised "
                f"{type(error).__name__}: {error}",
                "fix that and run the cell again",
            ) from error
        return made

    def _compile(self, tree: ast.Module) -> CodeType:
        lines = self.source.splitlines()
        return compile_text(self.asked, tree, self.filename, self.place.flags, lines)

    def _lead_defaults(self, made: FunctionType) -> None:
        """Let default values that are the target be the webui's code, as in ``_f=mod.f``."""
        if made.__defaults__:
            led = self.below.meaning(made.__defaults__, "a default value")
            if led is not made.__defaults__:  # an assignment would cost calls on 3.13
                made.__defaults__ = led
        named = made.__kwdefaults__
        if named:
            made.__kwdefaults__ = {k: self.below.meaning(v, k) for k, v in named.items()}

    def _original_of(self, name: str, value: object, *, is_notebooks: bool) -> object:
        """What a name means that leads to the target, by another name than the target's own.

        In a text, the target's own name is what the text defines.
        """
        if name == self.target.function.__name__ and not self.in_file:
            return None
        if not is_notebooks:  # a name of the module counts as it is, unless it is the target
            return self.original if value is self.target.function else None
        meaning = self.below.meaning(value, name)
        return None if meaning is value else meaning


def _parse(
    asked: str, source: str, original: FunctionType
) -> tuple[Sequence[ast.stmt], FunctionNode]:
    code = original.__code__
    parameters = ", ".join(code.co_varnames[: code.co_argcount])
    write = f"write one function: def {original.__name__}({parameters}): …"
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    imports, definition = parse_one(asked, source, kinds, "function", write)
    assert isinstance(definition, kinds)
    return imports, definition


def dedented(text: str) -> str:
    """A text without the indentation of its first line; another one stays to the letter.

    Where a line in triple quotes is less indented, it stays as it is, as in a cell of IPython.
    """
    first = re.match(r"(?:[ \t]*\n)*([ \t]+)\S", text)
    if first is None:
        return text
    # It empties lines of blanks, also those inside triple quotes.
    plain = textwrap.dedent(text)
    if plain.lstrip("\n")[:1] not in (" ", "\t"):
        return plain
    lines = text.splitlines(keepends=True)
    return "".join(line.removeprefix(first.group(1)) for line in lines)


def parse_one(
    asked: str, source: str, kinds: tuple[type[ast.stmt], ...], what: str, write: str
) -> tuple[Sequence[ast.stmt], ast.stmt]:
    """The imports of a text, and the one definition below them.

    Args:
        asked: the user's request in words.
        source: the text.
        kinds: what the definition may be.
        what: the same in a word.
        write: advice what to write instead.

    Raises:
        PatchRefused: there is not exactly one, or there is something else.
    """
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise does_not_compile(asked, error, source.splitlines()) from None
    definitions = [statement for statement in tree.body if isinstance(statement, kinds)]
    imports = [s for s in tree.body if isinstance(s, (ast.Import, ast.ImportFrom))]
    if not definitions:
        raise PatchRefused(asked, f"the text defines no {what}", write)
    if len(definitions) > 1:
        names = ", ".join(getattr(definition, "name", "") for definition in definitions)
        found = f"the text defines {len(definitions)} {what}s: {names}"
        raise PatchRefused(asked, found.replace("classs", "classes"), write)
    for stranger in tree.body:
        if stranger not in imports and stranger not in definitions:
            line = ast.unparse(stranger).splitlines()[0]
            raise PatchRefused(
                asked,
                f"line {stranger.lineno} of the text is neither a {what} nor an import: {line}",
                "put that line into a cell of its own, and run that cell first",
            )
    return imports, definitions[0]
