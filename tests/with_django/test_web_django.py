"""The middleware of a running Django: looked at and timed, under its own handlers."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("django")

# Django is configured once in a process, so this one has its own.
SITE = """
import asyncio, io, json, sys, types
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="tests", ALLOWED_HOSTS=["*"], ROOT_URLCONF="__main__",
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "__main__.simple",
        "__main__.NotUsed",
        "__main__.Marks",
    ],
)
django.setup()
from django.core.asgi import get_asgi_application
from django.core.exceptions import MiddlewareNotUsed
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
from django.utils.deprecation import MiddlewareMixin

import livepatch as lp


class Marks(MiddlewareMixin):
    def process_response(self, request, response):
        response["x-marks"] = "yes"
        return response


class NotUsed:
    def __init__(self, get_response):
        raise MiddlewareNotUsed


def simple(get_response):
    def middleware(request):
        return get_response(request)

    return middleware


def item(request, number):
    return HttpResponse(f"item {number}")


urlpatterns = [path("items/<int:number>/", item)]


def get(path):
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "SERVER_NAME": "localhost",
        "SERVER_PORT": "80", "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http",
    }
    said = []
    body = b"".join(application(environ, lambda status, headers: said.append(status)))
    return said[0].split()[0], body.decode()


async def get_async(path):
    sent = []

    waiting = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        if waiting:
            return waiting.pop()
        return await asyncio.get_running_loop().create_future()

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    await asgi(scope, receive, send)
    return sent[0]["status"]


application = get_wsgi_application()
asgi = get_asgi_application()
"""


def run(code):
    """What a piece of code in that site says last, as JSON."""
    program = SITE + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_chain_is_shown_timed_and_left_as_it_was():
    said = run("""
        stack = lp.middleware(application)
        shown = [(layer.name, layer.owner, layer.state, layer.is_declared) for layer in stack]
        only = [(layer.name, layer.state) for layer in stack.declared_only]
        chain = application._middleware_chain
        marks = stack[2].instance
        own = marks.get_response
        with lp.timing(application, only=["middleware"]) as t:
            answers = [get("/items/7/"), get("/items/8/"), get("/nowhere")]
            again = [layer.name for layer in lp.middleware(application)]
        answers.append(get("/items/9/"))
        kept = application._middleware_chain is chain and marks.get_response == own
        calls = {part.name: part.calls for part in t}
        print(json.dumps([shown, only, answers[:2], answers[2][0], answers[3], again, kept,
                          calls, str(lp.middleware() is stack)]))
    """)
    shown, only, answers, missing, after, again, kept, calls, default = said
    assert shown == [
        ["SecurityMiddleware", "package django", "active", True],
        ["simple", "webui", "active", True],
        ["Marks", "webui", "active", True],
    ]
    assert only == [["NotUsed", "declared only"]]
    assert answers == [["200", "item 7"], ["200", "item 8"]]
    assert (missing, after, kept) == ("404", ["200", "item 9"], True)
    assert again == ["SecurityMiddleware", "simple", "Marks"]
    assert calls == {
        "SecurityMiddleware": 3,
        "simple": 3,
        "Marks": 3,
        "GET /items/<int:number>/": 2,
        "no route": 1,
    }
    assert default == "True"


def test_an_async_handler_is_timed_through_its_adapters():
    calls, kept, status = run("""
        names = [layer.name for layer in lp.middleware(asgi)]
        assert names == ["SecurityMiddleware", "simple", "Marks"], names
        chain = asgi._middleware_chain
        with lp.timing(asgi, only=["middleware"]) as t:
            status = asyncio.run(get_async("/items/7/"))
        kept = asgi._middleware_chain is chain
        print(json.dumps([{part.name: part.calls for part in t}, kept, status]))
    """)
    assert status == 200
    assert kept
    assert calls == {
        "SecurityMiddleware": 1,
        "simple": 1,
        "Marks": 1,
        "GET /items/<int:number>/": 1,
    }


CHANGES = """
class Stamp:
    made = 0

    def __init__(self, get_response, text="stamped"):
        self.get_response, self.text = get_response, text
        Stamp.made += 1

    def __call__(self, request):
        request.trail = getattr(request, "trail", "") + self.text
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        if request.trail == "stop":
            return HttpResponse("stopped by a view middleware")


class Broken:
    def __init__(self, get_response):
        raise ValueError("no such option")


def item(request, number):
    return HttpResponse(getattr(request, "trail", "nothing"))


urlpatterns[:] = [path("items/<int:number>/", item)]
names = lambda: [layer.name for layer in lp.middleware(application)]
"""


def test_middleware_is_added_moved_and_removed_and_comes_back_to_the_very_objects():
    said = run(
        CHANGES
        + """
stack, chain, said = lp.middleware(application), application._middleware_chain, []
own = [layer.instance for layer in stack]
layer = stack.add(Stamp, text="one ", after="simple")
said.append([names(), get("/items/1/")[1], str(layer).partition(" · ")[0]])
stack.add(Stamp, text="two ", index=0)
said.append([names(), get("/items/1/")[1]])
stack.move(layer, index=0)
said.append([names(), get("/items/1/")[1]])
stack.remove("Marks")
said.append([names(), get("/items/1/")[1]])
layer.off()
said.append([names(), get("/items/1/")[1]])
layer.on()
lp.undo()
said.append([names(), get("/items/1/")[1]])
lp.restore_all()
same = application._middleware_chain is chain and [x.instance for x in stack] == own
said.append([names(), get("/items/1/")[1]])
print(json.dumps([said, same]))
"""
    )
    steps, same = said
    webuis = ["SecurityMiddleware", "simple", "Marks"]
    assert steps == [
        [
            ["SecurityMiddleware", "simple", "Stamp", "Marks"],
            "one ",
            "added Stamp to middleware of __main__.application",
        ],
        [["Stamp", "SecurityMiddleware", "simple", "Stamp", "Marks"], "two one "],
        [["Stamp", "Stamp", "SecurityMiddleware", "simple", "Marks"], "one two "],
        [["Stamp", "Stamp", "SecurityMiddleware", "simple"], "one two "],
        [["Stamp", "SecurityMiddleware", "simple"], "two "],
        [["Stamp", "SecurityMiddleware", "simple"], "two "],
        [webuis, "nothing"],
    ]
    assert same


def test_what_was_taken_back_for_good_is_kept_by_nobody():
    said = run(
        CHANGES
        + """
