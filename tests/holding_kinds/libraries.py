"""Web frameworks and other libraries, where they are installed."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import warnings

from .notes import noted
from .table import holding

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


@holding("def f(text):\n    return ['old', text]", needs=("gradio",))
def event_of_gradio(app):
    async def build():
        gradio = quietly_imported("gradio")
        with gradio.Blocks() as made:
            box, out = gradio.Textbox(), gradio.JSON()
            gradio.Button().click(app.f, box, out)
        return made

    async def call():
        answer = await blocks.process_api(next(iter(blocks.fns.values())), ["text"])
        return str(answer["data"][0])

    loop = asyncio.new_event_loop()  # Gradio leaves a loop of its own open where none runs
    blocks = loop.run_until_complete(build())
    yield (
        lambda: loop.run_until_complete(call()),
        lambda: any(getattr(event, "fn", None) is app.f for event in blocks.fns.values()),
    )
    loop.close()


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
    held = environment.from_string("{{ value | f }}")
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
    from django.dispatch import Signal

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
