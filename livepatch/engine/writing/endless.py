"""New code that would never end: every call of it calls what it was laid on.

What code looks up as it runs means the new code, which is how a function calls itself. Where no
condition stands before such a call it can only go round in a circle: it was meant for the webui's
code, as ``return mod.function(x) + 1`` in a notebook mostly is, and is refused before the webui
runs it.
"""

from __future__ import annotations

import dis
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import PatchRefused
from ..naming.slots import Attribute
from ..naming.unwrapping import unwrap
from ..reading.cells import content
from ..reading.namespaces import ancestors, is_a, namespace_of
from ..reading.sources import place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FunctionType

    from ..naming.targets import Target

_JUMPS = {
    opcode
    for opcode in (*dis.hasjrel, *dis.hasjabs)
    # On 3.10 a `with` or `try` names its handler so: what stands in it runs all the same.
    if not dis.opname[opcode].startswith("SETUP_")
}
_ENDS = ("RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE")
_BETWEEN = ("CACHE", "EXTENDED_ARG", "NOP")


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
    for one in _looked_up(function, cls):
        name = one.written.rpartition(".")[2]
        if name in names and _leads_back(one, name, function, target):
            raise PatchRefused(
                asked,
                f"every call of the new code calls {one.written}, which is the new code itself "
                f"then: it would never end ({place(function)})",
                "write it for lp.wrap, whose `original` is the webui's code",
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


def _looked_up(function: FunctionType, cls: type | None) -> Iterator[_LookedUp]:
    """What every call of a function looks up; of a method, on its first argument too."""
    code = function.__code__
    cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
    one = _NO_NAME
    for instruction in _run_by_every_call(code):
        name, kind = instruction.argval, instruction.opname
        if kind in ("LOAD_ATTR", "LOAD_METHOD") and one is not _NO_NAME:
            one = _attribute(one, name)
            continue
        if one.value is not _NOTHING and not kind.startswith(("STORE_", "DELETE_")):
            yield one
        one = _NO_NAME
        if kind in ("LOAD_GLOBAL", "LOAD_NAME"):
            one = _LookedUp(name, function.__globals__.get(name, _NOTHING))
        elif kind == "LOAD_DEREF" and name in cells:
            one = _LookedUp(name, content(cells[name]))
        elif kind == "LOAD_CONST":  # a namespace of ours, of which the names are attributes
            one = _LookedUp("", name)
        elif kind.startswith("LOAD_FAST") and cls is not None:
            loaded = name[-1] if isinstance(name, tuple) else name  # one instruction may load two
            if code.co_argcount and loaded == code.co_varnames[0]:
                one = _LookedUp(loaded, _Instance(cls))


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


def _run_by_every_call(code: CodeType) -> Iterator[dis.Instruction]:
    """The instructions of a code object that no jump leads past, up to the first end."""
    furthest = 0
    for instruction in dis.get_instructions(code):
        if instruction.opname in _BETWEEN:
            continue
        if instruction.offset >= furthest:
            yield instruction
        if instruction.opname in _ENDS:
            return
        if instruction.opcode in _JUMPS:
            furthest = max(furthest, instruction.argval)
