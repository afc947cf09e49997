"""Methods that the interpreter calls through the slots of a type, not by their names."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import operator
import os
import pickle

from .notes import noted
from .table import holding

# 1 for the old and 2 for the new code, where only a number may be answered.
NUMBER = "'on'.index('old'[0]) + 1"
WORDS = {1: "old", 2: "new"}


def enter(c):
    with c as value:
        return value


def suppress(c):
    with contextlib.suppress(ZeroDivisionError), c:
        1 / 0  # noqa: B018
        return None
    return c.mark


def delete_attribute(c):
    del c.attribute
    return c.mark


def set_attribute(c):
    c.attribute = 1
    return vars(c)


def set_item(c):
    c[1] = 2
    return c.mark


def delete_item(c):
    del c[1]
    return c.mark


async def iterate(c):
    async for value in c:
        return value
    return None


async def enter_later(c):
    async with c as value:
        return value


async def wait(c):
    return await c


SLOTS = {
    "call": ("def __call__(self): return 'old'", lambda c: c()),
    "length": (f"def __len__(self): return {NUMBER}", lambda c: WORDS[len(c)]),
    "truth": ("def __bool__(self): return 'old' == 'new'", lambda c: "new" if c else "old"),
    "equality": ("def __eq__(self, other): return 'old'", lambda c: c == 1),
    "order": ("def __lt__(self, other): return 'old'", lambda c: c < 1),
    "hash": (f"def __hash__(self): return {NUMBER}", lambda c: WORDS[hash(c)]),
    "representation": ("def __repr__(self): return 'old'", repr),
    "format": ("def __format__(self, how): return 'old'", lambda c: f"{c:x}"),
    "bytes": ("def __bytes__(self): return b'old'", bytes),
    "iteration": ("def __iter__(self): return iter(['old'])", list),
    "step of an iterator": ("def __next__(self): return 'old'", next),
    "reversal": ("def __reversed__(self): return iter(['old'])", lambda c: list(reversed(c))),
    "item": ("def __getitem__(self, key): return 'old'", lambda c: c[1]),
    "setting an item": ("def __setitem__(self, key, value): self.mark = 'old'", set_item),
    "deleting an item": ("def __delitem__(self, key): self.mark = 'old'", delete_item),
    "membership": (
        "def __contains__(self, item): return item == 'old'",
        lambda c: [item for item in ("old", "new") if item in c],
    ),
    "addition": ("def __add__(self, other): return 'old'", lambda c: c + 1),
    "reflected addition": ("def __radd__(self, other): return 'old'", lambda c: 1 + c),
    "addition in place": ("def __iadd__(self, other): return 'old'", lambda c: operator.iadd(c, 1)),
    "negation": ("def __neg__(self): return 'old'", lambda c: -c),
    "matrix product": ("def __matmul__(self, other): return 'old'", lambda c: c @ 1),
    "missing attribute": ("def __getattr__(self, name): return 'old'", lambda c: c.never_there),
    "every attribute": ("def __getattribute__(self, name): return 'old'", lambda c: c.anything),
    "setting an attribute": (
        "def __setattr__(self, name, value): self.__dict__[name] = 'old'",
        set_attribute,
    ),
    "deleting an attribute": ("def __delattr__(self, name): self.mark = 'old'", delete_attribute),
    "path": ("def __fspath__(self): return 'old'", os.fspath),
    "copying": ("def __copy__(self): return 'old'", copy.copy),
    "deep copying": ("def __deepcopy__(self, memo): return 'old'", copy.deepcopy),
    "pickling": (
        "def __reduce__(self): return str, ('old',)",
        lambda c: pickle.loads(pickle.dumps(c)),
    ),
    "state of a pickle": (
        "def __getstate__(self): return {'mark': 'old'}",
        lambda c: pickle.loads(pickle.dumps(c)).mark,
    ),
    "integer value": (f"def __int__(self): return {NUMBER}", lambda c: WORDS[int(c)]),
    "index": (f"def __index__(self): return {NUMBER}", lambda c: WORDS[operator.index(c)]),
    "rounding": ("def __round__(self, digits=None): return 'old'", round),
    "listing of attributes": ("def __dir__(self): return ['old']", dir),
    "entering a with block": (
        "def __enter__(self): return 'old'\n    def __exit__(self, *error): pass",
        enter,
    ),
    "leaving a with block": (
        "def __exit__(self, *error): self.mark = 'old'\n    def __enter__(self): pass",
        suppress,
    ),
    "awaiting": (
        "def __await__(self):\n        yield\n        return 'old'",
        lambda c: asyncio.run(wait(c)),
    ),
    "asynchronous iteration": (
        "async def __anext__(self): return 'old'\n    def __aiter__(self): return self",
        lambda c: asyncio.run(iterate(c)),
    ),
    "entering an async with block": (
        "async def __aenter__(self): return 'old'\n    async def __aexit__(self, *error): pass",
        lambda c: asyncio.run(enter_later(c)),
    ),
}


def _row(name, text, use):
    def hold(app):
        instance = app.C()
        return lambda: use(instance)

    hold.__name__ = f"{name} of a type"
    method = text.partition("(")[0].rpartition(" ")[2]
    holding(f"class C:\n    {text}\n", f"C.{method}")(hold)


for _name, (_text, _use) in SLOTS.items():
    _row(_name, _text, _use)


@holding(
    """
import functools
@functools.total_ordering
class C:
    ORDER = "old"
    def __lt__(self, other):
        return "old" == "new"
""",
    "C.__lt__",
)
def comparison_derived_by_total_ordering(app):
    return lambda: {True: "old", False: "new"}[app.C() >= app.C()]


@holding(
    """
from holding_kinds.notes import seen
class C:
    def __del__(self):
        seen.append("old")
""",
    "C.__del__",
)
def end_of_an_instance(app):
    instances = [app.C() for _ in range(3)]
    return noted(instances.pop)
