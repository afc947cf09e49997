"""The live stack of an aiohttp app under a real server."""

from __future__ import annotations

import gc
import subprocess
import sys
import textwrap
import weakref
from pathlib import Path

import pytest
from samples import functions
from web_support import AiohttpServer, in_thread

import livepatch as lp

web = pytest.importorskip("aiohttp.web")


def mark(tag):
    @web.middleware
    async def middleware(request, handler):
        request.match_info.setdefault("seen", []).append(tag)
        return await handler(request)

    return middleware


own = mark("own")


@web.middleware
async def named(request, handler):
    request.match_info.setdefault("seen", []).append("named")
    return await handler(request)


async def home(request):
    return web.json_response(request.match_info.get("seen", []))


def build_app(*middlewares):
    app = web.Application(middlewares=middlewares)
    server = AiohttpServer(app, home)
    app.router.add_get("/", home)
    app.router.add_get("/held", server.held)
    return server


@pytest.fixture
def server():
    with build_app(own) as server:
        assert server.seen() == ["own"]
        yield server


def test_the_stack_is_shown_and_changed_while_it_serves(server):
    stack = lp.middleware(server.app)
    assert [(layer.name, layer.kind, layer.owner) for layer in stack] == [
        ("middleware", "webui", "webui")
    ]
    assert "test_web_aiohttp.py" in str(stack)
    outer = stack.add(named)
    assert (outer.name, server.seen()) == ("named", ["named", "own"])
    assert server.seen() == ["named", "own"]
    stack.move(outer, index=1)
    assert server.seen() == ["own", "named"]
    assert len(server.app.middlewares) == 2
    stack.replace(outer, mark, options={"tag": "made"})
    assert server.seen() == ["own", "made"]
    lp.undo()
    lp.undo()
    assert server.seen() == ["named", "own"]


def test_restoring_gives_the_very_objects_back(server):
    app = server.app
    before = (app._middlewares, app._middlewares_handlers, app._run_middlewares)
    stack = lp.middleware(app)
    with lp.transaction():
        stack.add(named)
        stack.remove(own)
        assert server.seen() == ["own"]
    assert server.seen() == ["named"]
    lp.restore_all()
    after = (app._middlewares, app._middlewares_handlers, app._run_middlewares)
    assert [a is b for a, b in zip(before, after, strict=True)] == [True] * 3
    assert server.seen() == ["own"]


def test_a_request_under_way_finishes_on_its_own_stack(server):
    stack = lp.middleware(server.app)
    layer = stack.add(named)
    with in_thread(lambda: server.seen("/held")) as outcome:
        assert server.entered.acquire(timeout=20)
        stack.remove(layer)
        assert server.seen() == ["own"]
        server.gate.set()
    assert outcome.result == ["named", "own"]


def test_one_function_can_stand_in_two_places(server):
    stack = lp.middleware(server.app)
    first = stack.add(named)
    stack.add(named, after=own)
    assert server.seen() == ["named", "own", "named"]
    stack.remove(first)
    assert server.seen() == ["own", "named"]


def counted_app(alive):
    """An app, and a middleware class each of whose instances is counted while it is alive."""

    class Counted:
        def __init__(self):
            alive.add(self)

        async def __call__(self, request, handler):
            request.match_info.setdefault("seen", []).append("counted")
            return await handler(request)

    return build_app(own), Counted


def test_what_was_taken_back_for_good_is_kept_by_nobody():
    alive = weakref.WeakSet()
    server, counted = counted_app(alive)
    with server:
        stack = lp.middleware(server.app)
        for _ in range(100):
            stack.add(counted)
            assert server.seen() == ["counted", "own"]
            lp.undo()
            assert server.seen() == ["own"]
        gc.collect()
        assert len(alive) == 1  # a redo brings it back
        lp.redo()
        assert server.seen() == ["counted", "own"]
        lp.undo()


def test_what_was_removed_comes_back_while_the_journal_has_it():
    alive = weakref.WeakSet()
    server, counted = counted_app(alive)
    with server:
        stack = lp.middleware(server.app)
        for _ in range(100):
            stack.add(counted).remove()
        gc.collect()
        first = len(alive)
        lp.undo()
        assert server.seen() == ["counted", "own"]
        (layer, _) = stack
        assert (layer.kind, layer.state, first) == ("added", "active", 100)
        for _ in range(199):
            lp.undo()
        assert server.seen() == ["own"]
        del layer
        lp.replace(f"{functions.__name__}.plain", lambda a: "new")  # none of them can be redone now
        gc.collect()
        assert len(alive) == 0


def test_an_app_without_any_middleware_gets_its_first():
    with build_app() as server:
        assert server.seen() == []
        layer = lp.middleware(server.app).add(named)
        assert server.seen() == ["named"]
        layer.remove()
        assert server.seen() == []
        assert server.app._run_middlewares is False


def test_an_app_that_has_not_started_declares():
    server = build_app(own)
    middlewares = server.app._middlewares
    stack = lp.middleware(server.app)
    layer = stack.add(named)
    assert len(server.app.middlewares) == 2
    with server:
        assert server.seen() == ["named", "own"]
        stack.remove(layer)
        assert server.seen() == ["own"]
        assert server.app._middlewares is middlewares


def test_a_sub_app_has_a_stack_of_its_own():
    server = build_app()
    sub = web.Application()
    sub.router.add_get("/", home)
    server.app.add_subapp("/sub", sub)
    with server:
        assert server.seen("/sub/") == []
        lp.middleware(server.app)
        lp.middleware(sub).add(named)
        assert server.seen("/sub/") == ["named"]
        assert server.seen() == []


@pytest.mark.parametrize(
    "bad",
    [42, print, home, dict, lambda request, handler: None],
    ids=["number", "builtin", "handler", "class", "lambda"],
)
def test_bad_middleware_is_refused_and_harms_no_request(server, bad):
    stack = lp.middleware(server.app)
    with pytest.raises(lp.PatchRefused, match="is not a coroutine function") as refusal:
        stack.add(bad)
    assert len(str(refusal.value).splitlines()) == 3
    with pytest.raises(lp.PatchRefused, match="unexpected keyword argument"):
        stack.add(mark, colour="red")
    with pytest.raises(
        lp.PatchRefused, match="can guard the stack of a Starlette or FastAPI app only"
    ):
        stack.guard()
    assert server.seen() == ["own"]


def test_an_aiohttp_app_is_known_where_a_checkout_was_installed_before_it_said_so(tmp_path):
    metadata = tmp_path / "livepatch-0.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: livepatch\nVersion: 0.1\n")
    told = "[livepatch.apps]\ndjango = livepatch.django.kind:DJANGO\n"
    (metadata / "entry_points.txt").write_text(told)
    program = """
        import livepatch as lp
        from aiohttp import web
        print(len(lp.middleware(web.Application())))
    """
    repository = Path(lp.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={"PYTHONPATH": f"{tmp_path}:{repository}", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "0\n", done.stderr
