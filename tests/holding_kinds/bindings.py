"""Weak references, partials, bound methods, iterators, copies: what is made of the function."""

from __future__ import annotations

import contextvars
import copy
import ctypes
import functools
import itertools
import operator
import pickle
import sys
import threading
import types
import weakref

from .notes import noted
from .table import METHOD, holding


@holding()
def weak_reference(app):
    held = weakref.ref(app.f)
    return lambda: held()(), lambda: held() is app.f


@holding()
def weak_proxy(app):
    return weakref.proxy(app.f)


@holding(METHOD, "C.m")
def weak_method(app):
    instance = app.C()
    held = weakref.WeakMethod(instance.m)
    return lambda: (held()(), instance)[0]


@holding()
def weak_set(app):
    held = weakref.WeakSet([app.f])
    return lambda: [f() for f in held], lambda: app.f in held


@holding()
def weak_value_dictionary(app):
    held = weakref.WeakValueDictionary(f=app.f)
    return lambda: held["f"](), lambda: held.get("f") is app.f


@holding()
def weak_key_dictionary(app):
    held = weakref.WeakKeyDictionary({app.f: "registered"})
    return lambda: [f() for f in held], lambda: held.get(app.f) == "registered"


@holding("""
from holding_kinds.notes import seen
def f():
    seen.append("old")
""")
def finalizer(app):
    class Resource:
        """What is cleaned up."""

    resources = [Resource() for _ in range(3)]
    for resource in resources:
        weakref.finalize(resource, app.f)
    del resource
    return noted(resources.pop)


@holding("""
from holding_kinds.notes import seen
def f(reference=None):
    seen.append("old")
""")
def callback_of_a_weak_reference(app):
    class Resource:
        """What goes away."""

    resources = [Resource() for _ in range(3)]
    held = [weakref.ref(resource, app.f) for resource in resources]
    return noted(lambda: resources.pop() if held else None)


@holding()
def partial(app):
    return functools.partial(app.f, 2)


@holding("def f(a, b): return 'old', a, b")
def partial_of_a_partial(app):
    return functools.partial(functools.partial(app.f, 2), b=3)


@holding("def f(self, a): return 'old', a")
def partial_method(app):
    class Holder:
        action = functools.partialmethod(app.f, 2)

    return Holder().action


@holding("def f(self, a=1): return 'old', a")
def bound_to_an_instance_by_hand(app):
    return types.MethodType(app.f, object())


@holding("def f(self, a=1): return 'old', a")
def bound_by_its_descriptor_protocol(app):
    return app.f.__get__(object())


@holding()
def its_call_slot(app):
    return app.f.__call__


@holding()
def default_argument(app):
    def call(function=app.f):
        return function()

    return call


@holding()
def keyword_only_default(app):
    def call(*, function=app.f):
        return function()

    return call


@holding()
def closure_cell(app):
    def make(function):
        return lambda: function(3)

    return make(app.f)


@holding()
def wrapper_that_somebody_keeps(app):
    @functools.wraps(app.f)
    def wrapper(*args):
        return ["wrapped", held(*args)]

    held = app.f
    return wrapper


@holding()
def map_that_has_begun(app):
    held = map(app.f, itertools.count())
    return lambda: next(held)[0]


@holding("def f(item): return 'old' in item")
def filter_that_has_begun(app):
    held = filter(app.f, itertools.cycle(["old item", "new item"]))
    return lambda: next(held)


@holding("def f(a, b=0): return ('old', a)")
def starmap_that_has_begun(app):
    held = itertools.starmap(app.f, itertools.repeat((1, 2)))
    return lambda: next(held)


@holding("def f(total, item): return 'old'")
def accumulate_that_has_begun(app):
    held = itertools.accumulate(itertools.count(), app.f)
    next(held)
    return lambda: next(held)


@holding("def f(item): return 'old', item")
def grouping_that_has_begun(app):
    held = itertools.groupby(itertools.count(), app.f)
    return lambda: next(held)[0][0]


@holding()
def iterator_until_a_sentinel(app):
    held = iter(app.f, None)
    return lambda: next(held)


@holding("def f(a, b=0): return ('old', a, b)")
def function_of_reduce(app):
    held = functools.partial(functools.reduce, app.f)
    return lambda: held([1, 2])


@holding("""
ORDER = {"old": 1, "new": -1}
def f(a, b):
    return (a - b) * ORDER["old"]
""")
def comparison_as_a_key(app):
    key = functools.cmp_to_key(app.f)
    return lambda: {1: "old", 2: "new"}[sorted([2, 1], key=key)[0]]


@holding("""
ORDER = {"old": 1, "new": -1}
def f(a):
    return a * ORDER["old"]
""")
def key_of_a_sort(app):
    ordering = {"key": app.f}
    return lambda: {1: "old", 2: "new"}[sorted([2, 1], **ordering)[0]]


@holding(METHOD, "C.m")
def caller_by_name(app):
    held = operator.methodcaller("m")
    instance = app.C()
    return lambda: held(instance)


@holding()
def getter_by_name(app):
    held = operator.attrgetter("f")
    return lambda: held(app)()


@holding()
def copy_of_it(app):
    return copy.copy(app.f)


@holding()
def deep_copy_of_a_structure(app):
    return copy.deepcopy({"callbacks": [app.f]})["callbacks"][0]


@holding()
def pickled_by_name(app):
    held = pickle.dumps(app.f)
    return lambda: pickle.loads(held)(), lambda: pickle.loads(held) is app.f


@holding(METHOD, "C.m")
def pickled_bound_method(app):
    held = pickle.dumps(app.C().m)
    return lambda: pickle.loads(held)()


@holding()
def pickled_partial(app):
    held = pickle.dumps(functools.partial(app.f, 4))
    return lambda: pickle.loads(held)()


@holding()
def context_variable(app):
    variable = contextvars.ContextVar("callback")
    context = contextvars.copy_context()
    context.run(variable.set, app.f)
    return lambda: context.run(lambda: variable.get()())


@holding()
def run_in_a_context(app):
    context = contextvars.copy_context()
    held = functools.partial(context.run, app.f)
    return lambda: held()


@holding()
def thread_local(app):
    local = threading.local()
    local.callback = app.f
    return lambda: local.callback()


@holding()
def c_callback(app):
    results = []
    prototype = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)
    held = prototype(app.f)
    return lambda: (held(5), results)


@holding()
def module_under_a_second_name(app):
    sys.modules[f"{app.__name__}_alias"] = app
    try:
        yield lambda: sys.modules[f"{app.__name__}_alias"].f()
    finally:
        del sys.modules[f"{app.__name__}_alias"]
