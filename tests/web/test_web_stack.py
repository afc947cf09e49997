"""The live stack of an app: what it shows, and what its verbs do."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from web_support import Fails, Mark, NoMiddleware, Server, closure_mark, in_thread, see

import livepatch as lp

FRAME = ["ServerErrorMiddleware", "ExceptionMiddleware"]


async def home(request):
    return JSONResponse({"seen": request.scope.get("seen", [])})


def build_app(*middleware):
    return Starlette(routes=[Route("/", home)], middleware=list(middleware))


@pytest.fixture
def app():
    return build_app(Middleware(Mark, tag="own"), Middleware(GZipMiddleware, minimum_size=500))


@pytest.fixture
def server(app):
    with Server(app) as server:
        server.get()
        yield server


def names(stack):
    return [layer.name for layer in stack]


def own_names(stack):
    return [layer.name for layer in stack if layer.kind != "framework"]


def applications(app):
    """Every app of a stack from the outside in, by identity."""
    found, inner = [], app.middleware_stack
    while inner is not None and inner is not app.router:
        found.append(inner)
        inner = getattr(inner, "app", None)
    return found


def test_a_running_stack_is_shown_outermost_first_with_all_that_is_known(server):
    stack = lp.middleware(server.app)
    assert names(stack) == [
        "ServerErrorMiddleware",
        "Mark",
        "GZipMiddleware",
        "ExceptionMiddleware",
    ]
    assert len(stack) == 4
    assert [layer.kind for layer in stack] == ["framework", "webui", "webui", "framework"]
    mark, gzip = stack[1:3]
    assert (mark.options, mark.owner, mark.state) == ({"tag": "own"}, "webui", "active")
    assert mark.place.partition(":")[0].endswith("web_support.py")
    assert (gzip.options, gzip.owner) == ({"minimum_size": 500}, "package starlette")
    assert mark.instance.tag == "own"
    assert "Mark" in str(stack)
    assert "web_support.py" in str(stack)
    assert "<table" in stack._repr_mimebundle_()["text/html"]
    assert lp.middleware(server.app) is stack


def test_looking_changes_nothing(server):
    before = applications(server.app)
    lp.middleware(server.app)
    assert applications(server.app) == before


def test_add_is_outermost_of_the_apps_own_unless_a_place_is_said(server):
    stack = lp.middleware(server.app)
    outer = stack.add(Mark, tag="outer")
    stack.add(closure_mark, after="Mark", tag="behind the first Mark")
    stack.add(Mark, before=GZipMiddleware, tag="before gzip")
    stack.add(Mark, index=len(stack), tag="innermost")
    stack.add(Mark, index=0, tag="outermost")
    assert server.seen() == [
        "outermost",
        "outer",
        "behind the first Mark",
        "own",
        "before gzip",
        "innermost",
    ]
    assert [getattr(layer.instance, "tag", layer.name) for layer in stack] == [
        "outermost",
        "ServerErrorMiddleware",
        "outer",
        "closure_mark",
        "own",
        "before gzip",
        "GZipMiddleware",
        "ExceptionMiddleware",
        "innermost",
    ]
    assert stack[2] is outer
    assert (outer.owner, outer.state) == (__name__, "active")


def test_the_answer_line_says_what_where_and_whose(server):
    line = str(lp.middleware(server.app).add(Mark, tag="new"))
    assert line.startswith(
        "added Mark to middleware of Starlette · test_web_stack's layer · 2 of 5"
    )
    assert "outside Mark" in line
    assert "ms" in line


def test_remove_replace_and_move_keep_what_the_others_remember(server):
    stack = lp.middleware(server.app)
    own = stack[1].instance
    counted = own.count
    first = stack.add(Mark, tag="first")
    second = stack.replace(first, Mark, tag="second")
    assert server.seen() == ["second", "own"]
    assert first.state == "removed"
    stack.move(second, after="GZipMiddleware")
    assert server.seen() == ["own", "second"]
    stack.move(stack[1], index=len(stack) - 1)
    assert server.seen() == ["second", "own"]
    answer = stack.remove(second)
    assert answer.startswith("removed Mark from middleware of Starlette")
    assert server.seen() == ["own"]
    assert stack[-1].instance is own
    assert own.count == counted + 4
    assert second.instance.count == 3


def test_the_webuis_own_middleware_is_removed_and_comes_back_as_it_was(server):
    stack = lp.middleware(server.app)
    before = applications(server.app)
    declared = server.app.user_middleware
    stack.remove("Mark")
    assert server.seen() == []
    assert own_names(stack) == ["GZipMiddleware"]
    assert [spec.cls for spec in server.app.user_middleware] == [GZipMiddleware]
    lp.undo()
    assert server.seen() == ["own"]
    assert applications(server.app) == before
    assert server.app.user_middleware is declared


def test_restore_all_gives_back_the_very_objects(server):
    app = server.app
    before, declared, specs = applications(app), app.user_middleware, list(app.user_middleware)
    stack = lp.middleware(app)
    stack.add(Mark, tag="a")
    stack.add(closure_mark, index=0)
    stack.move("GZipMiddleware", before="Mark")
    assert app.middleware_stack is not before[0]
    assert "restored 1 target · middleware of Starlette" in lp.restore_all()
    assert applications(app) == before
    assert app.user_middleware is declared
    assert app.user_middleware == specs
    assert server.seen() == ["own"]


def test_undo_and_redo_walk_along_the_steps(server):
    stack = lp.middleware(server.app)
    stack.add(Mark, tag="a")
    layer = stack.add(Mark, tag="b")
    stack.move(layer, after="GZipMiddleware")
    expected = [["a", "own", "b"], ["b", "a", "own"], ["a", "own"], ["own"]]
    assert server.seen() == expected[0]
    for seen in expected[1:]:
        lp.undo()
        assert server.seen() == seen
    for seen in reversed(expected[:-1]):
        lp.redo()
        assert server.seen() == seen
    assert layer.instance.count == 4


def test_undo_takes_its_own_step_out_from_under_a_later_one(server):
    stack = lp.middleware(server.app)
    lower = stack.add(Mark, tag="lower")
    stack.add(Mark, tag="upper")
    lower.remove()
    assert server.seen() == ["upper", "own"]
    lp.undo()
    assert server.seen() == ["upper", "lower", "own"]


def test_off_and_on_keep_place_and_memory(server):
    stack = lp.middleware(server.app)
    layer = stack.add(Mark, after="Mark", tag="switched")
    assert server.seen() == ["own", "switched"]
    layer.off()
    assert (layer.state, server.seen()) == ("off", ["own"])
    assert layer not in list(stack)
    assert [(p.name, p.state) for p in lp.patches()] == [("Mark", "off")]
    layer.on()
    assert server.seen() == ["own", "switched"]
    assert layer.instance.count == 2


def test_layers_are_among_the_patches_and_steps_in_the_journal(server):
    stack = lp.middleware(server.app)
    stack.add(Mark, tag="a")
    assert [(p.target, p.owner, p.name, p.state) for p in lp.patches()] == [
        ("middleware of Starlette", __name__, "Mark", "active")
    ]
    (change,) = lp.journal[-1].changes
    assert (change.verb, change.target, change.name) == ("add", "middleware of Starlette", "Mark")
    assert change.source == "lp.middleware(app).add(Mark, tag='a')"


def test_several_changes_of_a_transaction_are_one_step(server):
    stack = lp.middleware(server.app)
    with lp.transaction():
        first = stack.add(Mark, tag="first")
        second = stack.add(Mark, tag="second")
        stack.move(first, before=second)
        assert own_names(stack) == ["Mark", "Mark", "Mark", "GZipMiddleware"]
        assert "requests see it when the transaction ends" in str(second)
        assert server.seen() == ["own"]
    assert server.seen() == ["first", "second", "own"]
    stack.remove(first)
    lp.undo()
    lp.undo()
    assert server.seen() == ["own"]
    lp.redo()
    assert server.seen() == ["first", "second", "own"]


def test_a_transaction_that_raises_was_never_seen(server):
    stack = lp.middleware(server.app)
    before = applications(server.app)

    def change_and_fail():
        with lp.transaction():
            stack.add(Mark, tag="never")
            stack.remove("GZipMiddleware")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()
    assert own_names(stack) == ["Mark", "GZipMiddleware"]
    assert applications(server.app) == before
    assert server.seen() == ["own"]


def test_a_change_beside_an_open_transaction_shows_itself_only(server):
    stack = lp.middleware(server.app)
    with lp.transaction():
        stack.add(Mark, tag="in the transaction")
        with in_thread(lambda: stack.add(Mark, after="GZipMiddleware", tag="beside it")):
            pass
        assert server.seen() == ["own", "beside it"]
    assert server.seen() == ["in the transaction", "own", "beside it"]
    lp.restore_all()
    assert server.seen() == ["own"]


def test_one_transaction_over_two_apps_and_a_function(server):
    with Server(build_app()) as other:
        other.get()
        with lp.transaction():
            lp.middleware(server.app).add(Mark, tag="here")
            lp.middleware(other.app).add(Mark, tag="there")
            lp.replace("web_support.see", lambda scope, tag: scope)
        assert (server.seen(), other.seen()) == ([], [])
        lp.undo()
        assert (server.seen(), other.seen()) == (["own"], [])


def test_options_named_like_an_argument_go_into_options(server):
    class Placed(Mark):
        def __init__(self, app, before, index):
            super().__init__(app, f"{before} {index}")

    layer = lp.middleware(server.app).add(Placed, options={"before": "noon", "index": 3})
    assert server.seen() == ["noon 3", "own"]
    assert layer.options == {"before": "noon", "index": 3}


def test_a_dispatch_function_is_named_and_found(server):
    async def say_hello(request, call_next):
        see(request.scope, "hello")
        return await call_next(request)

    stack = lp.middleware(server.app)
    layer = stack.add(BaseHTTPMiddleware, dispatch=say_hello)
    assert (layer.name, server.seen()) == ("say_hello", ["hello", "own"])
    assert "test_web_stack.py" in layer.place
    stack.remove(say_hello)
    assert server.seen() == ["own"]


BAD = {
    "options that raise": (Fails, {"limit": 1}, "ValueError: limit 1 is too low"),
    "options it does not take": (Mark, {"colour": "red"}, "unexpected keyword argument 'colour'"),
    "a class that is no middleware": (NoMiddleware, {}, "cannot be called with scope, receive"),
    "a class of something else": (dict, {}, "cannot be called with scope, receive"),
    "no class": (42, {}, "42, of type int, is not a class or a function"),
    "an app": (Mark(None).__call__, {}, "is an ASGI app itself"),
    "a function that makes none": (lambda app: app.nothing, {}, "raised AttributeError"),
    "a function that answers none": (lambda app: None, {}, "made a NoneType"),
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_middleware_is_refused_in_three_lines_and_harms_no_request(server, bad):
    cls, options, found = BAD[bad]
    stack = lp.middleware(server.app)
    before = applications(server.app)
    for ask in (stack.add, lambda c, **o: stack.replace("Mark", c, **o)):
        with pytest.raises(lp.PatchRefused) as refusal:
            ask(cls, **options)
        assert found in refusal.value.found
        assert len(str(refusal.value).splitlines()) == 3
    assert applications(server.app) == before
    assert server.seen() == ["own"]


def test_a_layer_that_is_gone_is_told(server):
    stack = lp.middleware(server.app)
    layer = stack.add(Mark)
    stack.remove(layer)
    for ask in (
        lambda: stack.remove(layer),
        lambda: stack.move(layer, index=0),
        lambda: stack.replace(layer, Mark),
        lambda: stack.add(Mark, before=layer),
    ):
        with pytest.raises(lp.TargetNotFound, match="is no longer in the stack") as refusal:
            ask()
        assert len(str(refusal.value).splitlines()) == 3
    layer.remove()
    assert server.seen() == ["own"]


def test_unknown_names_and_places_are_told(server):
    stack = lp.middleware(server.app)
    with pytest.raises(lp.TargetNotFound, match=r"has no GZipMiddlewar; it has: GZipMiddleware"):
        stack.remove("GZipMiddlewar")
    with pytest.raises(lp.PatchRefused, match="the index goes from 0 to 4"):
        stack.add(Mark, index=9)
    with pytest.raises(lp.PatchRefused, match="more than one place"):
        stack.add(Mark, index=0, before="Mark")
    with pytest.raises(lp.PatchRefused, match="no place was given"):
        stack.move("Mark")
    other = lp.middleware(build_app(Middleware(Mark)))
    with pytest.raises(lp.TargetNotFound, match="this layer belongs to"):
        stack.remove(other[0])


def test_the_frameworks_own_layers_stay(server):
    stack = lp.middleware(server.app)
    for ask in (stack.remove, lambda name: stack.move(name, index=0)):
        with pytest.raises(lp.PatchRefused, match="belongs to the framework"):
            ask("ExceptionMiddleware")


@pytest.mark.parametrize("thing", [42, "app", print, object], ids=repr)
def test_what_is_no_app_is_told(thing):
    with pytest.raises(lp.PatchRefused, match="has no stack that livepatch knows"):
        lp.middleware(thing)


def test_without_a_webui_an_app_has_to_be_given():
    with pytest.raises(lp.HostUnsupported, match=r"lp\.middleware\(app\)"):
        lp.middleware()


def test_what_was_off_when_the_app_was_built_is_made_when_it_is_switched_on():
    app = Starlette(middleware=[Middleware(Mark, tag="a"), Middleware(Mark, tag="b")])
    layer = lp.middleware(app)[0]
    layer.off()
    app.middleware_stack = app.build_middleware_stack()
    layer.on()
    assert [one.state for one in lp.middleware(app) if one.kind != "framework"] == ["active"] * 2
    lp.restore_all()
    assert [given.kwargs["tag"] for given in app.user_middleware] == ["a", "b"]
