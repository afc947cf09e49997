"""``%middleware``, ``%routes`` and ``%events`` in a shell."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from web_support import Mark, Server

import livepatch as lp
from livepatch.notebook.pages import complete_routes


async def home(request):
    return JSONResponse({"seen": request.scope.get("seen", [])})


class Notebook:
    """A shell that answers each cell with what it shows."""

    def __init__(self):
        self.shell = InteractiveShell()
        self.shell.run_line_magic("config", "InteractiveShell.colors = 'nocolor'")

    def run(self, cell):
        with capture_output() as captured:
            self.shell.run_cell(cell)
        return captured.stdout + captured.stderr


@pytest.fixture
def server():
    app = Starlette(routes=[Route("/", home)], middleware=[Middleware(GZipMiddleware)])
    with Server(app) as server:
        server.get()
        yield server


@pytest.fixture
def notebook(server, monkeypatch):
    # A shell puts a module of its own there, whose names would outlive the test.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    notebook = Notebook()
    notebook.run("%load_ext livepatch")
    notebook.shell.user_ns.update(app=server.app, Mark=Mark)
    yield notebook
    notebook.run("%unload_ext livepatch")
    notebook.shell.history_manager.end_session()


def test_the_webuis_own_app_is_shown(notebook, server):
    shown = notebook.run("%middleware")
    assert "Middleware of __main__.app, outermost first" in shown
    assert "GZipMiddleware" in shown
    assert "package starlette" in shown


def test_add_replace_move_and_remove_with_the_python_call_below(notebook, server):
    answer = notebook.run("%middleware add Mark tag='a' + 'b' --before GZipMiddleware")
    assert "added Mark to middleware of __main__.app · notebook's layer" not in answer
    answer = notebook.run("%middleware add Mark tag='a'+'b' --before GZipMiddleware")
    assert "added Mark to middleware of __main__.app · notebook's layer" in answer
    assert '= lp.middleware().add(Mark, before="GZipMiddleware", tag="ab")' in answer
    assert server.seen() == ["ab"]
    assert '= lp.middleware().replace("Mark", Mark, tag="c")' in notebook.run(
        "%middleware replace Mark Mark tag='c'"
    )
    assert server.seen() == ["c"]
    assert "moved Mark" in notebook.run("%middleware move Mark --index 0")
    assert lp.middleware(server.app)[0].name == "Mark"
    assert "removed Mark" in notebook.run("%middleware --app app remove Mark")
    assert server.seen() == []


def test_a_class_by_its_dotted_name(notebook, server):
    notebook.run("%middleware add web_support.Mark tag='dotted'")
    assert server.seen() == ["dotted"]
    assert "neither the notebook nor a loaded module" in notebook.run("%middleware add web.Nothing")


def test_a_class_defined_again_takes_its_own_place(notebook, server):
    cell = (
        "class Mine(Mark):\n"
        "    async def __call__(self, scope, receive, send):\n"
        "        scope.setdefault('seen', []).append({number})\n"
        "        await self.app(scope, receive, send)\n"
    )
    for number in (1, 2):
        notebook.run(cell.format(number=number))
        notebook.run("%middleware add Mine")
        assert server.seen() == [number]
    assert [layer.owner for layer in lp.patches()] == ["notebook"]


def test_errors_are_three_lines(notebook, server):
    shown = notebook.run("%middleware add Mark tag=nothing")
    assert "nothing" in shown
    assert "NameError" in shown
    assert "Traceback" not in shown
    assert "the stack has no Nowhere" in notebook.run("%middleware remove Nowhere")
    assert "takes a middleware" in notebook.run("%middleware remove")
    assert server.seen() == []


def test_unload_gives_the_app_its_own_stack_back(notebook, server):
    before = server.app.middleware_stack
    notebook.run("%middleware add Mark tag='a'")
    assert server.app.middleware_stack is not before
    notebook.run("%unload_ext livepatch")
    assert server.app.middleware_stack is before
    assert server.seen() == []


def offered(notebook, line):
    with provisionalcompleter():
        return {found.text for found in notebook.shell.Completer.completions(line, len(line))}


def test_completion_offers_what_to_do_and_the_names(notebook):
    assert "add" in offered(notebook, "%middleware ")
    assert "GZipMiddleware" in offered(notebook, "%middleware remove GZ")


def test_time_records_until_it_is_ended(notebook, server):
    own = server.app.middleware_stack
    begun = notebook.run("%middleware --time")
    assert "= t = lp.timing(only=['middleware']).start()" in begun
    assert "%middleware --time --off ends it" in begun
    server.seen()
    server.seen()
    server.on_loop(lambda: None)
    shown = notebook.run("%middleware --time").splitlines()
    assert "Self times of middleware · recording for" in shown[1]
    row = next(line.split() for line in shown if "GZipMiddleware" in line)
    assert row[:5] == ["requests", "GZipMiddleware", "package", "starlette", "2"]
    assert any("GET /" in line and "100%" not in line for line in shown)
    ended = notebook.run("%middleware --time --off")
    assert "· recorded for" in ended
    assert server.app.middleware_stack is own
    refused = notebook.run("%middleware --time --off")
    assert refused.strip() == (
        "UsageError: %middleware --off: no recording is running; %middleware --time starts one"
    )
    assert "--time and --off take no other arguments" in notebook.run("%middleware --time add Mark")


def test_unloading_ends_a_recording(notebook, server):
    own = server.app.middleware_stack
    notebook.run("%middleware --time")
    assert server.app.middleware_stack is not own
    notebook.run("%unload_ext livepatch")
    assert server.app.middleware_stack is own
    notebook.run("%load_ext livepatch")


def test_routes_are_shown_added_replaced_moved_and_removed(notebook, server):
    notebook.run("from starlette.responses import JSONResponse, PlainTextResponse")
    notebook.run("async def mine(request): return JSONResponse({'seen': ['mine']})")
    notebook.run("async def text(request): return PlainTextResponse('text')")
    shown = notebook.run("%routes")
    assert "Routes of __main__.app, in the order of matching" in shown
    assert "= lp.routes()" in shown
    answer = notebook.run("%routes replace GET / mine")
    assert '= lp.routes().replace("GET /", mine)' in answer
    assert server.seen() == ["mine"]
    answer = notebook.run("%routes add /text text methods=['POST'] --before /")
    assert '= lp.routes().add("/text", text, before="/", methods=[\'POST\'])' in answer
    assert server.client.post("/text").text == "text"
    assert "1 of 2" in notebook.run("%routes move /text --index 0")
    assert "/text" in notebook.run("%routes tex")
    assert "text · POST" not in notebook.run("%routes mine")
    assert "removed POST /text" in notebook.run("%routes remove /text")
    assert server.get("/text").status_code == 404
    notebook.run("%undo")
    assert server.client.post("/text").text == "text"
    assert "no route /nowhere" in notebook.run("%routes remove /nowhere")
    assert "takes a route and a function" in notebook.run("%routes replace /text")
    assert "goes with add and move" in notebook.run("%routes remove / --index 0")
    assert "neither the notebook" in notebook.run("%routes replace / never_defined")


def test_a_webui_without_a_page_has_no_events_to_show(notebook, server):
    assert "no Gradio page was found" in notebook.run("%events")
    assert "no Gradio page was found" in notebook.run("%events --time")


def test_tab_offers_actions_paths_and_the_notebooks_functions(notebook, server):
    notebook.run("async def mine(request): ...")
    assert {"replace", "add", "/"} <= offered(notebook, "%routes ")
    assert "/" in offered(notebook, "%routes remove ")
    event = SimpleNamespace(line="%routes replace GET / ", symbol="")
    assert complete_routes(notebook.shell, event) == ["mine"]
    assert "--time" in offered(notebook, "%routes --t")
    assert offered(notebook, "%events ") >= {"replace", "mute", "unmute"}


def test_time_of_routes_is_that_of_their_requests(notebook, server):
    notebook.run("%routes --time")
    server.seen()
    server.on_loop(lambda: None)
    assert "GET /" in notebook.run("%routes --time --off")


# apps besides the webui's own, and what they are called


def test_another_app_that_is_served_is_named_and_can_be_typed(notebook, server, monkeypatch):
    api = SimpleNamespace(app=Starlette(routes=[Route("/v1/models", home)]))
    monkeypatch.setitem(sys.modules, "small_api", api)
    monkeypatch.setattr("livepatch.this_webui.middleware.host", lambda: OwnApp(server.app))
    with Server(api.app) as other:
        for magic in ("%middleware", "%routes"):
            shown = notebook.run(magic)
            address = f"http://127.0.0.1:{other.port}"
            assert f"another app answers at {address}: {magic} --app small_api.app" in shown
        assert "/v1/models" in notebook.run("%routes --app small_api.app")
    assert "another app" not in notebook.run("%routes")


class OwnApp:
    """An adapter that knows which of the apps is the webui's."""

    flavor = "plain"

    def __init__(self, app):
        self.own = app

    def app(self):
        return self.own


def test_a_name_of_the_notebook_renames_no_app_in_reports(server, monkeypatch):
    app = Starlette()
    before = lp.middleware(Starlette()).path
    monkeypatch.setitem(sys.modules, "livepatch_notebook", SimpleNamespace(app=app))
    assert lp.middleware(app).path == before
