"""Registries as webuis and their frameworks keep them."""

from __future__ import annotations

from .table import METHOD, holding

HOOKS = """
class Module:
    def __init__(self):
        self.hooks = __import__("collections").OrderedDict()
    def register(self, hook):
        self.hooks[len(self.hooks)] = hook
    def __call__(self, value):
        result = self.forward(value)
        for hook in self.hooks.values():
            result = hook(self, value, result) or result
        return result
    def forward(self, value):
        return {forward}
def f(module, value, result):
    return {hook}
net = Module()
"""


@holding(HOOKS.format(forward="1", hook='"old"'))
def hook_dictionary_of_a_network(app):
    app.net.register(app.f)
    return lambda: app.net(1), lambda: app.net.hooks[0] is app.f


@holding(HOOKS.format(forward='"old"', hook="None"), "Module.forward")
def forward_of_a_network_for_all(app):
    return lambda: app.net(1)


@holding(HOOKS.format(forward='"old"', hook="None"), "net.forward", override=True)
def forward_of_one_network(app):
    other = app.Module()
    return lambda: (app.net(1), other(1).replace("old", "base"))


@holding("""
VIEWS = {}
def view(path):
    return lambda function: VIEWS.setdefault(path, function)
@view("/")
def f(request):
    return "old", request
""")
def dispatch_table_of_paths(app):
    return lambda: app.VIEWS["/"]("request"), lambda: app.VIEWS["/"] is app.f


@holding(
    """
class View:
    @classmethod
    def as_view(cls):
        def view(request):
            self = cls()
            return getattr(self, request.lower())()
        return view
    def get(self):
        return "old"
""",
    "View.get",
)
def handler_of_a_class_based_view(app):
    routes = {"/": app.View.as_view()}
    return lambda: routes["/"]("GET")


@holding(
    """
def f(get_response):
    def middleware(request):
        return "old", get_response(request)
    return middleware
""",
    new="def f(get_response):\n    return lambda request: ('new', get_response(request))",
)
def middleware_factory_before_the_chain_is_built(app):
    factories = [app.f]
    return lambda: factories[0](str)("request")


@holding("""
class Event:
    def __init__(self):
        self.listeners = []
    def listen(self, function):
        self.listeners.append(function)
        return function
    def fire(self):
        return [listener() for listener in self.listeners]
event = Event()
@event.listen
def f():
    return "old"
""")
def listener_of_an_event(app):
    def can_be_removed():
        app.event.listeners.remove(app.f)
        app.event.listeners.append(app.f)
        return True

    return app.event.fire, can_be_removed


@holding("""
import dataclasses
@dataclasses.dataclass
class Callback:
    script: str
    callback: object
callbacks = {"before_image_saved": []}
def f(params):
    return "old", params
callbacks["before_image_saved"].append(Callback("script.py", f))
""")
def callback_record_of_a_webui(app):
    held = app.callbacks["before_image_saved"]
    return lambda: [entry.callback("params") for entry in held]


@holding(
    """
class Node:
    FUNCTION = "generate"
    def generate(self, value):
        return "old", value
NODE_CLASS_MAPPINGS = {"Node": Node}
""",
    "Node.generate",
)
def node_class_called_by_a_name_in_it(app):
    def call():
        node = app.NODE_CLASS_MAPPINGS["Node"]
        return getattr(node(), node.FUNCTION)(1)

    return call


@holding(METHOD + "class Wrapped:\n    pass\n", "C.m")
def method_lent_to_another_class(app):
    app.Wrapped.m = app.C.m
    return app.Wrapped().m
