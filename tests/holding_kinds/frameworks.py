"""Web frameworks, and what the libraries that webuis are built of keep of a function."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import warnings

from .notes import noted
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


def ask(application, path="/"):
    """The body of an ASGI application's answer."""
    from starlette.testclient import TestClient

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = TestClient(application, raise_server_exceptions=False)
        return client.get(path).text


def fastapi_app():
    from fastapi import FastAPI

    return FastAPI()


def fastapi(text, target="f", **fields):
    return holding(text, target, needs=("fastapi", "httpx"), **fields)


@fastapi("async def f():\n    return 'old'")
def route_of_fastapi(app):
    application = fastapi_app()
    application.get("/")(app.f)
    return (
        lambda: ask(application),
        lambda: any(getattr(route, "endpoint", None) is app.f for route in application.routes),
    )


@fastapi("def f():\n    return 'old'")
def route_of_fastapi_that_runs_in_a_thread(app):
    application = fastapi_app()
    application.get("/")(app.f)
    return lambda: ask(application)


@fastapi("def f():\n    return 'old'")
def dependency_of_fastapi(app):
    from fastapi import Depends

    application = fastapi_app()

    def endpoint(value=Depends(app.f)):  # noqa: B008
        return value

    application.get("/")(endpoint)
    return lambda: ask(application)


@fastapi("def f():\n    return 'old'")
def overriding_dependency_of_fastapi(app):
    from fastapi import Depends

    def needed():
        return None

    def endpoint(value=Depends(needed)):  # noqa: B008
        return value

    application = fastapi_app()
    application.get("/")(endpoint)
    application.dependency_overrides[needed] = app.f
    return lambda: ask(application)


@fastapi("""
from starlette.responses import PlainTextResponse
async def f(request, error):
    return PlainTextResponse("old")
""")
def exception_handler_of_fastapi(app):
    def endpoint():
        raise LookupError

    application = fastapi_app()
    application.add_exception_handler(LookupError, app.f)
    application.get("/")(endpoint)
    return (
        lambda: ask(application),
        lambda: application.exception_handlers[LookupError] is app.f,
    )


@fastapi("""
async def f(request, call_next):
    response = await call_next(request)
    response.headers["mark"] = "old"
    return response
""")
def middleware_function_of_fastapi(app):
    from starlette.testclient import TestClient

    application = fastapi_app()
    application.middleware("http")(app.f)

    def call():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return TestClient(application).get("/").headers["mark"]

    return call


@fastapi(
    """
from starlette.responses import PlainTextResponse
class App:
    async def __call__(self, scope, receive, send):
        await PlainTextResponse("old")(scope, receive, send)
""",
    "App.__call__",
)
def mounted_asgi_application(app):
    application = fastapi_app()
    application.mount("/", app.App())
    return lambda: ask(application)


NOTES = """
from holding_kinds.notes import seen
def f(*args, **named):
    seen.append("old")
"""


@fastapi(NOTES)
def background_task_of_starlette(app):
    from starlette.background import BackgroundTasks

    tasks = BackgroundTasks()
    tasks.add_task(app.f)
    return noted(lambda: asyncio.run(tasks()))


AIOHTTP = """
from aiohttp import web
async def f(request):
    return web.Response(text="old")
"""


async def ask_aiohttp(application):
    from aiohttp.test_utils import TestClient, TestServer

    async with TestClient(TestServer(application)) as client:
        return await (await client.get("/")).text()


def aiohttp_call(make):
    return lambda: asyncio.run(ask_aiohttp(make()))


@holding(AIOHTTP, needs=("aiohttp",))
def handler_of_aiohttp(app):
    from aiohttp import web

    held = web.get("/", app.f)

    def make():
        application = web.Application()
        application.add_routes([held])
        return application

    return aiohttp_call(make), lambda: held.handler is app.f


@holding(
    """
from aiohttp import web
@web.middleware
async def f(request, handler):
    return web.Response(text="old")
""",
    dress=lambda app, new: app.web.middleware(new),
    needs=("aiohttp",),
)
def middleware_of_aiohttp(app):
    from aiohttp import web

    held = [app.f]
    return aiohttp_call(lambda: web.Application(middlewares=held))


@holding("def f(text):\n    return 'old', text", needs=("gradio",))
def event_of_gradio(app):
    gradio = quietly_imported("gradio")
    with gradio.Blocks() as blocks:
        box, out = gradio.Textbox(), gradio.JSON()
        gradio.Button().click(app.f, box, out)

    async def call():
        answer = await blocks.process_api(next(iter(blocks.fns.values())), ["text"])
        return answer["data"][0]

    return (
        lambda: str(asyncio.run(call())),
        lambda: any(getattr(event, "fn", None) is app.f for event in blocks.fns.values()),
    )


def quietly_imported(name):
    with warnings.catch_warnings(), contextlib.suppress(AttributeError):
        warnings.simplefilter("ignore")
        return __import__(name)
    return sys.modules[name]


@holding("def f(value):\n    return 'old'", needs=("numpy",))
def function_of_a_numpy_ufunc(app):
    numpy = quietly_imported("numpy")
    held = numpy.frompyfunc(app.f, 1, 1)
    return lambda: held([1, 2]).tolist()


@holding(
    """
from holding_kinds.notes import seen
def f(change):
    seen.append("old")
""",
    needs=("traitlets",),
)
def observer_of_a_trait(app):
    import traitlets

    class Model(traitlets.HasTraits):
        value = traitlets.Int()

    model = Model()
    model.observe(app.f, "value")
    return noted(lambda: model.set_trait("value", model.value + 1))


@holding("def f(value):\n    return 'old'", needs=("jinja2",))
def filter_of_a_template(app):
    import jinja2

    environment = jinja2.Environment()
    environment.filters["f"] = app.f
    held = environment.from_string("{{ 1 | f }}")
    return held.render, lambda: environment.filters["f"] is app.f


@holding("def f(cls, value):\n    return 'old'", needs=("pydantic",))
def validator_of_pydantic(app):
    import pydantic

    class Model(pydantic.BaseModel):
        value: str
        check = pydantic.field_validator("value")(app.f)

    return lambda: Model(value="x").value


@holding(NOTES.replace("*args, ", ""), needs=("django",))
def receiver_of_a_django_signal(app):
    from django.conf import settings
    from django.dispatch import Signal

    if not settings.configured:
        settings.configure()
    signal = Signal()
    signal.connect(app.f)
    return noted(lambda: signal.send(None))


@holding("def f(request):\n    return 'old', request", needs=("django",))
def view_of_a_django_route(app):
    from django.urls import path
    from django.urls.resolvers import RoutePattern

    held = path("x/", app.f)
    assert RoutePattern
    return lambda: held.callback("request"), lambda: held.callback is app.f
