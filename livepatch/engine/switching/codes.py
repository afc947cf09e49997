"""Makes the code to install in a function so that it runs another.

A *trampoline* is a tiny code object that calls a function which it holds as a constant. It is of
the same kind and has the same number of free variables as the code it stands for, so it can be
assigned to ``function.__code__``: every reference that anyone ever took to the function then runs
the new code.
"""

from __future__ import annotations

import dis
import functools
import inspect
import sys
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from .kinds import KIND_FLAGS, Kind, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Until 3.10 the interpreter makes a generator because of the code's flags; from 3.11 on an opcode
# does it and the flags only say so to inspect. See `_body`.
FLAGS_MAKE_GENERATORS = sys.version_info < (3, 11)

# Stand-ins for the constants of a trampoline: large integers, which no other constant of a template
# can be.
_CALLED = 0x6C69_7665_0001
_HANDLE = 0x6C69_7665_0002


class Parameters(NamedTuple):
    """A parameter list by names; defaults belong to the function, not to its code."""

    positional: tuple[str, ...] = ()
    positional_only: int = 0
    keyword_only: tuple[str, ...] = ()
    var_positional: str | None = None
    var_keyword: str | None = None

    @classmethod
    def of(cls, code: CodeType, skip: int = 0) -> Parameters:
        """The parameter list of a code object, without its first ``skip`` positional parameters."""
        names = code.co_varnames
        count = code.co_argcount + code.co_kwonlyargcount
        var_positional = var_keyword = None
        if code.co_flags & inspect.CO_VARARGS:
            var_positional = names[count]
        if code.co_flags & inspect.CO_VARKEYWORDS:
            var_keyword = names[count + (var_positional is not None)]
        return cls(
            names[skip : code.co_argcount],
            max(0, code.co_posonlyargcount - skip),
            names[code.co_argcount : count],
            var_positional,
            var_keyword,
        )

    def definition(self) -> str:
        """As written between the parentheses of a ``def``."""
        parts = list(self.positional)
        if self.positional_only:
            parts.insert(self.positional_only, "/")
        if self.var_positional:
            parts.append(f"*{self.var_positional}")
        elif self.keyword_only:
            parts.append("*")
        parts += self.keyword_only
        if self.var_keyword:
            parts.append(f"**{self.var_keyword}")
        return ", ".join(parts)

    def call(self) -> list[str]:
        """As written between the parentheses of a call that passes everything on."""
        parts = list(self.positional)
        if self.var_positional:
            parts.append(f"*{self.var_positional}")
        parts += [f"{name}={name}" for name in self.keyword_only]
        if self.var_keyword:
            parts.append(f"**{self.var_keyword}")
        return parts

    def named(self) -> set[str]:
        """What a caller may give by its name."""
        return {*self.positional[self.positional_only :], *self.keyword_only}

    def names(self) -> set[str]:
        """Every name that the list binds."""
        variadic = {self.var_positional, self.var_keyword} - {None}
        return {*self.positional, *self.keyword_only, *variadic}  # type: ignore[arg-type]


# What reads or writes the globals of the function that it runs in; code that makes functions hands
# them on.
_WITH_GLOBALS = frozenset(
    dis.opmap[name]
    for name in (
        "LOAD_GLOBAL",
        "STORE_GLOBAL",
        "DELETE_GLOBAL",
        "LOAD_NAME",
        "IMPORT_NAME",
        "LOAD_FROM_DICT_OR_GLOBALS",
        "LOAD_BUILD_CLASS",
        "MAKE_FUNCTION",
    )
    if name in dis.opmap
)


def uses_globals(code: CodeType) -> bool:
    """Whether it makes a difference to a code object in which module it runs.

    Example:
        >>> uses_globals((lambda text: text.upper()).__code__)
        False
    """
    return not _WITH_GLOBALS.isdisjoint(code.co_code[::2])


def names_in(code: CodeType) -> Iterator[str]:
    """The names of globals and attributes in a code object, and in those nested in it."""
    yield from code.co_names
    for constant in code.co_consts:
        if type(constant) is CodeType:
            yield from names_in(constant)


