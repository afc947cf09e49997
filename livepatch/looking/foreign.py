"""Who else patched what: replaced functions, wrappers, exchanged code, registered originals.

A false alarm is worse than a miss, so each finding rests on a proof. A ``def`` makes a function
whose globals are its module's, so another function in its place was put there by somebody; and a
library knows nothing of the webui that uses it, nor a webui of its extensions. Where the module's
own text can explain what stands there (a decorator, an import, an assignment of its own), nothing
is said.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from livepatch.engine.layers.function_stacks import patched_function
from livepatch.engine.naming.modules import named_modules
from livepatch.engine.naming.own_name import in_words
from livepatch.engine.reading.namespaces import ancestors, attribute_of_class, namespace_of
from livepatch.engine.reading.sources import place

from .candidates import Candidates
from .homes import Home, path_of
from .namespaces import (
    behind_the_standard_library,
    chain,
    closed_over,
    functions_in,
    named_globals,
)
from .origins import Origin, Rank, origin_of
from .people import US, People
from .written import Binding, Written, written_in

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class ForeignPatch:
    """A change of the running program that somebody else made.

    Attributes:
        target: the dotted name of what was changed.
        what: what was found there.
        by: ``file:line`` of the foreign code.
        whose: the extension, package or notebook that it belongs to.
        original: ``file:line`` of the code it took the place of, where that can be told.
        rank: what kind of owner it has.
    """

    target: str
    what: str
    by: str
    whose: str
    original: str
    rank: Rank


def foreign_patches() -> list[ForeignPatch]:
    """Every change by others that can be proved, those of notebooks and extensions first.

    Example:
        >>> foreign = foreign_patches()
        >>> all(patch.target and patch.by for patch in foreign)
        True
    """
    search = _Search()
    found = list(search.registered())
    for name, module in named_modules().items():
        found += search.module(name, module)
    return sorted(dict.fromkeys(found), key=lambda patch: (-patch.rank, patch.target))


class _Search:
    """One look at all loaded modules."""

    def __init__(self) -> None:
        self.told: set[tuple[int, str]] = set()  # holder and name that modules.patches tells of
        self.seen: set[int] = set()
        self.people = People()
        self.candidates = Candidates(self.people)

    def registered(self) -> Iterator[ForeignPatch]:
        """What the ``modules.patches`` of A1111 and Forge has written down."""
        originals = namespace_of(sys.modules.get("modules.patches")).get("originals")
        for key, patched in originals.copy().items() if isinstance(originals, dict) else ():
            for entry, original in patched.copy().items() if isinstance(patched, dict) else ():
                if isinstance(entry, tuple) and len(entry) == 2:
                    yield self._registered(key, entry[0], str(entry[1]), original)

    def _registered(self, key: object, holder: Any, name: str, original: Any) -> ForeignPatch:
        self.told.add((id(holder), name))
        value = namespace_of(holder).get(name)
        now = next(iter(functions_in(value)), None)
        what = "registered in modules.patches"
        if value is original:
            return ForeignPatch(
                f"{_dotted(holder)}.{name}",
                f"{what}, but taken back",
                str(key),
                str(key),
                place(original),
                Rank.WEBUI,
            )
        if now is None:
            origin, by = Origin(Rank.WEBUI, str(key)), str(key)
        else:
            origin, by = self.people.origin(now.__globals__), place(now)
        return ForeignPatch(
            f"{_dotted(holder)}.{name}", what, by, origin.name, place(original), origin.rank
        )

    def module(self, leading: str, module: ModuleType) -> Iterator[ForeignPatch]:
        """What others changed in a module and in the classes that it defines."""
        home = self.people.home(leading, module)
        if home.origin == US:
            return
        functions, classes = self.candidates.of(home, home.namespace.copy())
        for name, function in functions:
            if type(name) is str and (id(module), name) not in self.told:
                yield from self._function(home, None, name, function)
        for name, cls in classes:
            if type(name) is not str or (id(module), name) in self.told:
                continue
            defined_in = attribute_of_class(cls, "__module__")
            if defined_in == home.own_name:
                if id(cls) not in self.seen:
                    self.seen.add(id(cls))
                    yield from self._class(home, cls)
            elif not self.people.owns_module(home, defined_in):
                yield from self._other_class(home, name, cls)

    def _class(self, home: Home, cls: type) -> Iterator[ForeignPatch]:
        functions, _ = self.candidates.of(home, namespace_of(cls))
        for name, function in functions:
            if type(name) is str and (id(cls), name) not in self.told:
                yield from self._function(home, cls, name, function)

    def _function(
        self, home: Home, cls: type | None, name: str, function: FunctionType
    ) -> Iterator[ForeignPatch]:
        author = behind_the_standard_library(function)
        if author.__globals__ is home.namespace:
            yield from self._exchanged(home, cls, name, author)
            return
        origin = self.people.stranger(home, author)
        if origin is None:
            author = self.people.guest(home, author) or author
            origin = self.people.stranger(home, author)
        if origin is None:
            return
        if home.is_c:
            yield from _in_c(home, name, function, origin)
        elif cls is None:
            yield from self._in_module(home, name, function, author, origin)
        elif not self.people.comes_with(cls, origin):
            yield from self._in_class(home, cls, name, function, author, origin)

    def _in_module(
        self, home: Home, name: str, function: FunctionType, author: FunctionType, origin: Origin
    ) -> Iterator[ForeignPatch]:
        """A module's name leads to a function that another module's source made."""
        if not home.outline or not home.mentions(name) or home.imports_from(author.__globals__):
            return
        outranks = origin.rank > home.origin.rank
        written = home.written
        binding = written.binding([], name) if written else None
        if written is None or binding is None or not _can_prove(written, name, outranks):
            return
        if binding.is_assigned or self._starred(home, written, name):
            return
        defined = binding.is_plain_definition or (outranks and bool(binding.definitions))
        imported = not binding.definitions and bool(binding.imports)
        if defined or (
            imported and all(self._not_imported(home, i, author, origin) for i in binding.imports)
        ):
            yield from self._found(home, None, name, function, author, origin, binding)

    def _in_class(
        self,
        home: Home,
        cls: type,
        name: str,
        function: FunctionType,
        author: FunctionType,
        origin: Origin,
    ) -> Iterator[ForeignPatch]:
        """A class holds a function that another module's source made."""
        outranks = origin.rank > home.origin.rank
        if not home.outline or (not outranks and not home.may_define(cls, name)):
            return
        if home.imports_from(author.__globals__):
            return
        classes = path_of(cls)
        written = home.written
        binding = written.binding(classes, name) if written else None
        if written is None or binding is None or not _can_prove(written, name, outranks):
            return
        if binding.is_assigned or binding.imports:
            return
        if binding.definitions:
            statement = written.class_of(classes)
            decorated = statement is not None and bool(statement.decorator_list)
            if outranks or (binding.is_plain_definition and not decorated):
                yield from self._found(home, cls, name, function, author, origin, binding)
        elif outranks:
            below = next((c for c in ancestors(cls)[1:] if name in namespace_of(c)), None)
            if below is not None:
                original = next(iter(functions_in(namespace_of(below)[name])), None)
                where = place(original) if original else f"{_dotted(below)}.{name}, built in"
                yield _patch(
                    home, cls, name, "inherited method overridden", function, origin, where
                )

    def _exchanged(
        self, home: Home, cls: type | None, name: str, function: FunctionType
    ) -> Iterator[ForeignPatch]:
        """The module's own function, but its ``__code__`` may be of another file."""
        code = function.__code__
        patched = patched_function(function)
        is_own = code.co_filename == home.file or code.co_filename.startswith("<frozen ")
        if patched is None and is_own:
            return
        if patched is not None:
            if code is not patched.installed.code and not patched.is_redefined():
                what = "code replaced, over livepatch's layers"
                _, origin = self._of_file(code.co_filename)
                yield _patch(home, cls, name, what, function, origin, place(patched.original))
            return
        if not home.may_define(cls, name) or not home.knows_its_file:
            return
        written = home.written
        binding = written.binding(path_of(cls) if cls else [], name) if written else None
        if written is None or binding is None or not binding.is_plain_definition:
            return
        if written.is_dynamic or "__code__" in written.rebinds:
            return
        namespace, origin = self._of_file(code.co_filename)
        if origin == home.origin:
            return
        if namespace is not None and home.imports_from(namespace):
            return
        where = home.line_of(binding)
        yield _patch(home, cls, name, "code exchanged", function, origin, where)

    def _other_class(self, home: Home, name: str, cls: type) -> Iterator[ForeignPatch]:
        """A module's name leads to a class of others, though its source may define one."""
        if home.is_c or not home.may_define_class(name):
            return
        authors = [f for value in namespace_of(cls).values() for f in functions_in(value)]
        authors = [behind_the_standard_library(function) for function in authors]
        if not authors or any(self.people.stranger(home, author) is None for author in authors):
            return
        written = home.written
        binding = written.binding([], name) if written else None
        if written is None or binding is None or not _can_prove(written, name, outranks=False):
            return
        if not binding.is_plain_definition or self._starred(home, written, name):
            return
        if any(getattr(node, "keywords", None) for node in binding.definitions):
            return  # a metaclass answers what it likes
        if not any(home.imports_from(author.__globals__) for author in authors):
            origin = self.people.origin(authors[0].__globals__)
            where = home.line_of(binding)
            yield _patch(home, None, name, "class replaced", authors[0], origin, where)

    def _found(
        self,
        home: Home,
        cls: type | None,
        name: str,
        function: FunctionType,
        author: FunctionType,
        origin: Origin,
        binding: Binding,
    ) -> Iterator[ForeignPatch]:
        """The foreign wrappers around the original, outermost first, or what is in its place."""
        wrappers, original = chain(function, name, home.namespace)
        if original is None:
            what = "class attribute replaced" if cls else "function replaced"
            yield _patch(home, cls, name, what, author, origin, home.line_of(binding))
            return
        theirs = [
            wrapper for wrapper in wrappers if self.people.stranger(home, wrapper) is not None
        ]
        for wrapper in theirs or [author]:
            its = self.people.origin(wrapper.__globals__)
            yield _patch(home, cls, name, "wrapper", wrapper, its, place(original))

    def _starred(self, home: Home, written: Written, name: str) -> bool:
        """Whether a ``from module import *`` may have bound the name."""
        modules = [sys.modules.get(home.absolute(*star)) for star in written.stars]
        return any(module is None or name in namespace_of(module) for module in modules)

    def _not_imported(
        self, home: Home, imported: tuple[int, str, str], author: FunctionType, origin: Origin
    ) -> bool:
        """Whether ``from module import name`` cannot have brought this function."""
        level, module_name, name = imported
        module = sys.modules.get(home.absolute(level, module_name))
        source = namespace_of(module)
        there = next(iter(functions_in(source.get(name))), None)
        if there is None or there.__globals__ is author.__globals__:
            return False
        came_from = self.people.origin(source)
        if came_from == origin:
            return False
        if origin.rank > max(came_from.rank, home.origin.rank):
            return True
        written = written_in(str(source.get("__file__")))
        binding = written.binding([], name) if written else None
        return (
            written is not None
            and binding is not None
            and binding.is_plain_definition
            and _can_prove(written, name, outranks=False)
        )

    def _of_file(self, filename: str) -> tuple[dict[str, Any] | None, Origin]:
        """The namespace of the module of a file, and whose it is."""
        for module in named_modules().values():
            namespace = namespace_of(module)
            if namespace.get("__file__") == filename:
                return namespace, self.people.origin(namespace)
        named = {"__name__": filename, "__file__": filename}
        if filename.startswith("<"):
            return None, Origin(Rank.NOTEBOOK, "the notebook or generated code")
        return None, origin_of(named)


