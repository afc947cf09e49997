"""The routes of a running app: what they show, and what their verbs do, over real HTTP."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
from types import ModuleType
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from web_support import Mark, Server

import livepatch as lp

fastapi = pytest.importorskip("fastapi")
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, WebSocket  # noqa: E402
from fastapi.routing import APIRoute  # noqa: E402
from pydantic import BaseModel  # noqa: E402


class Item(BaseModel):
    name: str
    price: float = 1.0


class NoField: ...


def needs_no_field(value: NoField):
    return value


def read_x(q: int = 1):
    """Reads x."""
    return {"x": q}


def read_item(item_id: int):
    return {"item": item_id}


def read_y():
    return "y"


def write_y():
    return "written"


def catch_all(rest: str):
    return f"caught {rest}"


async def home(request):
    return PlainTextResponse("home")


async def shout(request):
    return PlainTextResponse("HOME")


async def echo(websocket):
    await websocket.accept()
    await websocket.send_text("echo")
    await websocket.close()


async def answer_louder(websocket):
    await websocket.accept()
    await websocket.send_text("ECHO")
    await websocket.close()


def checks_key(key: str = Header("")):
    if key != "open":
        raise HTTPException(403)


def build_app():
    app = FastAPI(title="shop")
    app.get("/x")(read_x)
    app.get("/items/{item_id}", dependencies=[Depends(checks_key)])(read_item)
    router = APIRouter(prefix="/r")
    router.get("/y")(read_y)
    router.post("/y")(write_y)
    outer = APIRouter()
    outer.include_router(router, prefix="/o")
    app.include_router(outer, prefix="/v1", tags=["first"])
    app.mount("/static", Starlette(routes=[Route("/home", home)]), name="static")
    page = FastAPI(openapi_url=None)
    page.get("/{rest:path}")(catch_all)
    app.mount("/", page)
    return app


@pytest.fixture
def app():
    return build_app()


@pytest.fixture
def server(app):
    with Server(app) as server:
        yield server


def refusal(call) -> Any:
    with pytest.raises(lp.LivepatchError) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 3
    return caught.value


def raw_routes(app):
    """Every list of routes below an app, by identity of the list and of what is in it."""
    found = []
    for route in app.router.routes:
        found.append(id(route))
        inner = getattr(route, "original_router", None) or getattr(route, "_base_app", None)
        inner = getattr(inner, "router", inner)
        if getattr(inner, "routes", None):
            found += [id(inner.routes), *map(id, inner.routes)]
    return [id(app.router.routes), *found]


def labels(routes):
    return [route.label for route in routes]


def own_labels(routes):
    return [route.label for route in routes if not route.owner.startswith("package")]


def paths_of_document(server):
    return server.get("/openapi.json").json()["paths"]


def test_all_routes_are_listed_in_the_order_of_matching_with_all_that_is_known(server):
    routes = lp.routes(server.app)
    assert own_labels(routes) == [
        "GET /x",
        "GET /items/{item_id}",
        "GET /v1/o/r/y",
        "POST /v1/o/r/y",
        "GET /static/home",
        "GET /{rest:path}",
    ]
    route = routes["/x"]
    assert (route.methods, route.name, route.kind) == (("GET",), "read_x", "route")
    assert (route.endpoint, route.owner) == (read_x, "webui")
    line = read_x.__code__.co_firstlineno
    assert route.place.endswith(f"test_web_routes.py:{line}")
    assert routes["/docs"].owner == "package fastapi"
    assert [routes[i].position for i in range(len(routes))] == list(range(len(routes)))
    assert routes["MOUNT /static"].kind == "mount"
    text = str(routes)
    assert "in the order of matching" in text
    assert "test_web_routes.py" in text
    assert "<table" in routes._repr_mimebundle_()["text/html"]


def test_a_route_is_found_by_path_method_name_function_and_position(server):
    routes = lp.routes(server.app)
    by_path = routes["/x"]
    for reference in ("GET /x", "read_x"):
        assert routes[reference].route is by_path.route
    assert routes[by_path.position].route is by_path.route
    assert routes["POST /v1/o/r/y"].endpoint is write_y
    assert read_x in routes
    assert "/nowhere" not in routes


def test_looking_changes_nothing(app):
    before = raw_routes(app)
    str(lp.routes(app))
    assert raw_routes(app) == before


def test_a_route_that_is_never_reached_says_which_one_wins(app):
    app.get("/late")(read_y)
    app.get("/items/special")(read_y)
    routes = lp.routes(app)
    assert routes["/late"].shadowed_by == "MOUNT /"
    assert "never reached: MOUNT / wins" in str(routes)
    assert routes["/x"].shadowed_by is None
    assert routes["/items/{item_id}"].shadowed_by is None
    assert routes["GET /v1/o/r/y"].shadowed_by is None


def test_an_added_route_is_served_at_once_before_what_would_take_its_requests(server):
    def double(number: int, plus: int = 0) -> int:
        return number * 2 + plus

    assert server.get("/double/4").json() == "caught double/4"
    layer = lp.routes(server.app).add("/double/{number}", double, tags=["sums"])
    assert server.get("/double/4?plus=1").json() == 9
    assert server.get("/double/four").status_code == 422
    operation = paths_of_document(server)["/double/{number}"]["get"]
    assert [p["name"] for p in operation["parameters"]] == ["number", "plus"]
    assert operation["tags"] == ["sums"]
    assert str(layer).startswith("added GET /double/{number} to routes of ")
    assert "matched before MOUNT / ·" in str(layer)
    layer.remove()
    assert server.get("/double/4").json() == "caught double/4"
    assert "/double/{number}" not in paths_of_document(server)


def test_a_replaced_function_answers_at_once_and_keeps_what_the_route_was_told(server):
    before = paths_of_document(server)["/items/{item_id}"]["get"]
    layer = lp.routes(server.app)["/items/{item_id}"].replace(lambda item_id: f"new {item_id}")
    assert server.get("/items/3").status_code == 403
    assert server.get("/items/3", headers={"key": "open"}).json() == "new 3"
    after = paths_of_document(server)["/items/{item_id}"]["get"]
    assert after["operationId"] == before["operationId"]
    layer.remove()
    assert server.get("/items/3", headers={"key": "open"}).json() == {"item": 3}


def test_another_signature_brings_its_parameters_body_model_and_document(server):
    def create(item: Item, loud: bool = False) -> Item:
        """Makes an item."""
        return Item(name=item.name.upper() if loud else item.name, price=2)

    routes = lp.routes(server.app)
    layer = routes["POST /v1/o/r/y"].replace(create)
    assert "now takes ('item', 'loud') instead of ()" in str(layer)
    answer = server.client.post("/v1/o/r/y?loud=1", json={"name": "pear"})
    assert answer.json() == {"name": "PEAR", "price": 2}
    assert server.client.post("/v1/o/r/y", json={"price": 1}).status_code == 422
    operation = paths_of_document(server)["/v1/o/r/y"]["post"]
    assert operation["description"] == "Makes an item."
    assert operation["tags"] == ["first"]
    assert "requestBody" in operation
    document = server.get("/openapi.json").json()
    assert "Item" in document["components"]["schemas"]
    assert server.get("/v1/o/r/y").json() == "y"
    layer.remove()
    assert server.client.post("/v1/o/r/y").json() == "written"
    assert "requestBody" not in paths_of_document(server)["/v1/o/r/y"]["post"]


def test_an_explicit_response_model_stays(server):
    def more() -> dict:
        return {"name": "pear", "price": 2, "secret": 1}

    def plain():
        return more()

    app = server.app
    routes = lp.routes(app)
    routes.add("/model", plain, response_model=Item)
    routes.add("/none", more, response_model=None)
    routes["/model"].replace(more)
    routes["/none"].replace(plain)
    assert server.get("/model").json() == {"name": "pear", "price": 2}
    assert server.get("/none").json()["secret"] == 1


def test_a_removed_route_leaves_its_requests_to_the_next_and_comes_back_in_its_place(server):
    before = raw_routes(server.app)
    labels_before = labels(lp.routes(server.app))
    layer = lp.routes(server.app)["/x"].remove()
    assert server.get("/x").json() == "caught x"
    assert "/x" not in paths_of_document(server)
    assert "/x" not in lp.routes(server.app)
    layer.remove()
    assert server.get("/x").json() == {"x": 1}
    assert "/x" in paths_of_document(server)
    assert labels(lp.routes(server.app)) == labels_before
    assert raw_routes(server.app) == before


def test_a_moved_route_is_matched_earlier(server):
    server.app.get("/late")(read_y)
    assert server.get("/late").json() == "caught late"
    layer = lp.routes(server.app)["/late"].move(before="MOUNT /")
    assert server.get("/late").json() == "y"
    assert lp.routes(server.app)["/late"].shadowed_by is None
    lp.routes(server.app).move("/late", index=0)
    assert lp.routes(server.app)[0].label == "GET /late"
    layer.remove()
    assert server.get("/late").json() == "caught late"


def test_a_change_inside_a_mounted_app_or_an_included_router(server):
    routes = lp.routes(server.app)
    routes["/static/home"].replace(shout)
    assert server.get("/static/home").text == "HOME"
    routes.add("/static/more", home, before="/static/home")
    assert server.get("/static/more").text == "home"
    routes.add("/v1/o/r/z", read_x, before="GET /v1/o/r/y")
    assert server.get("/v1/o/r/z?q=5").json() == {"x": 5}
    assert "/v1/o/r/z" in paths_of_document(server)
    error = refusal(lambda: routes.add("/elsewhere", home, before="/static/home"))
    assert "below /static" in error.found


def test_several_changes_are_seen_together_and_undone_together(server):
    routes = lp.routes(server.app)
    before = raw_routes(server.app)
    with lp.transaction():
        routes["/x"].replace(lambda: "new")
        routes.add("/z", read_y)
        assert server.get("/x").json() == {"x": 1}
        assert server.get("/z").json() == "caught z"
        assert "/z" in lp.routes(server.app)
    assert server.get("/x").json() == "new"
    assert server.get("/z").json() == "y"
    lp.undo()
    assert server.get("/x").json() == {"x": 1}
    assert server.get("/z").json() == "caught z"
    assert raw_routes(server.app) == before
    lp.redo()
    assert server.get("/z").json() == "y"
    assert [change.verb for change in lp.journal[-1].changes] == ["replace", "add"]
    assert "lp.routes(app).add('/z', read_y)" in lp.journal[-1].changes[1].source


def test_a_failing_transaction_leaves_everything_as_it_was(server):
    before = raw_routes(server.app)

    def fail_halfway():
        with lp.transaction():
            lp.routes(server.app)["/x"].remove()
            lp.routes(server.app).add("/z", read_y)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert raw_routes(server.app) == before
    assert len(lp.patches()) == 0


def test_layers_are_listed_switched_off_and_on_and_restored(server):
    before = raw_routes(server.app)
    routes = lp.routes(server.app)
    layer = routes["/x"].replace(lambda: "new")
    routes["GET /v1/o/r/y"].remove()
    shown = [(item.target, item.verb, item.owner, item.state) for item in lp.patches()]
    assert sorted(shown) == [
        ("GET /v1/o/r/y", "remove", "test_web_routes", "active"),
        ("GET /x", "replace", "test_web_routes", "active"),
    ]
    assert "replace by test_web_routes" in str(lp.routes(server.app))
    assert lp.routes(server.app)["/x"].owner == "test_web_routes"
    layer.off()
    assert (layer.state, server.get("/x").json()) == ("off", {"x": 1})
    layer.on()
    assert (layer.state, server.get("/x").json()) == ("active", "new")
    lp.restore_all()
    assert layer.state == "removed"
    assert server.get("/x").json() == {"x": 1}
    assert server.get("/v1/o/r/y").json() == "y"
    assert raw_routes(server.app) == before
    assert "taken back" in refusal(layer.on).found


def test_the_same_owners_replacement_is_replaced_in_its_place(server):
    routes = lp.routes(server.app)
    first = routes["/x"].replace(lambda: "one")
    second = routes["/x"].replace(lambda: "two")
    assert first is second
    assert len(lp.patches()) == 1
    assert "again" in str(second)
    lp.undo()
    assert server.get("/x").json() == "one"
    lp.undo()
    assert server.get("/x").json() == {"x": 1}


def test_what_the_webui_adds_and_removes_itself_stays(server):
    app = server.app
    layer = lp.routes(app)["/x"].replace(lambda: "new")
    app.router.routes.insert(0, APIRoute("/foreign", read_y))
    kept = [r for r in app.router.routes if getattr(r, "path", "") != "/static"]
    app.router.routes = kept
    lp.routes(app).add("/z", read_y)
    assert server.get("/foreign").json() == "y"
    assert server.get("/static/home").json() == "caught static/home"
    assert server.get("/x").json() == "new"
    lp.restore_all()
    assert server.get("/foreign").json() == "y"
    assert server.get("/static/home").json() == "caught static/home"
    assert server.get("/x").json() == {"x": 1}
    assert layer.state == "removed"


def test_a_function_replaced_through_the_engine_reaches_the_route(monkeypatch):
    module = ModuleType("an_api")
    exec("def answer(q: int = 1):\n    return q\n", vars(module))
    monkeypatch.setitem(sys.modules, "an_api", module)
    app = FastAPI()
    app.get("/q")(module.answer)
    routes_before = raw_routes(app)
    with Server(app) as server:
        layer = lp.replace("an_api.answer", lambda q=1: q * 100)
        assert server.get("/q?q=3").json() == 300
        layer.remove()
        assert server.get("/q?q=3").json() == 3
    assert raw_routes(app) == routes_before


def test_starlette_routes_websockets_mounts_and_hosts():
    api = Router(routes=[Route("/deep", home)])
    app = Starlette(
        routes=[
            Host("api.example", api, name="api"),
            Route("/", home, methods=["GET"], name="start"),
            WebSocketRoute("/ws", echo),
            Mount("/sub", routes=[Route("/inner", home)]),
        ]
    )
    with Server(app) as server:
        routes = lp.routes(app)
        assert labels(routes) == [
            "HOST api.example",
            "GET /deep",
            "GET /",
            "WS /ws",
            "MOUNT /sub",
            "GET /sub/inner",
        ]
        routes["start"].replace(shout)
        assert server.get("/").text == "HOME"
        assert str(app.url_path_for("start")) == "/"
        routes["/sub/inner"].replace(shout)
        assert server.get("/sub/inner").text == "HOME"
        routes["MOUNT /sub"].replace(Starlette(routes=[Route("/other", home)]))
        assert server.get("/sub/inner").status_code == 404
        assert server.get("/sub/other").text == "home"
        routes["/deep"].replace(shout)
        assert server.get("/deep", headers={"host": "api.example"}).text == "HOME"
        routes["/ws"].replace(answer_louder)
        assert asyncio.run(first_message(server, "/ws")) == "ECHO"
        routes.add("/ws2", answer_louder, websocket=True)
        assert asyncio.run(first_message(server, "/ws2")) == "ECHO"
        routes.add("/more", Starlette(routes=[Route("/home", home)]))
        assert server.get("/more/home").text == "home"
        lp.restore_all()
        assert server.get("/").text == "home"
        assert server.get("/sub/inner").text == "home"
        assert server.get("/more/home").status_code == 404
        assert asyncio.run(first_message(server, "/ws")) == "echo"


async def first_message(server, path):
    from websockets.asyncio.client import connect

    async with connect(f"ws://127.0.0.1:{server.port}{path}") as websocket:
        return await asyncio.wait_for(websocket.recv(), 20)


def test_a_websocket_of_fastapi_keeps_its_dependencies(server):
    async def greet(websocket: WebSocket, name: str = "you"):
        await websocket.accept()
        await websocket.send_text(f"hello {name}")
        await websocket.close()

    async def shout_it(websocket: WebSocket, name: str, mark: str = "!"):
        await websocket.accept()
        await websocket.send_text(f"HELLO {name}{mark}")
        await websocket.close()

    routes = lp.routes(server.app)
    routes.add("/greet", greet)
    assert routes["/greet"].kind == "websocket"
    assert asyncio.run(first_message(server, "/greet?name=a")) == "hello a"
    routes["/greet"].replace(shout_it)
    assert asyncio.run(first_message(server, "/greet?name=a")) == "HELLO a!"


def test_dependency_overrides_reach_new_routes(server):
    app = server.app
    app.dependency_overrides[checks_key] = lambda: None
    routes = lp.routes(app)
    routes.add("/guarded", read_y, dependencies=[Depends(checks_key)])
    routes["/items/{item_id}"].replace(lambda item_id: "free")
    assert server.get("/guarded").json() == "y"
    assert server.get("/items/1").json() == "free"


def test_a_route_class_of_the_webuis_own_is_kept():
    class Tagged(APIRoute):
        def get_route_handler(self):
            handle = super().get_route_handler()

            async def tagged(request):
                response = await handle(request)
                response.headers["x-tag"] = "own"
                return response

            return tagged

    app = FastAPI()
    app.router.route_class = Tagged
    app.get("/t")(read_y)
    with Server(app) as server:
        lp.routes(app)["/t"].replace(write_y)
        lp.routes(app).add("/t2", write_y)
        for path in ("/t", "/t2"):
            answer = server.get(path)
            assert (answer.json(), answer.headers["x-tag"]) == ("written", "own")


def test_a_path_that_is_taken_is_refused_unless_a_place_is_said(server):
    routes = lp.routes(server.app)
    before = raw_routes(server.app)
    error = refusal(lambda: routes.add("/x", read_y))
    assert f"GET /x is taken by read_x ({routes['/x'].place}), which is matched first" in str(error)
    assert "is taken by read_item" in refusal(lambda: routes.add("/items/{n}", read_y)).found
    assert "is taken by" in refusal(lambda: routes.add("/v1/o/r/y", read_y)).found
    assert raw_routes(server.app) == before
    routes.add("/x", write_y, methods=["POST"])
    assert server.client.post("/x").json() == "written"
    assert server.get("/x").json() == {"x": 1}
    error = refusal(lambda: routes.add("/x", read_y, index=len(routes.root.cells())))
    assert "is matched before that place" in error.found
    routes.add("/x", read_y, before="GET /x")
    assert server.get("/x").json() == "y"


def test_bad_input_is_refused_in_three_lines_and_changes_nothing(server):
    app = server.app
    routes = lp.routes(app)
    before, document = raw_routes(app), paths_of_document(server)
    assert "cannot be called" in refusal(lambda: routes["/x"].replace(7)).found
    assert "cannot be called" in refusal(lambda: routes.add("/n", "text")).found
    call = home(None)
    assert "is a call of the function" in refusal(lambda: routes.add("/n", call)).found
    assert "Invalid args" in refusal(lambda: routes["/x"].replace(needs_no_field)).found
    assert "Invalid args" in refusal(lambda: routes.add("/n", needs_no_field)).found
    assert "GET /x" in refusal(lambda: routes["/xx"].remove()).found
    assert "2 routes match" in refusal(lambda: routes["/v1/o/r/y"].remove()).found
    assert "no place was given" in refusal(lambda: routes.move("/x")).found
    assert "another router" in refusal(lambda: routes.move("/x", before="/static/home")).found
    assert "not a number" in refusal(lambda: routes.move("/x", index="first")).found
    assert "from 0 to" in refusal(lambda: routes.move("/x", index=99)).found
    assert "counted from 0" in refusal(lambda: routes.remove(999)).found
    found = refusal(lambda: routes["/static/home"].replace(lambda a, b: a)).found
    assert "with the request only" in found
    assert "is not an ASGI app" in refusal(lambda: routes["MOUNT /static"].replace(read_y)).found
    gone = routes["/x"]
    layer = gone.remove()
    assert "is no longer in the list" in refusal(lambda: gone.replace(read_y)).found
    layer.remove()
    assert raw_routes(app) == before
    assert paths_of_document(server) == document
    assert server.get("/x").json() == {"x": 1}


def test_what_has_no_routes_is_refused_in_three_lines():
    assert "no app was found" in refusal(lp.routes).found
    assert "no routes that livepatch knows" in refusal(lambda: lp.routes(object())).found
    error = refusal(lambda: lp.routes(build_app))
    assert "is a function" in error.found
    assert "lp.routes(build_app())" in error.advice


def test_a_document_that_cannot_be_written_is_refused(server):
    class Strange:
        @classmethod
        def __get_validators__(cls):
            yield lambda value: value

        @classmethod
        def __get_pydantic_core_schema__(cls, source, handler):
            from pydantic_core import core_schema

            return core_schema.no_info_plain_validator_function(lambda value: value)

    def takes(item: Strange):
        return "taken"

    error = refusal(lambda: lp.routes(server.app).add("/strange", takes))
    assert "nothing has changed" in error.advice
    assert server.get("/openapi.json").status_code == 200


def test_middleware_of_ours_around_a_route_is_not_lost(server):
    route = lp.routes(server.app)["/static/home"]
    layer = lp.middleware(route.route).add(Mark)
    assert "livepatch added middleware" in refusal(lambda: route.replace(shout)).found
    layer.remove()


def test_clients_are_unharmed_while_routes_come_and_go():
    """Three URLs under load, while 500 changes are made: no server error, no wrong answer."""
    app = FastAPI()
    router = APIRouter(prefix="/inside")

    @app.get("/steady")
    async def steady():
        return "steady"

    @app.get("/changing")
    async def changing():
        return "changing 0"

    @router.get("/included/{number}")
    async def included(number: int):
        return number

    app.include_router(router)
    app.mount("/", Starlette(routes=[Route("/{rest:path}", home)]))
    wrong: list[Any] = []
    counts = {"/steady": 0, "/changing": 0, "/inside/included/7": 0}
    expected = {"/steady": '"steady"', "/inside/included/7": "7"}
    stop = threading.Event()

    def hammer(path):
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=20) as client:
            while not stop.is_set():
                answer = client.get(path)
                counts[path] += 1
                right = expected.get(path, answer.text) == answer.text
                if path == "/changing":
                    right = answer.text.startswith('"changing ')
                if answer.status_code != 200 or not right:
                    wrong.append((path, answer.status_code, answer.text))

    def version(number):
        async def changed(q: int = 0):
            return f"changing {number}"

        return changed

    with Server(app) as server:
        threads = [threading.Thread(target=hammer, args=(path,)) for path in counts]
        for thread in threads:
            thread.start()
        chance = random.Random(7)
        try:
            for number in range(125):
                routes = lp.routes(app)
                layer = routes["GET /changing"].replace(version(number))
                added = routes.add(f"/added/{number}", version(number))
                inner = routes.add(
                    f"/inside/more/{number}", version(number), before="/inside/included/{number}"
                )
                if chance.random() < 0.5:
                    layer.remove()
                added.remove()
                inner.remove()
        finally:
            stop.set()
            for thread in threads:
                thread.join(20)
        assert wrong == []
        assert min(counts.values()) > 20, counts
        lp.restore_all()
        assert server.get("/changing").json() == "changing 0"
