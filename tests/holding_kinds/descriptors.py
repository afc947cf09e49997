"""Properties, static and class methods, cached ones, partial ones, and descriptors of one's own."""

from __future__ import annotations

import asyncio

from .table import holding

PROPERTY = """
class C:
    def __init__(self):
        self.value = None
    @property
    def p(self):
        return {get}
    @p.setter
    def p(self, value):
        self.value = {set}
    @p.deleter
    def p(self):
        self.value = {delete}
"""


def accessors(**marked):
    """A property whose getter, setter or deleter is the one that changes."""
    marks = {"get": "'value'", "set": "'set'", "delete": "'deleted'"} | marked
    return PROPERTY.format(**marks)


@holding(accessors(get='"old"'), "C.p")
def property_getter(app):
    instance = app.C()
    return lambda: instance.p


@holding(
    accessors(get='"old"'), "C.p.fget", assigned="C.p", dress=lambda app, new: app.C.p.getter(new)
)
def property_getter_by_its_name(app):
    instance = app.C()
    return lambda: instance.p


@holding(
    accessors(set='"old"'), "C.p.fset", assigned="C.p", dress=lambda app, new: app.C.p.setter(new)
)
def property_setter(app):
    def call():
        instance.p = 1
        return instance.value

    instance = app.C()
    return call


@holding(
    accessors(delete='"old"'),
    "C.p.fdel",
    assigned="C.p",
    dress=lambda app, new: app.C.p.deleter(new),
)
def property_deleter(app):
    def call():
        del instance.p
        return instance.value

    instance = app.C()
    return call


@holding(accessors(get='"old"'), "C.p")
def property_shared_with_another_class(app):
    other = type("Other", (), {"q": app.C.p})
    return lambda: other().q


@holding(
    """
class B:
    @property
    def p(self):
        return "old"
class C(B):
    @property
    def p(self):
        return ["below", super().p]
""",
    "B.p",
)
def property_called_through_super(app):
    return lambda: app.C().p


@holding(
    """
import functools
class C:
    @functools.cached_property
    def p(self):
        return "old"
""",
    "C.p",
)
def cached_property_before_it_is_computed(app):
    instances = [app.C() for _ in range(3)]
    return lambda: instances.pop().p


@holding(
    """
class C:
    @staticmethod
    def m(a=1):
        return "old", a
""",
    "C.m",
)
def static_method(app):
    instance = app.C()
    return lambda: instance.m()


@holding(
    """
class C:
    @staticmethod
    def m(a=1):
        return "old", a
""",
    "C.m",
)
def static_method_held(app):
    return app.C.m


@holding(
    """
class C:
    @classmethod
    def m(cls):
        return "old", cls.__name__
""",
    "C.m",
)
def class_method(app):
    return lambda: app.C.m()


@holding(
    """
class C:
    @classmethod
    def m(cls):
        return "old", cls.__name__
""",
    "C.m",
)
def class_method_held(app):
    return app.C().m


@holding(
    """
class C:
    @classmethod
    def m(cls):
        return "old", cls.__name__
class D(C):
    pass
""",
    "C.m",
)
def class_method_bound_to_a_subclass(app):
    return app.D.m


@holding(
    """
import functools
class C:
    def m(self, a, b=2):
        return "old", a, b
    p = functools.partialmethod(m, 1)
""",
    "C.p",
    dress=lambda app, new: __import__("functools").partialmethod(new, 1),
)
def partial_method_by_its_name(app):
    return app.C().p


@holding(
    """
import functools
class C:
    @functools.singledispatchmethod
    def m(self, a):
        return "old", a
    @m.register
    def _(self, a: int):
        return "int", a
""",
    "C.m",
    dress=lambda app, new: __import__("functools").singledispatchmethod(new),
)
def single_dispatch_method(app):
    held = app.C().m
    return lambda: held("text")


@holding(
    """
import functools
class C:
    @functools.singledispatchmethod
    def m(self, a):
        return "any", a
    @m.register
    def of_int(self, a: int):
        return "old", a
""",
    "C.of_int",
)
def implementation_of_a_single_dispatch_method(app):
    held = app.C().m
    return lambda: held(1)


LAZY = """
class Lazy:
    def __init__(self, function):
        self.function = function
    def __get__(self, instance, owner=None):
        return {get}, self.function(instance)
{set}
class C:
    @Lazy
    def p(self):
        return {body}
"""


@holding(LAZY.format(get='"old"', set="", body="1"), "Lazy.__get__")
def get_of_a_hand_written_descriptor(app):
    instance = app.C()
    return lambda: instance.p


SET = """
    def __set__(self, instance, value):
        instance.value = "old"
"""


@holding(LAZY.format(get="1", set=SET, body="1"), "Lazy.__set__")
def set_of_a_hand_written_descriptor(app):
    def call():
        instance.p = 1
        return instance.value

    instance = app.C()
    return call


@holding(
    LAZY.format(get="1", set="", body='"old"'),
    "C.p.function",
    assigned="C.p",
    dress=lambda app, new: app.Lazy(new),
    override=True,  # a path through an instance changes that instance alone
)
def function_inside_a_hand_written_descriptor(app):
    instance = app.C()
    return lambda: instance.p


@holding(
    """
class Callback:
    def __init__(self):
        self.function = f
    def __call__(self):
        return self.function()
def f():
    return "old"
callback = Callback()
""",
    "callback.function",
    override=True,
)
def function_in_an_attribute_of_an_instance(app):
    held = app.callback
    return lambda: (held(), app.f().replace("old", "base"))


@holding(
    """
def fields(**functions):
    return lambda cls: [setattr(cls, n, property(f)) for n, f in functions.items()] and cls
def read(self):
    return "old"
@fields(p=read)
class C:
    pass
""",
    "C.p",
)
def property_made_by_a_class_decorator(app):
    return lambda: app.C().p


@holding(
    """
class C:
    @property
    async def p(self):
        return "old"
""",
    "C.p",
)
def property_that_is_awaited(app):
    return lambda: asyncio.run(wait(app.C()))


async def wait(instance):
    return await instance.p