def _in_c(home: Home, name: str, function: FunctionType, origin: Origin) -> Iterator[ForeignPatch]:
    """A module written in C holds a Python function."""
    held = (*closed_over(function), *named_globals(function), *(function.__defaults__ or ()))
    saved = [value for value in held if type(value) is BuiltinFunctionType]
    if any(b.__self__ is home.module and b.__name__ == name for b in saved):
        yield _patch(home, None, name, "builtin replaced", function, origin, "built in")
    elif origin.rank >= Rank.WEBUI:
        what = "function in a C module (livepatch cannot tell whether it had one of that name)"
        yield _patch(home, None, name, what, function, origin, "")


def _patch(
    home: Home,
    cls: type | None,
    name: str,
    what: str,
    code: FunctionType,
    origin: Origin,
    original: str,
) -> ForeignPatch:
    target = ".".join([home.name, *(path_of(cls) if cls else []), name])
    return ForeignPatch(target, what, place(code), origin.name, original, origin.rank)


def _dotted(holder: Any) -> str:
    return in_words(holder if isinstance(holder, (ModuleType, type)) else type(holder))


def _can_prove(written: Written, name: str, outranks: bool) -> bool:
    """Whether the module cannot have bound the name itself in a way its text does not show."""
    return name not in written.rebinds and (outranks or not written.is_dynamic)