import gc, weakref
alive, counts = weakref.WeakSet(), []


class Counted(Stamp):
    def __init__(self, get_response, text="counted "):
        super().__init__(get_response, text)
        alive.add(self)


stack = lp.middleware(application)
for _ in range(100):
    stack.add(Counted)
    assert get("/items/1/")[1] == "counted ", get("/items/1/")
    lp.undo()
gc.collect()
counts.append(len(alive))  # a redo brings it back
lp.redo()
said = [get("/items/1/")[1]]
stack.remove("Counted")
lp.undo()
said.append(get("/items/1/")[1])
lp.undo()
lp.replace("json.decoder.JSONDecoder.decode", lambda self, text: text)
gc.collect()
counts.append(len(alive))
print(json.dumps([counts, said, get("/items/1/")[1], names()]))
"""
    )
    counts, seen, left, names = said
    assert counts == [1, 0]
    assert seen == ["counted ", "counted "]
    assert (left, names) == ("nothing", ["SecurityMiddleware", "simple", "Marks"])


def test_a_view_middleware_counts_and_a_broken_one_changes_nothing():
    said = run(
        CHANGES
        + """
stack, chain = lp.middleware(application), application._middleware_chain
errors = []
for make in (lambda: stack.add(Broken), lambda: stack.add(Stamp, wrong=1)):
    try:
        make()
    except lp.LivepatchError as error:
        errors.append(str(error).splitlines())
kept = application._middleware_chain is chain
stack.add(Stamp, text="stop")
hooks = [hook.name for hook in lp.hooks()["process_view"]]
stopped = get("/items/1/")[1]
lp.hooks().mute("process_view/" + hooks[0])
muted = get("/items/1/")[1]
lp.restore_all()
print(json.dumps([errors, kept, hooks, stopped, muted, get("/items/1/")[1]]))
"""
    )
    errors, kept, hooks, stopped, muted, after = said
    assert [len(lines) for lines in errors] == [3, 3]
    assert "ValueError: no such option" in errors[0][1]
    assert "unexpected keyword argument 'wrong'" in errors[1][1]
    assert kept
    assert hooks == ["Stamp.process_view"]
    assert (stopped, muted, after) == ("stopped by a view middleware", "stop", "nothing")


def test_routes_are_the_url_patterns():
    said = run(
        """
        class Page:
            pass

        routes = lp.routes()
        rows = [(route.path, route.methods, route.name, route.owner) for route in routes]
        before = get("/items/7/")
        layer = routes["/items/<int:number>/"].replace(lambda request, number: HttpResponse("new"))
        replaced = get("/items/7/")
        lp.undo()
        undone = get("/items/7/")
        routes["/items/<int:number>/"].remove()
        gone = get("/items/7/")[0]
        lp.restore_all()
        errors = []
        for change in (
            lambda: routes.add("/x/", item),
            lambda: routes["/items/<int:number>/"].replace(item, methods=["GET"]),
        ):
            try:
                change()
            except lp.LivepatchError as error:
                errors.append(len(str(error).splitlines()))
        host = lp.host()
        print(json.dumps([rows, before, replaced, undone, gone, get("/items/7/"), errors,
                          host.flavor, host.version == django.__version__,
                          sorted(host.supports & {"routes", "callbacks", "hooks"})]))
        """
    )
    rows, before, replaced, undone, gone, after, errors, flavor, version, supports = said
    assert rows == [["/items/<int:number>/", [], None, "webui"]]
    assert before == undone == after == ["200", "item 7"]
    assert replaced == ["200", "new"]
    assert gone == "404"
    assert errors == [3, 3]
    assert (flavor, version) == ("django", True)
    assert supports == ["callbacks", "hooks", "routes"]


def test_callbacks_are_the_receivers_of_signals():
    said = run(
        """
        from django.core import signals

        heard = []

        def first(sender, **kwargs):
            heard.append("first")

        def second(sender, **kwargs):
            heard.append("second")

        signals.request_started.connect(first)
        signals.request_started.connect(second)
        calls = lp.callbacks()
        listed = [found.name for found in calls["request_started"]]

        def round():
            heard.clear()
            get("/items/1/")
            return list(heard)

        steps = [round()]
        calls.mute("request_started/first")
        steps.append(round())
        calls.unmute("request_started/first")
        calls["request_started"].move("second", before="first")
        steps.append(round())
        calls["request_started"].replace("first", lambda sender, **kw: heard.append("new"))
        steps.append(round())
        calls["request_started"].add(lambda sender, **kw: heard.append("added"), name="mine")
        steps.append(round())
        lp.restore_all()
        steps.append(round())
        print(json.dumps([listed, steps]))
        """
    )
    listed, steps = said
    assert listed[-2:] == ["first", "second"]
    assert steps == [
        ["first", "second"],
        ["second"],
        ["second", "first"],
        ["second", "new"],
        ["second", "new", "added"],
        ["first", "second"],
    ]
