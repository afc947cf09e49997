"""The kinds of classes whose definitions can change."""

from __future__ import annotations

import pytest


class Kind:
    """One kind of class: its module, a changed text of it, and what shows the change.

    Attributes:
        module: the text of the module, with the class ``C`` in it.
        old, new: what the class has, and what comes in its place.
        make: an expression that makes an instance.
        look: an expression of what the instance does.
        before, after: what it is before and with the change.
        needs: what has to be installed.
    """

    def __init__(self, module, old, new, make, look, before, after, needs=None):
        self.module, self.old, self.new = module, old, new
        self.make, self.look, self.before, self.after = make, look, before, after
        self.needs = needs

    @property
    def text(self):
        """The text of the class alone, with the change."""
        lines = self.module.splitlines(keepends=True)
        starts = [i for i, line in enumerate(lines) if line.startswith(("class C", "@"))]
        text = "".join(lines[min(starts) :])
        assert self.old in text
        return text.replace(self.old, self.new)


KINDS = {
    "plain": Kind(
        """\
class C:
    def me(self):
        return "old"
""",
        '"old"',
        '"new"',
        "C()",
        "one.me()",
        "old",
        "new",
    ),
    "slots": Kind(
        """\
class C:
    __slots__ = ("x", "__dict__", "__weakref__")

    def __init__(self, x):
        self.x = x

    def me(self):
        return self.x
""",
        "return self.x",
        "return -self.x",
        "C(3)",
        "one.me()",
        3,
        -3,
    ),
    "slots, super": Kind(
        """\
class Base:
    __slots__ = ()
    def me(self): return "base"

class C(Base):
    __slots__ = ("x",)

    def __init__(self, x):
        super().__init__()
        self.x = x

    def me(self):
        return super().me(), self.x
""",
        "self.x\n",
        "-self.x, __class__ is type(self)\n",
        "C(3)",
        "one.me()",
        ("base", 3),
        ("base", -3, True),
    ),
    "dataclass": Kind(
        """\
from dataclasses import dataclass, field

@dataclass
class C:
    \"\"\"A point.\"\"\"

    x: int
    items: list = field(default_factory=list)
    y: int = 2

    def me(self):
        return self.x + self.y
""",
        "self.x + self.y",
        "self.x * 10 + self.y",
        "C(1)",
        "one.me(), one == C(1), repr(one)",
        (3, True, "C(x=1, items=[], y=2)"),
        (12, True, "C(x=1, items=[], y=2)"),
    ),
    "dataclass with slots": Kind(
        """\
from dataclasses import dataclass

@dataclass(slots=True)
class C:
    x: int
    y: int = 2

    def me(self):
        return self.x + self.y
""",
        "self.x + self.y",
        "self.x * 10 + self.y",
        "C(1)",
        "one.me(), one == C(1)",
        (3, True),
        (12, True),
    ),
    "frozen dataclass": Kind(
        """\
from dataclasses import dataclass

@dataclass(frozen=True)
class C:
    x: int

    @property
    def me(self):
        return self.x
""",
        "return self.x",
        "return -self.x",
        "C(1)",
        "one.me, hash(one) == hash(C(1))",
        (1, True),
        (-1, True),
    ),
    "enum": Kind(
        """\
from enum import Enum

class C(Enum):
    RED = 1
    GREEN = (2, "x")
    CRIMSON = RED

    def me(self):
        return self.name.lower()

    @classmethod
    def best(cls):
        return cls.RED
""",
        "return self.name.lower()",
        "return self.name * 2",
        "C(1)",
        "one.me(), C(1) is C.RED is C.CRIMSON, C.best(), [*C]",
        "('red', True, C.RED, [C.RED, C.GREEN])",
        "('REDRED', True, C.RED, [C.RED, C.GREEN])",
    ),
    "int enum with auto": Kind(
        """\
import enum

class C(enum.IntEnum):
    LOW = enum.auto()
    HIGH = enum.auto()

    @property
    def me(self):
        return self + 1
""",
        "self + 1",
        "self + 10",
        "C.HIGH",
        "one.me, C(2) is one",
        (3, True),
        (12, True),
    ),
    "flag": Kind(
        """\
from enum import Flag

class C(Flag):
    R = 1
    W = 2
    RW = R | W

    def me(self):
        return bool(self & C.R)
""",
        "self & C.R",
        "self & type(self).W",
        "C.R",
        "one.me(), C.R | C.W is C.RW",
        (True, True),
        (False, True),
    ),
    "named tuple": Kind(
        """\
from typing import NamedTuple

class C(NamedTuple):
    x: int
    y: int = 2

    def me(self):
        return self.x + self.y
""",
        "self.x + self.y",
        "self.x * self.y",
        "C(3)",
        "one.me(), tuple(one)",
        (5, (3, 2)),
        (6, (3, 2)),
    ),
    "protocol": Kind(
        """\
from typing import Protocol

class C(Protocol):
    x: int

    def me(self) -> str:
        return "old"
""",
        '"old"',
        '"new"',
        "type('D', (C,), {'x': 1})()",
        "one.me()",
        "old",
        "new",
    ),
    "registry": Kind(
        """\
registered = []

class Base:
    def __init_subclass__(cls, tag, **kwargs):
        registered.append(cls)

class C(Base, tag="x"):
    def me(self):
        return "old"
""",
        '"old"',
        '"new"',
        "C()",
        "one.me(), registered == [C], len(Base.__subclasses__())",
        ("old", True, 1),
        ("new", True, 1),
    ),
    "counting metaclass": Kind(
        """\
made = []

class Meta(type):
    def __new__(mcs, name, bases, names):
        made.append(name)
        return super().__new__(mcs, name, bases, names)

class C(metaclass=Meta):
    limit = 1

    def me(self):
        return "old", self.limit
""",
        '"old"',
        '"new"',
        "C()",
        "one.me(), made",
        (("old", 1), ["C"]),
        (("new", 1), ["C"]),
    ),
    "attrs": Kind(
        """\
import attr

@attr.define
class C:
    x: int
    items: list = attr.field(factory=list)
    y: int = attr.field(default=2)

    def me(self):
        return self.x + self.y
""",
        "self.x + self.y",
        "self.x * 10 + self.y",
        "C(1)",
        "one.me(), one == C(1), repr(one)",
        (3, True, "C(x=1, items=[], y=2)"),
        (12, True, "C(x=1, items=[], y=2)"),
        "attr",
    ),
    "pydantic": Kind(
        """\
from pydantic import BaseModel, Field, PrivateAttr, field_validator

class C(BaseModel):
    x: int = Field(gt=0)
    y: int = 2
    items: list[int] = []
    _seen: int = PrivateAttr(default=7)

    @field_validator("x")
    @classmethod
    def check_x(cls, value):
        return value

    def me(self):
        return self.x + self.y + self._seen
""",
        "        return value\n",
        "        return value * 100\n",
        "C(x=1)",
        "[(m.me(), type(m) is C) for m in [C.model_validate({'x': 1})]][0], type(one) is C",
        ((10, True), True),
        ((109, True), True),
        "pydantic",
    ),
    "sqlalchemy": Kind(
        """\
from sqlalchemy import Column, Integer, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, validates

class Base(DeclarativeBase):
    pass

class C(Base):
    __tablename__ = "c"
    id: Mapped[int] = mapped_column(primary_key=True)
    name = Column(String(30))

    def __init__(self, name):
        super().__init__(name=name)

    @validates("name")
    def check_name(self, key, value):
        return value

    def me(self):
        return self.name
""",
        "        super().__init__(name=name)\n",
        '        super().__init__(name=name + "!")\n        self.extra = 1\n',
        "C(name='n')",
        "C('n').me(), C('n').__dict__.get('extra'), len(Base.registry.mappers)",
        ("n", None, 1),
        ("n!", 1, 1),
        "sqlalchemy",
    ),
}


def load(app, kind):
    """Load the module of a kind; the test is skipped where its library is not installed."""
    if kind.needs:
        pytest.importorskip(kind.needs)
    app.load(kind.module)
    return kind


def seen(app, kind, one):
    """What an instance does, as far as its module's names say it."""
    return eval(kind.look, vars(app.module), {"one": one})


def expected(app, value):
    """What a kind says, with the names of its module."""
    parts = value if isinstance(value, tuple) else (value,)
    if isinstance(value, str) and value.startswith("("):
        return eval(value, vars(app.module))
    found = [
        eval(one, vars(app.module)) if isinstance(one, str) and one.startswith("C.") else one
        for one in parts
    ]
    return tuple(found) if isinstance(value, tuple) else found[0]
