"""Methods of every sort: inherited, abstract, mixed in, lent."""

from __future__ import annotations

import abc
import typing

from .table import METHOD, holding


@holding(METHOD, "C.m")
def method_of_an_existing_instance(app):
    instance = app.C()
    return lambda: instance.m()


@holding(METHOD, "C.m")
def bound_method_held(app):
    return app.C().m


@holding(METHOD, "C.m")
def method_held_unbound(app):
    held = app.C.m
    return lambda: held(app.C())


@holding(METHOD, "C.m")
def bound_method_in_a_table_of_an_instance(app):
    instance = app.C()
    instance.table = {"go": instance.m}
    return lambda: instance.table["go"]()


@holding(METHOD + "    n = m\n", "C.m")
def method_under_a_second_name_in_its_class(app):
    return app.C().n


@holding(METHOD + "class D(C):\n    pass\n", "C.m")
def inherited_through_a_subclass(app):
    return app.D().m


@holding(
    METHOD
    + """
class D(C):
    def m(self):
        return ["below", super().m()]
""",
    "C.m",
)
def called_through_super(app):
    return app.D().m


@holding(
    """
class B:
    def m(self):
        return ["above"]
class C(B):
    def m(self):
        return "old", super().m()
""",
    "C.m",
    elsewhere="def m(self):\n    return 'new', type(self).__mro__[1].m(self)",
)
def override_that_calls_super(app):
    return app.C().m


@holding(
    """
class C:
    def __secret(self):
        return "old"
    def m(self):
        return self.__secret()
""",
    "C._C__secret",
    new="def secret(self):\n    return 'new'",
)
def private_method(app):
    return app.C().m


@holding(
    """
class C:
    def __init__(self):
        self.__value = "value"
    def m(self):
        return "old", self.__value
""",
    "C.m",
    elsewhere="def m(self):\n    return 'new', self._C__value",
)
def method_that_reads_private_names(app):
    return app.C().m


@holding(
    """
class Mixin:
    def m(self):
        return "old"
class Base:
    def go(self):
        return self.m()
class C(Mixin, Base):
    pass
""",
    "Mixin.m",
)
def mixin(app):
    return app.C().go


@holding(
    """
import abc
class Base(abc.ABC):
    @abc.abstractmethod
    def m(self): ...
class C(Base):
    def m(self):
        return "old"
""",
    "C.m",
)
def implementation_of_an_abstract_method(app):
    assert issubclass(app.Base, abc.ABC)
    return app.C().m


@holding(
    """
import abc
class Base(abc.ABC):
    @abc.abstractmethod
    def m(self):
        return "old"
class C(Base):
    def m(self):
        return super().m()
""",
    "Base.m",
)
def abstract_method_with_a_body(app):
    instance = app.C()

    def is_abstract():
        return app.Base.__abstractmethods__ == {"m"} and app.Base.m.__isabstractmethod__

    return instance.m, is_abstract


@holding(
    """
import abc
class Base(abc.ABC):
    @classmethod
    def __subclasshook__(cls, other):
        return True if "old" in other.__name__ else NotImplemented
""",
    "Base.__subclasshook__",
)
def subclass_hook(app):
    # A class that was asked about before is in the ABC's cache: each call asks about new ones.
    return lambda: [
        name for name in ("old", "new") if issubclass(type(f"{name} class", (), {}), app.Base)
    ]


@holding(
    """
import typing
class P(typing.Protocol):
    def m(self) -> str: ...
class C:
    def m(self) -> str:
        return "old"
""",
    "C.m",
)
def method_that_a_protocol_asks_for(app):
    def user(thing: typing.Any):
        return thing.m()

    return lambda: user(app.C())


@holding(
    """
import typing
T = typing.TypeVar("T")
class C(typing.Generic[T]):
    def m(self):
        return "old"
""",
    "C.m",
)
def method_of_a_generic_class(app):
    return app.C[int]().m
