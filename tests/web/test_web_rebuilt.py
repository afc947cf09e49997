"""Our changes go upon the app that a webui makes in the place of its old one."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.testclient import TestClient
from web_support import Mark

import livepatch as lp
from livepatch.web.find import follow_app


def make_app():
    app = FastAPI(openapi_url=None)
    app.add_middleware(GZipMiddleware)
    app.add_middleware(CORSMiddleware, allow_origins=["*"])

    @app.get("/ping")
    def ping():
        return "own"

    @app.get("/gone")
    def gone():
        return "own"

    inner = FastAPI(openapi_url=None)

    @inner.get("/deep")
    def deep():
        return "own"

    app.mount("/inner", inner)
    return app


def seen(app):
    """What its clients get."""
    with TestClient(app) as client:
        answers = {
            path: client.get(path, headers={"origin": "http://x"})
            for path in ("/ping", "/gone", "/new", "/inner/deep")
        }
    return (
        {
            path: answer.json() if answer.status_code == 200 else None
            for path, answer in answers.items()
        },
        "access-control-allow-origin" in answers["/ping"].headers,
    )


OWN = ({"/ping": "own", "/gone": "own", "/new": None, "/inner/deep": "own"}, True)
CHANGED = ({"/ping": "mine", "/gone": None, "/new": "mine", "/inner/deep": "mine"}, False)


class Counting:
    """Counts its requests."""

    def __init__(self, app):
        self.app, self.count = app, 0

    async def __call__(self, scope, receive, send):
        self.count += scope["type"] == "http"
        await self.app(scope, receive, send)


STEPS = 6


def change(app):
    added = lp.middleware(app).add(Counting)
    next(layer for layer in lp.middleware(app) if layer.cls is CORSMiddleware).off()
    lp.routes(app)["/ping"].replace(lambda: "mine")
    lp.routes(app)["/gone"].remove()
    lp.routes(app).add("/new", lambda: "mine")
    lp.routes(app)["/inner/deep"].replace(lambda: "mine")
    return added


@pytest.mark.parametrize("is_built", [False, True], ids=["before its first request", "built"])
def test_an_app_made_anew_has_all_that_the_old_one_had(is_built):
    app, new = make_app(), make_app()
    added = change(app)
    assert seen(app) == CHANGED
    before = added.instance.count
    assert seen(new) == OWN if is_built else True
    own_list, own_routes = list(new.user_middleware), list(new.router.routes)
    assert follow_app(app, new) == []
    assert seen(new) == CHANGED
    assert added.state == "active"
    assert added.instance.count == before + 4  # the same one, with what it remembers
    for _ in range(STEPS):
        lp.undo()
    assert seen(new) == OWN
    for _ in range(STEPS):
        lp.redo()
    assert seen(new) == CHANGED
    lp.restore_all()
    assert seen(new) == OWN
    assert [m is o for m, o in zip(new.user_middleware, own_list, strict=True)] == [True, True]
    assert [r is o for r, o in zip(new.router.routes, own_routes, strict=True)] == [True] * 3


def test_a_guard_goes_along():
    app, new = make_app(), make_app()
    seen(app)
    seen(new)
    lp.middleware(app).guard()
    follow_app(app, new)
    new.middleware_stack = None
    new.add_middleware(Mark)  # it would raise, or lose what is live
    own = [layer.name for layer in lp.middleware(new) if layer.kind != "framework"]
    assert own == ["Mark", "CORSMiddleware", "GZipMiddleware"]
    lp.restore_all()
    with pytest.raises(RuntimeError):
        new.add_middleware(Mark)


def test_what_the_new_app_lacks_is_stale():
    app, new = make_app(), FastAPI(openapi_url=None)
    layer = lp.routes(app)["/ping"].replace(lambda: "mine")
    follow_app(app, new)
    assert layer.state == "stale"
    lp.restore_all()
    assert list(new.router.routes) == []
