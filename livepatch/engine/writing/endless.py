"""Finds new code that would never end, because every call of it calls its own target.

What code looks up as it runs means the new code, which is how a function calls itself. Where no
condition stands before such a call it can only go round in a circle: it was meant for the webui's
code, as ``return mod.function(x) + 1`` in a notebook mostly is, and is refused before the webui
runs it.
"""

from __future__ import annotations

import dis
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import PatchRefused
from ..naming.slots import Attribute
from ..naming.unwrapping import unwrap
from ..reading.cells import content
from ..reading.namespaces import ancestors, is_a, namespace_of
from ..reading.sources import place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import CodeType, FunctionType

    from ..naming.targets import Target

_JUMPS = {*dis.hasjrel, *dis.hasjabs}
_ENDS = ("RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE")
_BETWEEN = ("CACHE", "EXTENDED_ARG", "NOP")
_CALLS = ("PRECALL", "CALL", "CALL_FUNCTION", "CALL_METHOD")
_CALLS_WITH_NAMES = ("CALL_KW", "CALL_FUNCTION_KW")  # on top lies a tuple of names
_BINDS = ("STORE_GLOBAL", "DELETE_GLOBAL", "STORE_DEREF", "DELETE_DEREF")


def refuse_endless(
    asked: str, function: FunctionType, target: Target, *, is_method: bool = True
) -> None:
    """Refuse new code of which every call would call itself.

    Args:
        asked: the user's request in words.
        function: the new code, ready to be installed.
        target: the function that it is for.
        is_method: whether, in a class, the new code gets the instance first.

    Raises:
        PatchRefused: it calls its target before any condition, by a name that it looks up.
    """
    code = function.__code__
    names = {target.path.rpartition(".")[2], target.function.__name__}
    # Reading the instructions takes a while, and most code does not name its target.
    if names.isdisjoint(code.co_names) and names.isdisjoint(code.co_freevars):
        return
    cls = target.owner_class if is_method and target.kind is not staticmethod else None
    for one in _called(function, cls):
        name = one.written.rpartition(".")[2]
        if name in names and _leads_back(one, name, function, target):
            raise PatchRefused(
                asked,
                f"every call of the new code calls {one.written}, which would be the new code "
                f"itself: it would never end ({place(function)})",
                "use lp.wrap instead, whose `original` is the webui's code",
            )


class _LookedUp(NamedTuple):
    """What code gets under a name.

    Attributes:
        written: how that stands in the code.
        value: what is there now, not computed.
        holder: what has it under that name, where that is known; of an instance, its class.
    """

    written: str
    value: Any
    holder: Any = None


_NOTHING: Any = object()
_NO_NAME = _LookedUp("", _NOTHING)


def _leads_back(one: _LookedUp, name: str, function: FunctionType, target: Target) -> bool:
    slot = target.override.slot if target.override is not None else None
    if isinstance(slot, Attribute) and slot.holder is one.holder and slot.name == name:
        return True
    innermost = unwrap(one.value, name, one.holder).innermost
    return innermost is target.function or innermost is function


def _called(function: FunctionType, cls: type | None) -> Iterator[_LookedUp]:
    """What every call of a function looks up and calls; of a method, on its first argument too."""
    code = function.__code__
    cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
    instructions = _run_by_every_call(code)
    rebound = {one.argval for one in dis.get_instructions(code) if one.opname in _BINDS}
    one = _NO_NAME
    for position, instruction in enumerate(instructions):
        name, kind = instruction.argval, instruction.opname
        if kind in ("LOAD_ATTR", "LOAD_METHOD") and one is not _NO_NAME:
            one = _attribute(one, name)
            continue
        if one.value is not _NOTHING and _is_called(instructions[position:]):
            yield one
        one = _NO_NAME
        if kind in ("LOAD_GLOBAL", "LOAD_NAME") and name not in rebound:
            one = _LookedUp(name, function.__globals__.get(name, _NOTHING))
        elif kind == "LOAD_DEREF" and name in cells and name not in rebound:
            one = _LookedUp(name, content(cells[name]))
        elif kind == "LOAD_CONST":  # a namespace of ours, of which the names are attributes
            one = _LookedUp("", name)
        elif kind.startswith("LOAD_FAST") and cls is not None:
            loaded = name[-1] if isinstance(name, tuple) else name  # one instruction may load two
            if code.co_argcount and loaded == code.co_varnames[0]:
                one = _LookedUp(loaded, _Instance(cls))


def _is_called(following: Sequence[dis.Instruction]) -> bool:
    """Whether what lies on top of the stack is what a call calls, and no argument of it."""
    above = 0
    for instruction in following:
        if instruction.opname == "CALL_FUNCTION_EX":  # its arguments are in a tuple and a dict
            return above >= 1
        has_names = instruction.opname in _CALLS_WITH_NAMES
        if has_names or instruction.opname in _CALLS:
            assert instruction.arg is not None
            if above >= instruction.arg + has_names:
                return True
        if instruction.opcode in _JUMPS:
            return False
        above += dis.stack_effect(instruction.opcode, instruction.arg, jump=False)
        if above < 0:
            return False
    return False


class _Instance:
    """Stands for an instance of a class of which nothing else is known."""

    def __init__(self, cls: type) -> None:
        self.cls = cls


def _attribute(one: _LookedUp, name: str) -> _LookedUp:
    """What something has under a name."""
    value, holder = one.value, one.value
    if type(value) is _Instance:
        holder = value.cls
        places = ancestors(holder)
    elif is_a(value, type):
        places = ancestors(value)
    else:
        places = (value, *ancestors(type(value)))
    found = next((own[name] for own in map(namespace_of, places) if name in own), _NOTHING)
    return _LookedUp(f"{one.written}.{name}".lstrip("."), found, holder)


def _run_by_every_call(code: CodeType) -> Sequence[dis.Instruction]:
    """The instructions of a code object that nothing leads past, up to the first end."""
    furthest, run = 0, []
    everything = [one for one in dis.get_instructions(code) if one.opname not in _BETWEEN]
    first_try = min(_tries(code, everything), default=None)
    for instruction in everything:
        if instruction.offset == first_try:
            break
        if instruction.offset >= furthest:
            run.append(instruction)
        # Who asks a generator for its items may stop; where a coroutine waits, a jump leads past.
        is_item = instruction.opname == "YIELD_VALUE" and instruction.offset >= furthest
        if instruction.opname in _ENDS or is_item:
            break
        if instruction.opcode in _JUMPS and not instruction.opname.startswith("SETUP_"):
            furthest = max(furthest, instruction.argval)
    return run


def _tries(code: CodeType, everything: Sequence[dis.Instruction]) -> Iterator[int]:
    """Where something begins that an exception may lead past: a ``try``, but no ``with``."""
    if sys.version_info < (3, 11):
        yield from (one.offset for one in everything if one.opname == "SETUP_FINALLY")
        return
    names = {one.offset: (one.opname, then.opname) for one, then in pairwise(everything)}
    entries: Any = dis.Bytecode(code).exception_entries
    for entry in entries:
        first, second = names.get(entry.target, ("", ""))
        if first == "PUSH_EXC_INFO" and second != "WITH_EXCEPT_START":
            yield next(one.offset for one in everything if one.offset >= entry.start)
