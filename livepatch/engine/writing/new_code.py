"""Turns what the user gave, a text or a callable, into code that fits its target."""

from __future__ import annotations

import ast
import builtins
import contextlib
import functools
import inspect
from operator import is_not
from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import PatchRefused
from ..naming.overrides import as_function
from ..naming.targets import dotted_name
from ..reading.parsing import parse
from ..reading.sources import definition_of, keep_source, source_of, why_no_source
from ..reading.summaries import summary
from ..switching.codes import global_names, names_in, uses_globals
from ..switching.kinds import check_kind, of_same_kind
from ..switching.state import FunctionState, clone
from .endless import refuse_endless
from .graft import Graft
from .held import Below
from .names import all_arguments
from .resolution import value_named
from .resolved import names_around

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..naming.targets import Target
    from .names import FunctionNode


class NewCode(NamedTuple):
    """Code that fits its target.

    Attributes:
        function: what calls shall run.
        text: its source text, or what finds it when it is asked for first, where it can be had.
        facts: what the answer line has to say of it.
    """

    function: FunctionType
    text: str | Callable[[], str | None] | None
    facts: tuple[str, ...] = ()


def code_from_text(
    asked: str,
    text: str,
    target: Target,
    original: FunctionType,
    namespace: dict[str, Any],
    *,
    dry_run: bool = False,
) -> NewCode:
    """Code from a text, compiled as if it stood in the target's place.

    Args:
        asked: the user's request in words.
        text: imports and one ``def``.
        target: the function to change.
        original: a function with the target's own code.
        namespace: the notebook's names.
        dry_run: check and describe it without running its imports; it cannot be installed.

    Raises:
        PatchRefused: the text is not one function of the target's kind.
    """
    graft = Graft(asked, text, target, original, namespace)
    check_kind(graft.code, original, asked)
    function = original if dry_run else _fitted(asked, graft.build(), target, original)
    return NewCode(function, graft.source.strip("\n"), graft.facts)


def code_from_callable(
    asked: str, new: Callable[..., Any], target: Target, original: FunctionType
) -> NewCode:
    """Code from a function, or from anything that can be called.

    A function keeps its own globals and closure. Where it uses names that only the target's module
    has, or ``super()``, or private names of the class, or a global of its own that leads to the
    target, its text is compiled again in the target's place. Wherever else it holds the target, it
    holds the webui's own code there: see ``held``.

    Raises:
        PatchRefused: it cannot be called, or is not of the target's kind.
    """
    if not callable(new):
        raise PatchRefused(
            asked, f"the new code is a {type(new).__name__}, not a function", "give a function"
        )
    below = Below(asked, target, original)
    if not isinstance(new, FunctionType):
        called = as_function(below.meaning(new))
        called.__doc__, called.__annotations__ = None, {}
        with contextlib.suppress(TypeError, ValueError):  # a builtin without one
            called.__signature__ = inspect.signature(new)
        return NewCode(of_same_kind(called, original, asked), None, (f"calls {_named(new)}",))
    check_kind(new.__code__, original, asked)
    source = functools.partial(source_of, new.__code__)
    function: FunctionType = below.meaning(new)
    leading = below.names_of(function)
    if leading or _needs_place(function, target, original):
        return _moved(asked, function, target, original, leading)
    if function.__closure__:
        cells = _cells_in_place(function, target, original)
        if any(map(is_not, cells, function.__closure__)):
            function = clone(function, cells)
    elif _runs_anywhere(function, original):
        function = clone(function, module=original.__globals__)
    return NewCode(_fitted(asked, function, target, original), source)


def _fitted(
    asked: str, function: FunctionType, target: Target, original: FunctionType
) -> FunctionType:
    refuse_endless(asked, function, target)
    return of_same_kind(function, original, asked)


def below_it(
    asked: str, new: Callable[..., Any], target: Target, original: FunctionType
) -> Callable[..., Any]:
    """A wrapper or hook that holds its target: there it means the webui's own code.

    Raises:
        PatchRefused: it holds the target where nothing else can be put.
    """
    below = Below(asked, target, original)
    led: Callable[..., Any] = below.meaning(new)
    for name in below.names_of(led) if isinstance(led, FunctionType) else ():
        below.refuse(led.__globals__[name], name)
    return led


def _named(new: Callable[..., Any]) -> str:
    """A callable in words; its repr may be slow, raise, or have many lines."""
    return dotted_name(new) if isinstance(new, type) or inspect.isroutine(new) else summary(new)


