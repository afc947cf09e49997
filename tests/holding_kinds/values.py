"""What has no code of its own to change: objects, classes, overrides, values."""

from __future__ import annotations

from .table import METHOD, holding

PARTIAL = """
import functools
def g(a, b=2):
    return "old", a, b
f = functools.partial(g, 1)
"""


@holding(PARTIAL, new="def new(*args, **kwargs):\n    return 'new', 1, 2")
def partial_object_as_the_target(app):
    return app.f


@holding(PARTIAL, new="def new(*args, **kwargs):\n    return 'new', 1, 2")
def partial_object_held_in_a_list(app):
    held = [app.f]
    return lambda: held[0](), lambda: app.f in held


@holding(
    """
class B:
    def m(self):
        return "old"
class C(B):
    pass
""",
    "C.m",
    override=True,
    edit="""
class B:
    def m(self):
        return "old"
class C(B):
    def m(self):
        return "new"
""",
)
def inherited_method_for_one_subclass(app):
    instance, other = app.C(), app.B()
    return lambda: (instance.m(), other.m().replace("old", "base"))


@holding(
    """
class B:
    def m(self):
        return "old"
class C(B):
    pass
class D(C):
    pass
""",
    "C.m",
    override=True,
    edit="""
class B:
    def m(self):
        return "old"
class C(B):
    def m(self):
        return "new"
class D(C):
    pass
""",
)
def inherited_method_seen_from_below(app):
    return lambda: app.D().m()


@holding(
    """
class B:
    @classmethod
    def m(cls):
        return "old", cls.__name__
class C(B):
    pass
""",
    "C.m",
    override=True,
    edit="""
class B:
    @classmethod
    def m(cls):
        return "old", cls.__name__
class C(B):
    @classmethod
    def m(cls):
        return "new", cls.__name__
""",
)
def inherited_class_method(app):
    return lambda: (app.C.m(), app.B.m()[1])


@holding(
    """
class B:
    @staticmethod
    def m():
        return "old"
class C(B):
    pass
""",
    "C.m",
    override=True,
    edit="""
class B:
    @staticmethod
    def m():
        return "old"
class C(B):
    @staticmethod
    def m():
        return "new"
""",
)
def inherited_static_method(app):
    return lambda: (app.C.m(), app.C().m())


@holding(
    """
class B:
    @property
    def p(self):
        return "old"
class C(B):
    pass
""",
    "C.p",
    override=True,
    edit="""
class B:
    @property
    def p(self):
        return "old"
class C(B):
    @property
    def p(self):
        return "new"
""",
)
def inherited_property(app):
    instance, other = app.C(), app.B()
    return lambda: (instance.p, other.p.replace("old", "base"))


@holding(
    METHOD + "net = C()\nother = C()\n",
    "net.m",
    override=True,
    edit=METHOD + "net = C()\nother = C()\nnet.m = lambda: 'new'\n",
)
def method_of_one_instance(app):
    return lambda: (app.net.m(), app.other.m().replace("old", "base"))


@holding(
    METHOD + "net = C()\nother = C()\n",
    lambda app: app.net.m,
    override=True,
    elsewhere='def m(self):\n    return "new"',
    edit=METHOD + "net = C()\nother = C()\nnet.m = lambda: 'new'\n",
)
def method_of_one_instance_given_itself(app):
    return lambda: (app.net.m(), app.other.m().replace("old", "base"))


@holding(
    METHOD + "class Holder:\n    net = C()\n",
    "Holder.net.m",
    override=True,
    edit=METHOD + "class Holder:\n    net = C()\n    net.m = lambda: 'new'\n",
)
def method_of_an_instance_below_a_class(app):
    return lambda: app.Holder.net.m()


MERGED = """
class C:
    mark = "old"
    def m(self):
        return {m}
    @property
    def p(self):
        return {p}
    @staticmethod
    def s():
        return {s}
"""


def merged(**old):
    return MERGED.format(**({"m": "1", "p": "1", "s": "1"} | old))


def merged_class(word):
    return MERGED.replace("old", word).format(m=f'"{word}"', p=f'"{word}"', s=f'"{word}"')


@holding(
    merged_class("old"),
    "C",
    new=merged_class("new"),
    dress=lambda app, new: new,
    edit=merged_class("new"),
)
def class_as_a_whole(app):
    instance = app.C()
    held = instance.m
    return (
        lambda: (held(), instance.m(), instance.p, instance.s(), app.C.s(), instance.mark),
        lambda: isinstance(instance, app.C),
    )


@holding(
    merged_class("old"),
    "C",
    new=merged_class("new"),
    dress=lambda app, new: new,
    edit=merged_class("new"),
)
def class_as_a_whole_seen_by_a_subclass(app):
    derived = type("D", (app.C,), {})()
    return lambda: (derived.m(), derived.p, derived.s(), derived.mark)


@holding(
    """
class C:
    def __call__(self):
        return "old"
f = C()
""",
    "f",
    new="def f():\n    return 'new'",
    forms=("function",),
    override=True,
)
def callable_instance_through_its_name(app):
    return lambda: app.f()


@holding(
    "from operator import not_ as f",
    "f",
    new="def f(value):\n    return 'new'",
    forms=("function",),
    override=True,
    edit="def f(value):\n    return 'new'\n",
)
def builtin_through_its_name(app):
    return lambda: {False: "old"}.get(app.f(1), "new")


@holding("LABEL = 'old'", "LABEL", value="new", override=True, edit="LABEL = 'new'")
def plain_value(app):
    return lambda: app.LABEL


@holding(
    "TABLE = {'key': 'old'}",
    "TABLE['key']",
    value="new",
    override=True,
    edit="TABLE = {'key': 'new'}",
)
def entry_of_a_dict(app):
    held = app.TABLE
    return lambda: held["key"], lambda: app.TABLE is held


@holding(
    "class C:\n    label = 'old'\n",
    "C.label",
    value="new",
    override=True,
    edit="class C:\n    label = 'new'\n",
)
def plain_value_of_a_class(app):
    instance = app.C()
    return lambda: instance.label


@holding(
    """
class Settings:
    pass
settings = Settings()
settings.label = "old"
""",
    "settings.label",
    value="new",
    override=True,
    edit="""
class Settings:
    pass
settings = Settings()
settings.label = "new"
""",
)
def plain_value_of_an_instance(app):
    held = app.settings
    return lambda: held.label


@holding(
    "TABLE = {'key': lambda: 'old'}",
    "TABLE['key']",
    new="def f():\n    return 'new'",
    edit="TABLE = {'key': lambda: 'new'}",
)
def function_in_a_dict_named_by_its_key(app):
    held = app.TABLE["key"]
    return lambda: (held(), app.TABLE["key"]())
