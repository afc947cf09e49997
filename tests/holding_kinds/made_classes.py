"""Methods of enums, dataclasses, metaclasses, and of classes made in other ways."""

from __future__ import annotations

import dataclasses
import enum

from .table import holding


@holding(
    """
import enum
class Color(enum.Enum):
    RED = 1
    def m(self):
        return "old", self.name
""",
    "Color.m",
)
def method_of_an_enum(app):
    assert issubclass(app.Color, enum.Enum)
    return app.Color.RED.m


@holding(
    """
import enum
class Color(enum.Enum):
    RED = "red"
    OLD = "old"
    NEW = "new"
    @classmethod
    def _missing_(cls, value):
        return cls("old")
""",
    "Color._missing_",
)
def missing_value_of_an_enum(app):
    return lambda: app.Color("purple").value


@holding(
    """
import typing
class Point(typing.NamedTuple):
    x: int
    def m(self):
        return "old", self.x
""",
    "Point.m",
)
def method_of_a_named_tuple(app):
    return app.Point(1).m


@holding(
    """
import dataclasses
@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    def m(self):
        return "old", self.x
""",
    "Point.m",
)
def method_of_a_frozen_dataclass(app):
    held = app.Point(1)
    return lambda: dataclasses.replace(held, x=2).m()


@holding(
    """
import dataclasses
@dataclasses.dataclass
class Point:
    x: int
    def __post_init__(self):
        self.y = "old"
""",
    "Point.__post_init__",
)
def post_init_of_a_dataclass(app):
    return lambda: app.Point(1).y


@holding(
    """
import dataclasses
@dataclasses.dataclass(slots=True)
class Point:
    x: int
    def m(self):
        return "old", self.x
""",
    "Point.m",
)
def method_of_a_dataclass_with_slots(app):
    return app.Point(1).m


@holding(
    """
class C:
    __slots__ = ("x",)
    def m(self):
        return "old"
""",
    "C.m",
)
def method_of_a_class_with_slots(app):
    return app.C().m


@holding(
    """
class Meta(type):
    def m(cls):
        return "old", cls.__name__
class C(metaclass=Meta):
    pass
""",
    "Meta.m",
)
def method_of_a_metaclass(app):
    return app.C.m


@holding(
    """
class Meta(type):
    def __call__(cls, *args):
        return "old"
class C(metaclass=Meta):
    pass
""",
    "Meta.__call__",
)
def call_of_a_metaclass(app):
    held = app.C
    return lambda: held()


@holding(
    """
class Meta(type):
    def __instancecheck__(cls, instance):
        return instance == "old"
class C(metaclass=Meta):
    pass
""",
    "Meta.__instancecheck__",
)
def instance_check_of_a_metaclass(app):
    return lambda: [value for value in ("old", "new") if isinstance(value, app.C)]


@holding(
    """
class Meta(type):
    @classmethod
    def __prepare__(meta, name, bases):
        return {"mark": "old"}
class C(metaclass=Meta):
    pass
""",
    "Meta.__prepare__",
)
def namespace_prepared_by_a_metaclass(app):
    def call():
        class Made(metaclass=app.Meta):
            pass

        return Made.mark

    return call


@holding(
    """
class C:
    def __init_subclass__(cls):
        cls.mark = "old"
""",
    "C.__init_subclass__",
)
def hook_of_new_subclasses(app):
    return lambda: type("Made", (app.C,), {}).mark


@holding(
    """
class C:
    def __class_getitem__(cls, item):
        return "old", item
""",
    "C.__class_getitem__",
)
def class_getitem(app):
    return lambda: app.C[1]


@holding(
    """
class D:
    def __set_name__(self, owner, name):
        owner.mark = "old"
""",
    "D.__set_name__",
)
def set_name_of_a_descriptor(app):
    def call():
        class Made:
            attribute = app.D()

        return Made.mark

    return call


@holding(
    """
class C:
    def __init__(self):
        self.mark = "old"
""",
    "C.__init__",
)
def constructor(app):
    held = app.C
    return lambda: held().mark


@holding(
    """
class C:
    def __new__(cls):
        made = super().__new__(cls)
        made.mark = "old"
        return made
""",
    "C.__new__",
    elsewhere="""
def __new__(cls):
    made = object.__new__(cls)
    made.mark = "new"
    return made
""",
    dress=lambda app, new: staticmethod(new),
)
def allocation_of_instances(app):
    return lambda: app.C().mark


@holding(
    """
class Base:
    pass
def m(self):
    return "old"
C = type("C", (Base,), {"m": m})
""",
    "C.m",
)
def class_made_by_type(app):
    return app.C().m


@holding(
    """
class Outer:
    class Inner:
        def m(self):
            return "old"
""",
    "Outer.Inner.m",
)
def method_of_a_nested_class(app):
    return app.Outer.Inner().m


@holding(
    """
def make():
    class Local:
        def m(self):
            return "old"
    return Local
C = make()
""",
    "C.m",
)
def method_of_a_local_class(app):
    return app.C().m


@holding(
    """
class C:
    pass
def m(self):
    return "old"
C.m = m
""",
    "C.m",
)
def function_attached_to_a_class_later(app):
    return app.C().m


@holding(
    """
class E(Exception):
    def __str__(self):
        return "old"
""",
    "E.__str__",
)
def text_of_an_exception(app):
    held = app.E()
    return lambda: str(held)


@holding(
    """
class D(dict):
    def __missing__(self, key):
        return "old", key
""",
    "D.__missing__",
)
def missing_key_of_a_dict(app):
    held = app.D()
    return lambda: held[1]
