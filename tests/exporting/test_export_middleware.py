"""Middleware of an exported package: added to a running app, taken out again, in any order."""

from __future__ import annotations

from export_support import fresh
from samples import exported_apps as apps

import livepatch as lp


class Outer:
    def __init__(self, app, word="-"):
        self.app, self.word = app, word

    async def __call__(self, scope, receive, send):
        scope["trace"] = [*scope.get("trace", ()), f"Outer {self.word}"]
        await self.app(scope, receive, send)


class Inner:
    def __init__(self, app, say):
        self.app, self.say = app, say

    async def __call__(self, scope, receive, send):
        scope["trace"] = [*scope.get("trace", ()), self.say("Inner")]
        await self.app(scope, receive, send)


def loud(word):
    return word.upper()


async def around(request, handler):
    request["trace"] = [*request.get("trace", ()), "around"]
    return await handler(request)


async def within(request, handler):
    request["trace"] = [*request.get("trace", ()), "within"]
    return await handler(request)


STARLETTE = """
sys.path[:0] = sys.argv[2:4]
import itertools, first, second
import samples.exported_apps as apps
from starlette.testclient import TestClient

def nodes(app):
    found, node = [], app.middleware_stack
    while node is not None:
        found.append(node)
        node = getattr(node, "app", None)
    return [id(n) for n in found if not hasattr(n, "__self__")]  # a method is made anew

seen = []
for is_built, end in itertools.product((False, True), itertools.permutations((0, 1))):
    app, packages = apps.starlette_app(), (first, second)
    client = TestClient(app)
    own, declared = None, [*app.user_middleware]
    if is_built:
        client.get("/")
        own = nodes(app)
    seen.append([[*first.apply(app), *second.apply(app)]])
    seen[-1].append(client.get("/").text)
    first.switch(on=False)
    seen[-1].append(client.get("/").text)
    first.switch(on=True)
    seen[-1].append(client.get("/").text)
    for number in end:
        packages[number].remove()
        seen[-1].append(client.get("/").text)
    same = app.user_middleware == declared and (own is None or nodes(app) == own)
    seen[-1].append(same)
print(json.dumps(seen))
"""

AIOHTTP = """
sys.path[:0] = sys.argv[2:4]
import asyncio, itertools, first, second
import samples.exported_apps as apps
from aiohttp.test_utils import TestClient, TestServer

async def look(is_started, end):
    app, packages = apps.aiohttp_app(), (first, second)
    client, seen = TestClient(TestServer(app)), []
    async def text():
        seen.append(await (await client.get("/")).text())
    if not is_started:
        warnings = [*first.apply(app), *second.apply(app)]
    async with client:
        if is_started:
            await text()
            seen.clear()
            warnings = [*first.apply(app), *second.apply(app)]
        seen.append(warnings)
        await text()
        first.switch(on=False)
        await text()
        first.switch(on=True)
        for number in end:
            packages[number].remove()
            await text()
        seen.append([m.__name__ for m in app.middlewares])
    return seen

print(json.dumps([asyncio.run(look(started, end)) for started, end in itertools.product(
    (False, True), itertools.permutations((0, 1)))]))
"""


def test_starlette_before_the_stack_is_built_and_while_it_runs(tmp_path):
    app = apps.starlette_app()
    stack = lp.middleware(app)
    stack.add(Outer, word="first")
    stack.add(Inner, say=loud, after="Other")
    first = lp.export(tmp_path, name="first", flavor="starlette")
    lp.restore_all()
    stack.add(Outer, word="second", after="Counted")
    stack.remove("Other")
    second = lp.export(tmp_path, name="second", flavor="starlette")
    lp.restore_all()
    seen = fresh(STARLETTE, first.path / "src", second.path / "src")[0]
    for number, (warnings, both, off, on, one, none, same) in enumerate(seen):
        count = number // 2  # of requests before
        assert warnings == []
        assert both == f"Outer first > Counted {count + 1} > Outer second > INNER"
        assert off == f"Counted {count + 2} > Outer second"
        assert on == f"Outer first > Counted {count + 3} > Outer second > INNER"
        left = (
            f"Counted {count + 4} > Outer second"
            if number % 2 == 0
            else f"Outer first > Counted {count + 4} > Other own > INNER"
        )
        assert one == left
        assert none == f"Counted {count + 5} > Other own"
        assert same is True


def test_aiohttp_before_it_starts_and_while_it_runs(tmp_path):
    stack = lp.middleware(apps.aiohttp_app())
    stack.add(around)
    first = lp.export(tmp_path, name="first", flavor="aiohttp")
    lp.restore_all()
    stack.add(within, after="own")
    second = lp.export(tmp_path, name="second", flavor="aiohttp")
    lp.restore_all()
    seen = fresh(AIOHTTP, first.path / "src", second.path / "src")[0]
    for number, answers in enumerate(seen):
        warnings, both, off, one, none, names = answers
        assert warnings == []
        assert both == "around > own > within"
        assert off == "own > within"
        assert one == ("own > within" if number % 2 == 0 else "around > own")
        assert none == "own"
        assert names == ["own"]


def test_beside_a_stack_that_livepatch_has_changed(tmp_path, monkeypatch):
    """The extension is loaded into a webui in which the notebook has middleware of its own."""
    from starlette.testclient import TestClient

    lp.middleware(apps.starlette_app()).add(Outer, word="exported")
    exported = lp.export(tmp_path, name="beside_ours", flavor="starlette")
    lp.restore_all()
    monkeypatch.syspath_prepend(str(exported.path / "src"))
    import beside_ours  # type: ignore[import-not-found]

    app = apps.starlette_app()
    client = TestClient(app)
    assert client.get("/").text == "Counted 1 > Other own"
    layer = lp.middleware(app).add(Inner, say=loud)
    assert client.get("/").text == "INNER > Counted 2 > Other own"
    assert beside_ours.apply(app) == []
    both = client.get("/").text
    assert sorted(both.split(" > ")) == ["Counted 3", "INNER", "Other own", "Outer exported"]
    layer.remove()
    assert client.get("/").text == "Outer exported > Counted 4 > Other own"
    assert beside_ours.remove() == []
    assert client.get("/").text == "Counted 5 > Other own"


def test_within_a_wrapper_that_hides_what_it_holds(tmp_path, monkeypatch):
    from starlette.testclient import TestClient

    lp.middleware(apps.starlette_app()).add(Outer, word="exported")
    exported = lp.export(tmp_path, name="hidden", flavor="starlette")
    lp.restore_all()
    monkeypatch.syspath_prepend(str(exported.path / "src"))
    import hidden  # type: ignore[import-not-found]

    app = apps.starlette_app()
    client = TestClient(app)
    hidden.apply(app)
    assert client.get("/").text == "Outer exported > Counted 1 > Other own"
    inner = app.middleware_stack
    app.middleware_stack = lambda scope, receive, send: inner(scope, receive, send)
    hidden.remove()
    assert client.get("/").text == "Counted 2 > Other own"  # past it, with no work of ours


def test_an_option_that_cannot_be_written_down_and_a_move(tmp_path):
    import pytest

    stack = lp.middleware(apps.starlette_app())
    stack.add(Outer, word=object())
    with pytest.raises(lp.ExportRefused, match="the option word"):
        lp.export(tmp_path, name="mine", flavor="starlette")
    lp.restore_all()
    stack.move("Other", before="Counted")
    with pytest.raises(lp.ExportRefused, match="moves are not exported"):
        lp.export(tmp_path, name="mine", flavor="starlette")
    assert list(tmp_path.iterdir()) == []