def global_names(code: CodeType) -> set[str]:
    """The names that a code object reads as globals, and those nested in it."""
    names = {
        str(instruction.argval)
        for instruction in dis.get_instructions(code)
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    for constant in code.co_consts:
        if inspect.iscode(constant):
            names |= global_names(constant)
    return names


GENERIC = Parameters(var_positional="args", var_keyword="kwargs")


_PACKED = "_livepatch_packed"


def packed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a function of ours that gets a call's arguments as a tuple and a dictionary.

    ``function(original, args, kwargs)``: what takes any arguments only to pass them on makes both
    anew at each call otherwise, at 140 ns.
    """
    function.__dict__[_PACKED] = True
    return function


def trampoline(
    standing_for: CodeType,
    called: Callable[..., Any],
    *,
    handle: FunctionType | None = None,
    matched: bool = True,
) -> CodeType:
    """Code that calls ``called`` wherever ``standing_for`` would have run.

    Args:
        standing_for: the code object that it takes the place of.
        called: the function that it calls, of the same kind as ``standing_for``.
        handle: passed as the first argument where given: the ``original`` of a wrapper. Those that
            are :func:`packed` need one.
        matched: take over the parameter list of ``called`` (41 ns a call against 24 unpatched);
            otherwise ``*args, **kwargs`` (up to 170 ns), which does not depend on the defaults of
            the function that it runs in.

    Returns:
        A code object with the name of ``standing_for`` and the file and line of ``called``.
    """
    called_code: CodeType | None = getattr(called, "__code__", None)
    parameters = GENERIC
    is_packed = handle is not None and _PACKED in called.__dict__
    if matched and called_code is not None and not is_packed:
        parameters = Parameters.of(called_code, skip=0 if handle is None else 1)
    template = _template(
        parameters, kind_of(standing_for), standing_for.co_freevars, handle is not None, is_packed
    )
    constants = {_CALLED: called, _HANDLE: handle}
    replaced: dict[str, Any] = {
        "co_consts": tuple(
            [  # a list: a generator would take twice as long
                constants.get(constant, constant) if type(constant) is int else constant
                for constant in template.co_consts
            ]
        ),
        "co_name": standing_for.co_name,
        "co_filename": called_code.co_filename if called_code else "<livepatch>",
        "co_firstlineno": called_code.co_firstlineno if called_code else 1,
    }
    if FLAGS_MAKE_GENERATORS:
        # What types.coroutine() made can be awaited because of a flag, on every version.
        awaitable = standing_for.co_flags & inspect.CO_ITERABLE_COROUTINE
        replaced["co_flags"] = template.co_flags | awaitable
    else:
        kind_flags = standing_for.co_flags & KIND_FLAGS
        replaced["co_flags"] = (template.co_flags & ~KIND_FLAGS) | kind_flags
        replaced["co_qualname"] = standing_for.co_qualname  # type: ignore[attr-defined]
    return template.replace(**replaced)


@functools.lru_cache(maxsize=1024)
def _template(
    parameters: Parameters,
    kind: Kind,
    free_variables: tuple[str, ...],
    passes_handle: bool,
    is_packed: bool,
) -> CodeType:
    """A compiled trampoline whose constants are still stand-ins."""
    cells = free_variables
    if parameters.names() & set(free_variables):
        # Only their number has to agree with the function's closure; their names may not clash.
        cells = tuple(f"_livepatch_cell_{number}" for number in range(len(free_variables)))
    # A constant condition folds to the constant; the dead branch keeps the free variables, and with
    # them the COPY_FREE_VARS opcode. Without it, reading frame.f_locals crashes 3.11 and 3.12.
    called = f"({_CALLED} if 1 else ({''.join(f'{cell}, ' for cell in cells)}))"
    arguments = [f"({_HANDLE} if 1 else 0)"] if passes_handle else []
    arguments += ["args", "kwargs"] if is_packed else parameters.call()
    body = _body(kind, f"{called}({', '.join(arguments)})")
    source = (
        f"def make({', '.join(cells)}):\n"
        f" {_prefix(kind)}def trampoline({parameters.definition()}):\n"
        f"{body}\n"
        " return trampoline"
    )
    code = _inner_code(_inner_code(compile(source, "<livepatch>", "exec")))
    return code.replace(co_linetable=_one_line(len(code.co_code)))


def _inner_code(code: CodeType) -> CodeType:
    return next(constant for constant in code.co_consts if inspect.iscode(constant))


def _prefix(kind: Kind) -> str:
    asynchronous = kind in ("coroutine", "async generator")
    return "async " if FLAGS_MAKE_GENERATORS and asynchronous else ""


def _body(kind: Kind, call: str) -> str:
    """The statements of a trampoline of a kind.

    From 3.11 on a plain ``return`` answers the real generator or coroutine of the called function:
    nothing is added to an item's cost, and asend, athrow and aclose are its own. On 3.10 the flags
    make the frame a generator whatever it does, so it has to delegate.
    """
    if kind == "plain function" or not FLAGS_MAKE_GENERATORS:
        return f"  return {call}"
    if kind == "coroutine":
        return f"  return await {call}"
    if kind == "generator":
        return f"  return (yield from {call})"
    return _DELEGATE_ASYNC_GENERATOR.format(call=call)


# PEP 380's delegation, written out for async generators, which have no `yield from`.
_DELEGATE_ASYNC_GENERATOR = """\
  _livepatch_inner = {call}
  try:
   _livepatch_item = await _livepatch_inner.__anext__()
   while True:
    try:
     _livepatch_sent = yield _livepatch_item
    except GeneratorExit:
     await _livepatch_inner.aclose()
     raise
    except BaseException as _livepatch_error:
     _livepatch_item = await _livepatch_inner.athrow(_livepatch_error)
    else:
     _livepatch_item = await _livepatch_inner.asend(_livepatch_sent)
  except StopAsyncIteration:
   return"""


def _one_line(length_of_code: int) -> bytes:
    """A location table (CPython's Objects/locations.md): all on the first line, no columns."""
    if FLAGS_MAKE_GENERATORS:  # that of 3.10
        return b"\xfe\x00" * (length_of_code // 254 + 1)
    table = bytearray()
    code_units = length_of_code // 2
    while code_units > 0:
        length = min(8, code_units)
        table += bytes((0x80 | (13 << 3) | (length - 1), 0))
        code_units -= length
    return bytes(table)
