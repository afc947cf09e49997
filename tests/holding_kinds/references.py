"""Names, attributes and containers: who holds the function."""

from __future__ import annotations

import collections
import ctypes
import heapq
import itertools
import queue
import types
from dataclasses import dataclass, field

from .table import holding


def module_of(text, **names):
    """Another module of the program, with this text."""
    module = types.ModuleType("other")
    vars(module).update(names)
    exec(text, vars(module))
    return module


@holding()
def module_attribute(app):
    return lambda: app.f()


@holding()
def from_import(app):
    return module_of(f"from {app.__name__} import f").f


@holding()
def from_import_under_another_name(app):
    other = module_of(f"from {app.__name__} import f as g\ndef call(): return g()")
    return other.call


@holding()
def star_import(app):
    return module_of(f"from {app.__name__} import *").f


@holding()
def import_of_the_module_under_an_alias(app):
    return module_of(f"import {app.__name__} as a\ndef call(): return a.f()").call


@holding()
def name_given_on_by_a_package(app):
    package = module_of(f"from {app.__name__} import f")
    return module_of("g = package.f", package=package).g


@holding("""
def f(): return "old"
def caller(): return f()
""")
def another_function_of_its_module(app):
    return app.caller


@holding("""
def f(n=2):
    return f(n - 1) if n else "old"
""")
def itself_in_a_recursion(app):
    return app.f


@holding()
def local_variable(app):
    held = app.f
    return lambda: held()


@holding()
def callers_argument_in_a_generator_that_runs(app):
    def loop(function):
        while True:
            yield function()

    running = loop(app.f)
    return lambda: next(running)


@holding()
def attribute_of_an_instance(app):
    holder = types.SimpleNamespace(callback=app.f)
    return lambda: holder.callback()


@holding()
def attribute_in_a_slot(app):
    class Slotted:
        __slots__ = ("callback",)

    holder = Slotted()
    holder.callback = app.f
    return lambda: holder.callback()


@holding()
def static_attribute_of_a_class(app):
    class Holder:
        action = staticmethod(app.f)

    return lambda: Holder().action()


@holding("def f(self): return 'old'")
def attribute_of_a_class_that_makes_it_a_method(app):
    class Holder:
        action = app.f

    return Holder().action


@holding()
def field_of_a_dataclass(app):
    @dataclass
    class Holder:
        callback: object = app.f

    holder = Holder()
    return lambda: holder.callback()


@holding()
def default_factory_of_a_dataclass(app):
    @dataclass
    class Holder:
        value: object = field(default_factory=app.f)

    return lambda: Holder().value


@holding()
def a_list(app):
    held = [app.f]
    return lambda: held[0](), lambda: app.f in held and held.index(app.f) == 0


@holding()
def a_tuple(app):
    held = (app.f, 1)
    return lambda: held[0]()


@holding()
def a_set(app):
    held = {app.f}
    return lambda: [f() for f in held], lambda: app.f in held


@holding()
def a_frozenset(app):
    held = frozenset([app.f])
    return lambda: [f() for f in held], lambda: app.f in held


@holding()
def a_dict_value(app):
    held = {"f": app.f}
    return lambda: held["f"]()


@holding()
def a_dict_key(app):
    held = {app.f: "registered"}
    return lambda: [f() for f in held], lambda: held.get(app.f) == "registered"


@holding()
def a_deque(app):
    held = collections.deque([app.f], maxlen=3)
    return lambda: held[0]()


@holding()
def an_ordered_dict(app):
    held = collections.OrderedDict(first=app.f)
    return lambda: next(iter(held.values()))()


@holding()
def factory_of_a_defaultdict(app):
    held = collections.defaultdict(app.f)
    keys = itertools.count()
    return lambda: held[next(keys)]


@holding()
def a_chain_map(app):
    held = collections.ChainMap({}, {"f": app.f})
    return lambda: held["f"]()


@holding()
def a_read_only_mapping(app):
    held = types.MappingProxyType({"f": app.f})
    return lambda: held["f"]()


@holding()
def a_named_tuple(app):
    held = collections.namedtuple("Entry", "name callback")("f", app.f)
    return lambda: held.callback()


@holding()
def a_heap_of_priorities(app):
    held = []
    heapq.heappush(held, (1, 0, app.f))
    return lambda: held[0][2]()


@holding()
def a_queue(app):
    held = queue.Queue()
    for _ in range(3):
        held.put(app.f)
    return lambda: held.get()()


@holding()
def nested_containers(app):
    held = {"stages": [{"steps": (None, [app.f])}]}
    return lambda: held["stages"][0]["steps"][1][0]()


@holding()
def an_object_array_in_c(app):
    held = (ctypes.py_object * 1)(app.f)
    return lambda: held[0]()
