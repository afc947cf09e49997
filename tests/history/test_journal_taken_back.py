"""What a session had live at its end: nothing that was taken back, in the order of the steps."""

from __future__ import annotations

import json

import pytest
from journal_support import NAMESPACE, restart, session
from samples import functions

import livepatch as lp
from livepatch.engine.changing.change import apply, taken_back

starlette = pytest.importorskip("starlette")
from starlette.applications import Starlette  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402
from starlette.middleware.gzip import GZipMiddleware  # noqa: E402
from starlette.responses import PlainTextResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402
from web_support import Mark  # noqa: E402


def hello(request):
    return PlainTextResponse("hello")


@pytest.fixture
def app(place):
    app = Starlette(routes=[Route("/x", hello)], middleware=[Middleware(GZipMiddleware)])
    app.middleware_stack = app.build_middleware_stack()
    lp.journal.keep("a-webui")
    return app


def left():
    """What the next process says was live."""
    restart()
    return [(one.verb, one.target.partition(" of ")[0]) for one in lp.journal.saved()]


def test_a_route_that_was_added_and_removed_is_not_offered(app):
    routes = lp.routes(app)
    routes.add("/one", hello).remove()
    routes.add("/two", hello)
    routes.remove("/two")
    routes.add("/kept", hello)
    assert left() == [("add", "GET /kept")]


def test_a_route_of_the_webui_that_was_removed_is(app):
    layer = lp.routes(app).remove("/x")
    layer.off()
    layer.on()
    assert left() == [("remove", "GET /x")]


def test_what_undo_took_back_is_not_offered(app):
    lp.routes(app).add("/one", hello)
    lp.undo()
    assert left() == []


def test_what_restore_took_back_is_not_offered(app):
    routes, stack = lp.routes(app), lp.middleware(app)
    routes.add("/one", hello)
    routes.remove("/x")
    stack.add(Mark, tag="one")
    stack.remove(GZipMiddleware)
    lp.replace("samples.functions.plain", "def plain(a):\n    return 1")
    lp.restore_all()
    assert left() == []


def test_middleware_that_was_added_moved_and_removed_is_not_offered(app):
    stack = lp.middleware(app)
    layer = stack.add(Mark, tag="one")
    stack.move(layer, after=GZipMiddleware)
    stack.remove(layer)
    assert left() == []


def test_middleware_that_took_the_place_of_an_added_one_counts_once(app):
    stack = lp.middleware(app)
    stack.replace(stack.add(Mark, tag="one"), Mark, tag="two")
    restart()
    (one,) = lp.journal.saved()
    assert one.verb == "replace"


def test_middleware_of_the_webui_that_was_switched_off_and_on_again_is_not_offered(app):
    (gzip,) = [layer for layer in lp.middleware(app) if layer.name == "GZipMiddleware"]
    gzip.off()
    own = lp.journal.sessions()[-1].session
    assert [one.verb for one in lp.journal.saved(own)] == ["switch off"]
    gzip.on()
    assert len(lp.journal.saved(own)) == 0


def test_a_change_that_was_taken_back_by_another_is_not_offered(place):
    lp.journal.keep("a-webui")
    with lp.transaction() as step:
        lp.replace("samples.functions.plain", "def plain(a):\n    return 1")
    apply(*map(taken_back, step.changes))  # as unloading an extension does
    assert functions.plain(1) == ("old", 1, 2, 1)
    assert left() == []


def test_the_steps_stand_in_their_order_and_are_laid_in_that_of_the_stack(place):
    lp.journal.keep("a-webui")
    text = "def plain(a):\n    return {!r}"
    lp.replace("samples.functions.plain", text.format("low"), name="low")
    lp.replace("samples.functions.uses_module", "def uses_module(a):\n    return 1")
    lp.replace("samples.functions.plain", text.format("high"), name="high")
    lp.replace("samples.functions.plain", text.format("low again"), name="low")
    restart()
    report = lp.journal.saved(namespace=NAMESPACE)
    steps = [one.step for one in report]
    assert steps == sorted(steps)
    assert [one.name for one in report] == ["replace", "high", "low"]
    lp.journal.replay(namespace=NAMESPACE)
    assert functions.plain(1) == "high"
    assert [p.name for p in lp.patches("samples.functions.plain")] == ["low", "high"]


def test_a_layer_of_a_transaction_that_was_removed_later_is_not_offered(place):
    lp.journal.keep("a-webui")
    with lp.transaction():
        one = lp.replace("samples.functions.plain", "def plain(a):\n    return 1")
        lp.replace("samples.functions.uses_module", "def uses_module(a):\n    return 1")
    one.remove()
    restart()
    assert [one.target for one in lp.journal.saved()] == ["samples.functions.uses_module"]


def steps_of(*changes):
    """The lines of 0.1, in which nothing but the verbs says what takes back what."""
    for number, (verb, target, name) in enumerate(changes, 1):
        facts = {"verb": verb, "target": target, "owner": "notebook", "name": name}
        if name in ("everything", "app"):
            facts["owner"] = "livepatch"
        yield {"step": number, "time": "", "changes": [{**facts, "form": "other", "source": None}]}


@pytest.mark.parametrize(
    ("changes", "offered"),
    [
        ([("mute", "a", "x"), ("unmute", "a", "x")], []),
        ([("mute", "a", "x")], ["mute"]),
        ([("add", "a", "x"), ("mute", "a", "x"), ("unmute", "a", "x")], ["add"]),
        ([("add", "a", "x"), ("move", "a", "x"), ("remove", "a", "x")], []),
        ([("remove", "a", "x")], ["remove"]),
        ([("replace", "a", "x"), ("remove", "a", "x")], ["remove"]),
        ([("load", "a", "x"), ("unload", "a", "x")], []),
        ([("unload", "a", "x"), ("load", "a", "x")], []),
        ([("load", "a", "x"), ("reload", "a", "x"), ("unload", "a", "x")], []),
        ([("reload", "a", "x"), ("unload", "a", "x")], ["unload"]),
        ([("disable", "a", "x"), ("enable", "a", "x")], []),
        ([("unmute", "a", "x")], []),
        ([("add", "a", "x"), ("mute", "a", "y"), ("restore", "a", "everything")], []),
        ([("add", "b", "x"), ("restore", "a", "everything")], ["add"]),
        ([("add", "a", "x"), ("take back", "a", "x")], []),
        ([("adopt", "a", "x")], []),
    ],
    ids=lambda value: " ".join(v[0] if isinstance(v, tuple) else v for v in value) or "nothing",
)
def test_what_takes_back_what(place, changes, offered):
    session(plain=1)
    header = place.part(1).read_text().splitlines()[0]
    lines = [header, *map(json.dumps, steps_of(*changes)), '{"end": "now"}']
    place.part(1).write_text("\n".join(lines) + "\n")
    lp.journal.keep("a-webui")
    assert [one.verb for one in lp.journal.saved()] == offered
