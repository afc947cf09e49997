"""Compiles a text as if it stood in the target's place: in its module, its class, its closure.

The result finds the module's names as its globals, and those of the notebook by a look-up in a
constant. So its code can run in the target itself, at no cost per call.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from types import CellType
from typing import TYPE_CHECKING, Any

from ..errors import PatchRefused
from ..naming.unwrapping import is_generated
from ..reading.compiled import future_flags
from ..reading.namespaces import namespace_of
from ..reading.parsing import parse
from ..reading.sources import place
from ..reading.texts import name_of, texts
from .decorators import keep_decorators
from .held import Below
from .names import bound_names
from .placing import (
    NEW,
    Place,
    Settled,
    compile_text,
    does_not_compile,
    enclose,
    factory_in,
    make,
    new_code,
    own_future_flags,
)
from .resolution import Resolution

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CodeType, FunctionType

    from ..naming.targets import Target
    from .names import FunctionNode


class Graft:
    """A text that is compiled in the target's place, but has not run yet.

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
        uses: which names it takes from where.
        code: the new function's code, to see its kind.

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
        self.asked = asked
        self.source = dedented(text)
        self.target = target
        self.original = original
        self.namespace = namespace
        self.below = Below(asked, target, original)
        self.in_file = parsed is not None
        self.imports = imports
        if parsed is None:
            self.filename = name_of(self.source, target.path)
            self.imports, definition = self._parse()
        else:
            definition, self.filename = parsed
        decorators = keep_decorators(
            asked, definition.decorator_list, original, self.imports, namespace
        )
        definition.decorator_list = []
        self.place = self._place(closure)
        self.place.flags |= own_future_flags(self.imports)
        # In a class a function does not see itself by its name.
        sees_itself = target.owner_class is None and definition.name not in (
            self.place.module.keys() | self.place.cells.keys()
        )
        self.own_name = definition.name if sees_itself else None
        self.resolution = Resolution(
            self.place,
            namespace,
            self.imports,
            namespace_first=namespace_first,
            original_of=self._original_of,
            itself=self.own_name,
            values=values,
        )
        self.resolution.redirect(definition)
        self.uses = self.resolution.uses
        self.facts = (*self.uses.facts(), *decorators)
        mention(definition, original.__code__.co_freevars)
        self._compiled = self._compile(enclose(definition, self.place))
        self.code = new_code(self._compiled)
        if self.uses.notebook:  # some of which its imports are only going to bind
            names = self.uses.notebook & namespace.keys()
            self.below.names_among(namespace, names, self.code)

    def build(self) -> FunctionType:
        """Run the imports in the namespace and make the function.

        Raises:
            PatchRefused: an import, a default value or an annotation raised.
        """
        try:
            if self.imports:
                exec(self._compile(ast.Module([*self.imports], [])), self.namespace)
            return self._make()
        except PatchRefused:
            raise
        except Exception as error:
            raise PatchRefused(
                self.asked,
                f"an import, a default value or an annotation of the new code raised "
                f"{type(error).__name__}: {error}",
                "mend that and run the cell again",
            ) from error

    def _make(self) -> FunctionType:
        original = self.original
        constants = self.resolution.constants()

        def settled(filename: str) -> CodeType:
            return Settled(
                inner=NEW,
                name=original.__code__.co_name,
                qualified_name=original.__qualname__,
                constants=constants,
                filename=filename,
            ).code(factory_in(self._compiled))

        if self.in_file:
            factory = settled(self.filename)
        else:
            factory = texts.keep(self.filename, self.source, settled)
        made: FunctionType = make(factory, self.place)
        made.__name__, made.__qualname__ = original.__name__, original.__qualname__
        made.__module__ = original.__module__
        self._lead_defaults(made)
        if self.own_name in self.place.cells:
            self.place.cells[self.own_name].cell_contents = made
        return made

    def _place(self, closure: Mapping[str, CellType] | None) -> Place:
        code = self.original.__code__
        own = zip(code.co_freevars, self.original.__closure__ or (), strict=True)
        cells = dict(own) if closure is None else dict(closure)
        owner = self.target.owner_class
        if owner is not None:
            cells.setdefault("__class__", CellType(owner))
        return Place(
            _names_of_module(self.asked, self.original, owner),
            cells,
            owner.__name__ if owner else None,
            future_flags(code),
            names_around(self.original, owner),
        )

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

    def _parse(self) -> tuple[Sequence[ast.stmt], FunctionNode]:
        code = self.original.__code__
        parameters = ", ".join(code.co_varnames[: code.co_argcount])
        write = f"write one function: def {self.original.__name__}({parameters}): …"
        imports, definition = parse_one(
            self.asked, self.source, (ast.FunctionDef, ast.AsyncFunctionDef), "function", write
        )
        assert isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef))
        return imports, definition

    def _compile(self, tree: ast.Module) -> CodeType:
        lines = self.source.splitlines()
        return compile_text(self.asked, tree, self.filename, self.place.flags, lines)


def _names_of_module(asked: str, original: FunctionType, owner: type | None) -> dict[str, Any]:
    """The globals of new code: the module's, also for a function that a library generated.

    The ``__new__`` of a named tuple has globals of its own, without any builtins.
    """
    module = sys.modules.get(getattr(owner, "__module__", ""))
    if module is not None and is_generated(original):
        return vars(module)
    if original.__globals__.get("__builtins__", vars) == {}:
        raise PatchRefused(
            asked,
            f"it was generated, and sees no names but its own ({place(original)})",
            f"name it by its class: package.module.{original.__qualname__}",
        )
    return original.__globals__


def names_around(original: FunctionType, owner: type | None) -> dict[str, Any]:
    """What new code sees besides, of a function that a library made for a module or a class there.

    The ``_replace`` of a named tuple has the globals of ``collections``; what was executed has a
    namespace of its own.
    """
    name = owner.__module__ if owner is not None else original.__module__
    if owner is None and not is_generated(original):
        return {}
    module = sys.modules.get(name or "")
    return {} if module is None else namespace_of(module)


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
                f"line {stranger.lineno} of the text is no {what} and no import: {line}",
                "put that line into a cell of its own, and run that first",
            )
    return imports, definitions[0]


def mention(definition: FunctionNode, free_variables: tuple[str, ...]) -> None:
    """Keep the target's free variables in a code that does not use them.

    Then the code fits the target's closure. The compiler drops the branch and keeps the variables.
    """
    own = bound_names(definition)
    mentioned = [name for name in free_variables if name not in own]
    if not mentioned:
        return
    statement = parse(f"if 0: ({', '.join(mentioned)},)").body[0]
    for node in ast.walk(statement):
        if hasattr(node, "lineno"):
            ast.copy_location(node, definition.body[-1])
    definition.body.append(statement)
