"""``stack.guard()``: the webui's own late changes of its stack are safe."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from web_support import Fails, Gate, Mark, Server, in_thread

import livepatch as lp

RACE = "Cannot add middleware after an application has started"


async def home(request):
    return JSONResponse({"seen": request.scope.get("seen", [])})


def add_as_a1111_does(app, between, tags=("one", "two")):
    """Reset the stack, then add: as A1111 does, with a request in between."""
    app.middleware_stack = None
    for tag in tags:
        between()
        app.add_middleware(Mark, tag=tag)
    app.build_middleware_stack()


@pytest.fixture
def server():
    app = Starlette(routes=[Route("/", home)], middleware=[Middleware(Mark, tag="own")])
    with Server(app) as server:
        server.get()
        yield server


@pytest.fixture
def guarded(server):
    lp.middleware(server.app).guard()
    return server


def test_naive_code_dies_of_a_request_in_between(server):
    with pytest.raises(RuntimeError, match=RACE):
        add_as_a1111_does(server.app, server.get)


def test_under_guard_the_same_code_is_safe_and_state_is_kept(guarded):
    own = lp.middleware(guarded.app)[1].instance
    counted = own.count
    seen = []
    add_as_a1111_does(guarded.app, lambda: seen.append(guarded.seen()))
    assert seen == [["own"], ["one", "own"]]
    assert guarded.seen() == ["two", "one", "own"]
    stack = lp.middleware(guarded.app)
    assert [layer.instance for layer in stack if layer.options.get("tag") == "own"] == [own]
    assert own.count == counted + 3
    assert [layer.kind for layer in stack][1:4] == ["webui"] * 3


def test_without_a_reset_late_add_middleware_works_too(guarded):
    guarded.app.add_middleware(Mark, tag="late")
    assert guarded.seen() == ["late", "own"]
    assert [spec.cls for spec in guarded.app.user_middleware] == [Mark, Mark]


def test_a_list_that_is_edited_by_hand_is_followed(guarded):
    app = guarded.app
    app.middleware_stack = None
    app.user_middleware.append(Middleware(Mark, tag="appended"))
    assert guarded.seen() == ["own", "appended"]
    app.middleware_stack = None
    app.user_middleware.clear()
    assert guarded.seen() == []


def test_a_reset_survives_an_add_before_the_list_is_edited(guarded):
    app = guarded.app
    app.middleware_stack = None
    app.add_middleware(Mark, tag="added")
    app.user_middleware.append(Middleware(Mark, tag="appended"))
    assert guarded.seen() == ["added", "own", "appended"]


def test_a_stack_that_somebody_builds_and_stores_stays_guarded(guarded):
    app = guarded.app
    app.middleware_stack = app.build_middleware_stack()
    app.add_middleware(Mark, tag="late")
    assert guarded.seen() == ["late", "own"]
    app.middleware_stack = Mark(app.middleware_stack, tag="around")
    app.add_middleware(Mark, tag="later")
    assert guarded.seen() == ["around", "later", "late", "own"]


def test_our_layers_and_the_webuis_keep_apart(guarded):
    stack = lp.middleware(guarded.app)
    stack.add(Mark, tag="ours")
    guarded.app.add_middleware(Mark, tag="late")
    assert guarded.seen() == ["late", "ours", "own"]
    lp.restore_all()
    assert guarded.seen() == ["late", "own"]
    app = guarded.app
    node, tags = app.middleware_stack, []
    while node is not app.router:
        assert type(node).__module__.partition(".")[0] != "livepatch"
        tags.append(getattr(node, "tag", None))
        node = node.app
    assert [tag for tag in tags if tag] == ["late", "own"]
    with pytest.raises(RuntimeError, match=RACE):  # the guard went with the rest
        app.add_middleware(Mark)


def test_an_app_that_has_not_served_yet_can_be_guarded():
    app = Starlette(routes=[Route("/", home)])
    lp.middleware(app).guard()
    app.add_middleware(Mark, tag="early")
    assert app.middleware_stack is None
    with Server(app, lifespan="off") as server:
        assert server.seen() == ["early"]
        add_as_a1111_does(app, server.get)
        assert server.seen() == ["two", "one", "early"]


def test_options_that_raise_are_told_to_who_asked_and_harm_nothing(guarded):
    with pytest.raises(ValueError, match="limit 7 is too low"):
        guarded.app.add_middleware(Fails, limit=7)
    assert guarded.seen() == ["own"]
    assert len(guarded.app.user_middleware) == 1


def test_a_request_under_way_sees_none_of_it(guarded):
    gate = Gate()

    class Holds(Mark):
        async def __call__(self, scope, receive, send):
            if scope.get("query_string"):
                await gate.wait()
            await super().__call__(scope, receive, send)

    app = guarded.app
    app.add_middleware(Holds, tag="holds")
    with in_thread(lambda: guarded.seen("/?held")) as outcome:
        assert gate.entered.acquire(timeout=20)
        app.middleware_stack = None
        app.user_middleware.append(Middleware(Mark, tag="inner"))
        app.middleware_stack = None
        gate.opened.set()
    assert outcome.result == ["holds", "own"]


def test_undo_takes_the_guard_away_and_redo_puts_it_up(server):
    own = server.app.middleware_stack
    stack = lp.middleware(server.app)
    assert "late add_middleware takes effect at once" in stack.guard()
    assert "guarded already" in stack.guard()
    lp.undo()
    assert server.app.middleware_stack is own
    assert "middleware_stack" not in vars(Starlette)
    with pytest.raises(RuntimeError, match=RACE):
        server.app.add_middleware(Mark)
    lp.redo()
    server.app.add_middleware(Mark, tag="late")
    assert server.seen() == ["late", "own"]


def test_other_apps_are_as_they_were(guarded):
    with Server(Starlette(routes=[Route("/", home)])) as other:
        other.get()
        with pytest.raises(RuntimeError, match=RACE):
            other.app.add_middleware(Mark)
        other.app.middleware_stack = None
        assert other.app.middleware_stack is None
        other.app.add_middleware(Mark, tag="rebuilt")
        assert other.seen() == ["rebuilt"]


def test_a_mount_cannot_be_guarded(server):
    with pytest.raises(
        lp.PatchRefused, match="can guard the stack of a Starlette or FastAPI app only"
    ):
        lp.middleware(server.app.routes[0]).guard()
