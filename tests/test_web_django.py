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
        refused = []
        for change in (lambda: stack.add(Marks), lambda: stack.remove("Marks")):
            try:
                change()
            except lp.LivepatchError as error:
                refused.append(str(error).splitlines())
        calls = {part.name: part.calls for part in t}
        print(json.dumps([shown, only, answers[:2], answers[2][0], answers[3], again, kept,
                          calls, refused, str(lp.middleware() is stack)]))
    """)
    shown, only, answers, missing, after, again, kept, calls, refused, default = said
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
    assert [len(lines) for lines in refused] == [3, 3]
    assert "makes its chain from settings.MIDDLEWARE" in refused[0][1]
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
