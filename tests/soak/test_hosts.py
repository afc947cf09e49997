"""Which webui a process is, and where its server, app and loop are."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from detection_support import FASTAPI, get, programs
from webui_process import REPOSITORY

from livepatch import plugins
from livepatch.adapters import Host, known
from livepatch.adapters.known import adapters
from livepatch.adapters.plain import PlainHost
from livepatch.this_webui.detect import host
from livepatch.web.servers import servers, serving_loop, unwrap

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def run() -> Iterator[Any]:
    """Runs a program after the prelude; answers what it saw and the process."""
    with programs() as start:
        yield start


def test_uvicorn_in_the_main_thread(run: Any) -> None:
    seen, _ = run(
        FASTAPI, "look_when(lambda: answers(port))", "uvicorn.run(app, port=port, loop='asyncio')"
    )
    assert seen["flavor"] == "starlette"
    assert seen["version"] == version("starlette")
    assert seen["loop"] == "asyncio loop in thread MainThread"
    assert seen["thread"] == "MainThread"
    assert seen["is_app"]
    assert seen["folder"] is None

    # From within a request: on the loop's own thread, and on one of the pool.
    for path in ("/where", "/who"):
        within = get(seen["address"], path)
        assert within == {**seen, "imported": within["imported"]}
        assert not within["imported"]


def test_uvicorn_on_all_interfaces_with_a_wrapped_app(run: Any) -> None:
    seen, _ = run(
        FASTAPI,
        """
        from starlette.middleware.cors import CORSMiddleware
        wrapped = CORSMiddleware(app, allow_origins=["*"])
        look_when(lambda: answers(port))
        uvicorn.run(wrapped, host="0.0.0.0", port=port, root_path="/x")
        """,
    )
    assert seen["is_app"]
    assert get(seen["address"], "/where")["address"] == seen["address"]
    assert seen["address"].startswith("http://127.0.0.1:")


def test_uvicorn_in_a_thread_on_any_port(run: Any) -> None:
    seen, _ = run(
        FASTAPI,
        """
        server = uvicorn.Server(uvicorn.Config(app, port=0))
        thread = threading.Thread(target=server.run, name="webui server")
        look_when(lambda: server.started)
        thread.start()
        thread.join()
        """,
    )
    assert seen["thread"] == "webui server"
    assert seen["loop"].endswith("loop in thread webui server")
    assert get(seen["address"], "/who")["address"] == seen["address"]


def test_a_server_that_is_awaited_in_the_programs_own_loop(run: Any) -> None:
    seen, _ = run(
        FASTAPI,
        """
        import asyncio

        async def main():
            server = uvicorn.Server(uvicorn.Config(app, port=0))
            look_when(lambda: server.started)
            await asyncio.gather(server.serve(), asyncio.Event().wait())

        asyncio.run(main())
        """,
    )
    assert seen["thread"] == "MainThread"
    assert seen["is_app"]
    assert get(seen["address"], "/where")["address"] == seen["address"]


def test_an_app_given_by_its_import_path_and_by_a_factory(run: Any) -> None:
    for given in ("'__main__:app', port=port", "lambda: app, factory=True, port=port"):
        seen, _ = run(FASTAPI, "look_when(lambda: answers(port))", f"uvicorn.run({given})")
        assert seen["flavor"] == "starlette"
        assert seen["is_app"]


def test_an_asgi_app_that_is_not_starlettes(run: Any) -> None:
    seen, _ = run(
        """
        import uvicorn

        async def app(scope, receive, send):
            pass

        look_when(lambda: answers(port))
        uvicorn.run(app, port=port, lifespan="off")
        """
    )
    assert seen["flavor"] == "plain"
    assert seen["app"] == "builtins.function"
    assert seen["address"].startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("program", "flavor", "app"),
    [
        ("", "plain", None),
        ("import fastapi", "plain", None),
        (FASTAPI, "starlette", "fastapi.applications.FastAPI"),
        (FASTAPI + "server = uvicorn.Server(uvicorn.Config(app))", "starlette", None),
        ("import livepatch.demo.shared", "plain", None),
        (
            "import livepatch.demo.shared as shared\nshared.cmd_opts = shared.Options()",
            "demo",
            None,
        ),
    ],
    ids=["nothing", "imported", "app", "server made", "demo imported", "demo starts"],
)
def test_half_started(run: Any, program: str, flavor: str, app: str | None) -> None:
    seen, _ = run(program, "say()")
    assert seen["flavor"] == flavor
    assert seen["address"] is None
    assert seen["loop"] == "no event loop found"
    assert seen["thread"] is None
    if app is not None:
        assert seen["app"] == app


def test_a_server_that_is_starting_and_one_that_has_stopped(run: Any) -> None:
    seen, process = run(
        FASTAPI,
        """
        import contextlib

        @contextlib.asynccontextmanager
        async def lifespan(app):
            say()
            yield

        app.router.lifespan_context = lifespan
        server = uvicorn.Server(uvicorn.Config(app, port=0))
        thread = threading.Thread(target=server.run, name="webui server")
        thread.start()
        ready = threading.Event()
        while not server.started:
            ready.wait(0.01)
        say()
        server.should_exit = True
        thread.join()
        say()
        """,
    )
    assert (seen["address"], seen["thread"], seen["is_app"]) == (None, "webui server", True)
    serves = json.loads(process.wait_for_line("seen ").removeprefix("seen "))
    assert serves["address"].startswith("http://127.0.0.1:")
    stopped = json.loads(process.wait_for_line("seen ").removeprefix("seen "))
    assert (stopped["address"], stopped["thread"], stopped["is_app"]) == (None, None, True)


def test_a_server_that_listens_comes_before_one_that_starts(run: Any) -> None:
    seen, _ = run(
        FASTAPI,
        """
        import contextlib
        listening = uvicorn.Server(uvicorn.Config(app, port=0))
        threading.Thread(target=listening.run, name="listening", daemon=True).start()

        @contextlib.asynccontextmanager
        async def lifespan(app):
            ready = threading.Event()
            while not listening.started:
                ready.wait(0.01)
            say()
            yield

        uvicorn.run(FastAPI(lifespan=lifespan), port=0)
        """,
    )
    assert seen["loops"] == 2
    assert seen["loop"].endswith("loop in thread listening")
    assert seen["is_app"]


@pytest.mark.skipif(find_spec("uvloop") is None, reason="uvloop is not installed")
def test_uvloop(run: Any) -> None:
    seen, _ = run(
        FASTAPI, "look_when(lambda: answers(port))", "uvicorn.run(app, port=port, loop='uvloop')"
    )
    assert seen["loop"] == "uvloop loop in thread MainThread"
    assert seen["is_app"]
    assert get(seen["address"], "/where")["loop"] == seen["loop"]


def test_looking_keeps_nothing_of_the_webuis_functions_alive(run: Any) -> None:
    # Opening the locals of a frame below Python 3.13 makes a copy that lives as long as the frame.
    seen, _ = run(
        """
        import weakref

        class Image: pass

        def generate():
            image = Image()
            alive = weakref.ref(image)
            look()
            del image
            return alive() is None

        freed = generate()
        print("seen", json.dumps({**look(), "freed": freed}), flush=True)
        """
    )
    assert seen["freed"]


def test_importing_the_adapters_imports_no_webui() -> None:
    program = (
        "import sys; import livepatch as lp; lp.host();"
        "heavy = {'uvicorn', 'starlette', 'fastapi', 'gradio', 'numpy', 'PIL', 'IPython',"
        "'ipykernel', 'livepatch.demo'}; print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


class FakeEntryPoint:
    value = "somewhere:Adapter"
    name = "somebody's"
    group = plugins.HOSTS

    def __init__(self, loaded: Any) -> None:
        self.loaded = loaded

    def load(self) -> Any:
        if isinstance(self.loaded, Exception):
            raise self.loaded
        return self.loaded


def forget() -> None:
    plugins.plugged_in.cache_clear()
    known.of_others.cache_clear()


@pytest.fixture
def entry_point(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def offer(loaded: Any) -> None:
        forget()
        monkeypatch.setattr(plugins, "_entry_points", lambda: (FakeEntryPoint(loaded),))

    yield offer
    forget()


def test_an_adapter_of_another_package(entry_point: Any) -> None:
    class Theirs(Host):
        flavor = "theirs"
        specificity = 200

    entry_point(Theirs)
    assert host().flavor == "theirs"
    assert host().address is None


def test_an_equal_adapter_of_another_package_comes_before_ours(entry_point: Any) -> None:
    class Theirs(PlainHost):
        flavor = "theirs"

    entry_point(Theirs)
    order = [adapter.flavor for adapter in adapters()]
    assert order.index("theirs") == order.index("plain") - 1


def test_a_bad_adapter_is_told_and_skipped(entry_point: Any) -> None:
    class Raises(Host):
        flavor = "raises"
        specificity = 200

        @classmethod
        def is_detected(cls) -> bool:
            raise OSError("no such webui")

    entry_point(Raises)
    with pytest.warns(RuntimeWarning, match=r"adapter raises failed .*no such webui"):
        assert host().flavor == "plain"
    entry_point(ImportError("no module"))
    with pytest.warns(RuntimeWarning, match=r"somewhere:Adapter could not be loaded"):
        assert host().flavor == "plain"
    entry_point("not a class")
    with pytest.warns(RuntimeWarning, match=r"'not a class' is not a subclass"):
        assert host().flavor == "plain"


def test_wrappers_in_a_circle_are_no_app() -> None:
    class Wrapper:
        app: Any = None

    one, other = Wrapper(), Wrapper()
    one.app, other.app = other, one
    assert unwrap(one) is None
    assert unwrap(None) is None


def test_a_process_without_server() -> None:
    assert servers() == []
    assert serving_loop() is None