def _moved(
    asked: str, new: FunctionType, target: Target, original: FunctionType, leading: set[str]
) -> NewCode:
    """A function's text compiled again in the target's place, its own names first."""
    definition = definition_of(new)
    if definition is None:
        names = ", ".join(f"`{name}`" for name in sorted(leading))
        uses = f"{names}, which is {target.path} itself" if names else "names of the target's place"
        raise PatchRefused(
            asked,
            f"it uses {uses}, and has no source text to compile there: "
            f"{why_no_source(new.__code__)}",
            f"write it as a def, or in a cell: %%replace {target.path}",
        )
    cells = _cells_in_place(new, target, original)
    closure = dict(zip(new.__code__.co_freevars, cells, strict=True))
    if target.owner_class is not None:
        closure["__class__"] = CellType(target.owner_class)
    definition, values = _with_values(definition, new)
    graft = Graft(
        asked,
        "",
        target,
        original,
        new.__globals__,
        closure=closure,
        namespace_first=True,
        parsed=(definition, new.__code__.co_filename),
        values=values,
    )
    function = graft.build()
    keep_source(function.__code__, new.__code__)
    FunctionState.of(new).describe(function)
    facts: tuple[str, ...] = (f"compiled in the place of {target.path}",)
    if graft.uses.saved:
        facts = (*facts, f"{', '.join(sorted(graft.uses.saved))} is the webui's own code")
    return NewCode(
        _fitted(asked, function, target, original),
        functools.partial(source_of, new.__code__),
        facts,
    )


def _with_values(
    definition: FunctionNode | ast.Lambda, function: FunctionType
) -> tuple[FunctionNode, dict[str, Any]]:
    """A function's definition with the default values that it has, and those by their names.

    They were evaluated where the function was written, as its annotations and decorators were.
    """
    values: dict[str, Any] = {}

    def value(name: str, content: object) -> ast.expr:
        values[name] = content
        return value_named(name)

    arguments = definition.args
    arguments.defaults = [
        value(f"default_{position}", content)
        for position, content in enumerate(function.__defaults__ or ())
    ]
    keyword_defaults = function.__kwdefaults__ or {}
    arguments.kw_defaults = [
        value(f"default_{argument.arg}", keyword_defaults[argument.arg])
        if argument.arg in keyword_defaults
        else None
        for argument in arguments.kwonlyargs
    ]
    for argument in all_arguments(arguments):
        argument.annotation = None
    if isinstance(definition, ast.Lambda):
        definition = _as_def(definition)
    definition.decorator_list = []
    definition.returns = None
    return definition, values


def _as_def(function: ast.Lambda) -> ast.FunctionDef:
    definition = parse("def f(): pass").body[0]
    assert isinstance(definition, ast.FunctionDef)
    answer = ast.copy_location(ast.Return(function.body), function.body)
    definition.name, definition.args, definition.body = "<lambda>", function.args, [answer]
    return ast.copy_location(definition, function)


def _runs_anywhere(new: FunctionType, original: FunctionType) -> bool:
    """Whether a function can run in the target itself, whose globals are others."""
    return (
        not new.__code__.co_freevars
        and not original.__code__.co_freevars
        and new.__globals__ is not original.__globals__
        and not uses_globals(new.__code__)
    )


def _cells_in_place(
    new: FunctionType, target: Target, original: FunctionType
) -> tuple[CellType, ...]:
    """A function's closure with ``super()`` meaning what it does here."""
    if not new.__closure__:
        return ()
    cells = []
    own = dict(zip(original.__code__.co_freevars, original.__closure__ or (), strict=True))
    for name, cell in zip(new.__code__.co_freevars, new.__closure__, strict=True):
        if name == "__class__" and target.owner_class is not None:
            cells.append(own.get(name) or CellType(target.owner_class))
        else:
            cells.append(cell)
    return tuple(cells)


def _needs_place(new: FunctionType, target: Target, original: FunctionType) -> bool:
    """Whether a function uses what only the target's place can give."""
    if target.owner_class is not None:
        names = {*names_in(new.__code__), *new.__code__.co_varnames}
        bare_super = "super" in names and "__class__" not in new.__code__.co_freevars
        private = any(n.startswith("__") and not n.endswith("__") for n in names)
        if bare_super or private:
            return True
    own, module = new.__globals__, original.__globals__
    if own is module:
        return False
    suspects = [n for n in names_in(new.__code__) if n not in own and not hasattr(builtins, n)]
    if not suspects:
        return False
    around = names_around(original, target.owner_class)
    if own is around:
        return False
    suspects = [name for name in suspects if name in module or name in around]
    # Reading the instructions takes a while, and most such names are attributes.
    return bool(suspects) and not global_names(new.__code__).isdisjoint(suspects)
