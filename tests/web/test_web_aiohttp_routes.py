"""The routes of an aiohttp app under a real server, as ComfyUI registers them: twice."""

from __future__ import annotations

import pytest
from web_support import AiohttpServer

import livepatch as lp

web = pytest.importorskip("aiohttp.web")


async def prompt(request):
    return web.Response(text="prompt")


async def queue(request):
    return web.Response(text=f"queue {request.match_info['number']}")


async def post(request):
    return web.Response(text="posted")


async def mine(request):
    return web.Response(text="mine")


async def inner(request):
    return web.Response(text="inner")


def build():
    app = web.Application()
    for prefix in ("/api", ""):
        name = f"prompt{prefix.replace('/', '_')}"
        app.router.add_get(f"{prefix}/prompt", prompt, name=name)
        app.router.add_post(f"{prefix}/prompt", post, name=name)
        app.router.add_get(f"{prefix}/queue/{{number}}", queue)
    sub = web.Application()
    sub.router.add_get("/inner", inner)
    app.add_subapp("/sub", sub)
    return app


@pytest.fixture(scope="module")
def shared():
    with AiohttpServer(build()) as server:
        yield server


@pytest.fixture
def server(shared):
    router = shared.app.router
    own = router._resources, router._resource_index
    yield shared
    lp.restore_all()
    assert (router._resources, router._resource_index) == own
    assert router._resources is own[0]


def text(server, path, method="GET"):
    answer = server.client.request(method, path)
    return answer.text if answer.status_code == 200 else answer.status_code


def test_the_routes_are_listed_with_the_sub_apps_own(server):
    labels = [route.label for route in lp.routes(server.app)]
    assert labels == [
        "GET /api/prompt",
        "POST /api/prompt",
        "GET /api/queue/{number}",
        "GET /prompt",
        "POST /prompt",
        "GET /queue/{number}",
        "MOUNT /sub",
        "GET /sub/inner",
    ]
    route = lp.routes(server.app)["GET /prompt"]
    assert (route.endpoint, route.owner, route.name) == (prompt, "webui", "prompt")
    assert route.place.startswith(__file__)


def test_a_route_is_replaced_and_what_was_not_reached_is_said(server):
    layer = lp.routes(server.app)["GET /prompt"].replace(mine)
    assert (text(server, "/prompt"), text(server, "/api/prompt")) == ("mine", "prompt")
    assert text(server, "/prompt", "POST") == "posted"
    assert server.client.head("/prompt").headers["content-length"] == str(len("mine"))
    assert "· GET /api/prompt still served by prompt ·" in str(layer)
    layer.remove()
    assert server.client.head("/prompt").headers["content-length"] == str(len("prompt"))
    assert text(server, "/prompt") == "prompt"


def test_routes_are_added_and_removed_in_one_step(server):
    routes = lp.routes(server.app)
    untouched = routes["GET /api/prompt"].route.resource
    with lp.transaction():
        routes.add("/hello/{name}", mine)
        routes.remove("POST /prompt")
        assert text(server, "/hello/you") == 404
        assert text(server, "/prompt", "POST") == "posted"
    assert text(server, "/hello/you") == "mine"
    assert text(server, "/prompt", "POST") == 405
    assert text(server, "/prompt") == "prompt"
    assert text(server, "/queue/7") == "queue 7"
    assert any(resource is untouched for resource in server.app.router.resources())
    lp.undo()
    assert text(server, "/hello/you") == 404
    assert text(server, "/prompt", "POST") == "posted"
    lp.redo()
    assert text(server, "/hello/you") == "mine"


def test_a_route_of_a_sub_app_is_replaced(server):
    layer = lp.routes(server.app)["GET /sub/inner"].replace(mine)
    assert text(server, "/sub/inner") == "mine"
    layer.remove()
    assert text(server, "/sub/inner") == "inner"


def test_an_added_route_stands_beside_another_method_of_its_path(server):
    layer = lp.routes(server.app).add("/prompt", mine, methods=["DELETE"])
    assert text(server, "/prompt", "DELETE") == "mine"
    assert text(server, "/prompt", "POST") == "posted"
    assert layer.state == "active"
    assert server.app.router["prompt"].url_for().path == "/prompt"


def plain(request): ...
async def takes_two(request, more): ...


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda routes: routes.replace("GET /prompt", plain), "is not a coroutine function"),
        (lambda routes: routes.replace("GET /prompt", takes_two), "missing a required argument"),
        (lambda routes: routes.replace("GET /prompt", mine, name="x"), "only the function"),
        (lambda routes: routes.replace("MOUNT /sub", mine), "is a PrefixedSubAppResource"),
        (lambda routes: routes.add("/x", mine, methods=["GET", "POST"]), "has one method"),
        (lambda routes: routes.add("/x/{", mine), "ValueError: Invalid path"),
        (lambda routes: routes.add("/prompt", mine), "is taken by prompt"),
        (lambda routes: routes.remove("/nowhere"), "there is no route /nowhere"),
    ],
)
def test_bad_input_is_refused_in_three_lines_and_changes_nothing(server, change, found):
    resources = server.app.router._resources
    with pytest.raises(lp.LivepatchError) as error:
        change(lp.routes(server.app))
    assert len(str(error.value).splitlines()) == 3
    assert found in str(error.value).splitlines()[1]
    assert server.app.router._resources is resources
    assert text(server, "/prompt") == "prompt"
