"""Functions below decorators, caches and dispatchers."""

from __future__ import annotations

import functools

from .table import holding

GENERATOR = """
def f(n=2):
    got = yield "old"
    yield "old", got, n
"""
ASYNC_GENERATOR = """
async def f(n=2):
    got = yield "old"
    yield "old", got, n
"""
COROUTINE = """
async def f(a=1):
    return "old", a
"""


WRAPS = """
import functools
def decorator(function):
    @functools.wraps(function)
    def wrapper(*args):
        return ["decorated", function(*args)]
    return wrapper
"""
NO_WRAPS = """
def decorator(function):
    def wrapper(*args):
        return ["decorated", function(*args)]
    return wrapper
"""


def again(app, new):
    """As the program itself decorated it."""
    return app.decorator(new)


@holding(WRAPS + '@decorator\ndef f(a=1):\n    return "old", a\n', dress=again)
def decorated_with_wraps(app):
    return app.f


@holding(NO_WRAPS + '@decorator\ndef f(a=1):\n    return "old", a\n', dress=again)
def decorated_without_wraps(app):
    return app.f


@holding(
    WRAPS + '@decorator\n@decorator\n@decorator\ndef f(a=1):\n    return "old", a\n',
    dress=lambda app, new: app.decorator(app.decorator(app.decorator(new))),
)
def decorated_three_times(app):
    return app.f


@holding(
    WRAPS + 'class C:\n    @decorator\n    def m(self):\n        return "old"\n', "C.m", dress=again
)
def decorated_method(app):
    return app.C().m


@holding(
    WRAPS + "class C:\n    @staticmethod\n    @decorator\n    def m():\n        return 'old'\n",
    "C.m",
    dress=lambda app, new: staticmethod(app.decorator(new)),
)
def decorated_static_method(app):
    return app.C.m


@holding(
    """
import functools
def decorator(level):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args):
            return [level, function(*args)]
        return wrapper
    return decorate
@decorator(7)
def f(a=1):
    return "old", a
""",
    dress=lambda app, new: app.decorator(7)(new),
)
def decorated_with_arguments(app):
    return app.f


@holding("""
registry = {}
def register(function):
    registry["f"] = function
    return function
@register
def f(a=1):
    return "old", a
""")
def registered_by_a_decorator(app):
    return lambda: app.registry["f"](), lambda: app.registry["f"] is app.f


@holding(
    """
import functools
class Decorator:
    def __init__(self, function):
        functools.update_wrapper(self, function)
        self.function = function
    def __call__(self, *args):
        return ["decorated", self.function(*args)]
@Decorator
def f(a=1):
    return "old", a
""",
    dress=lambda app, new: app.Decorator(new),
)
def decorated_by_a_class(app):
    return app.f


@holding(
    """
def decorator(cls):
    cls.m.mark = "seen"
    return cls
@decorator
class C:
    def m(self):
        return "old", self.m.mark
""",
    "C.m",
    elsewhere='def m(self):\n    return "new", "seen"',
)
def method_of_a_decorated_class(app):
    return app.C().m


@holding(
    """
import functools
@functools.lru_cache(maxsize=None)
def f(a=1):
    return "old", a
""",
    dress=lambda app, new: functools.lru_cache(maxsize=None)(new),
)
def lru_cache(app):
    return app.f


@holding(
    """
import functools
@functools.cache
def f(a=1):
    return "old", a
""",
    dress=lambda app, new: functools.cache(new),
)
def cache(app):
    held = [app.f]
    return lambda: held[0]()


@holding(
    """
import functools
class C:
    @functools.lru_cache(maxsize=8)
    def m(self):
        return "old"
""",
    "C.m",
    dress=lambda app, new: functools.lru_cache(maxsize=8)(new),
)
def lru_cache_of_a_method(app):
    instance = app.C()
    return lambda: instance.m()


@holding(
    """
import functools
class C:
    @staticmethod
    @functools.cache
    def m():
        return "old"
""",
    "C.m",
    dress=lambda app, new: staticmethod(functools.cache(new)),
)
def cache_of_a_static_method(app):
    return app.C.m


@holding(
    """
import functools
def decorator(function):
    @functools.wraps(function)
    def wrapper(*args):
        return ["decorated", function(*args)]
    return wrapper
@decorator
@functools.cache
def f(a=1):
    return "old", a
""",
    dress=lambda app, new: app.decorator(functools.cache(new)),
)
def cache_below_a_decorator(app):
    return app.f


DISPATCH = """
import functools
@functools.singledispatch
def f(a):
    return {any}
@f.register(int)
def of_int(a):
    return {int}
"""


@holding(
    DISPATCH.format(any='"old"', int="1"), dress=lambda app, new: functools.singledispatch(new)
)
def single_dispatch(app):
    held = app.f
    return lambda: held("text")


@holding(DISPATCH.format(any="1", int='"old"'), "of_int")
def implementation_of_a_single_dispatch(app):
    held = app.f
    return lambda: held(1)


@holding(DISPATCH.format(any="1", int='"old"'), lambda app: app.f.registry[int])
def implementation_found_in_the_dispatch(app):
    held = app.f
    return lambda: held(True)


@holding(
    NO_WRAPS
    + """
class C:
    @property
    @decorator
    def p(self):
        return "old"
""",
    "C.p",
    dress=lambda app, new: property(app.decorator(new)),
)
def decorated_property_getter(app):
    # The wrapper has another name; the property's name leads to the function below it.
    instance = app.C()
    return lambda: instance.p
