"""What detection sees in processes that import Gradio, which takes its time."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
from detection_support import FASTAPI, get, programs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def run() -> Iterator[Any]:
    """Runs a program after the prelude; answers what it saw and the process."""
    with programs() as start:
        yield start


def test_gradio_launched_by_itself(run: Any) -> None:
    seen, _ = run(
        """
        import os
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        warnings.simplefilter("ignore")  # Gradio's own
        import gradio as gr
        with gr.Blocks() as page:
            gr.Textbox()
        _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, server_port=port)
        assert url.rstrip("/") == host().address, url
        say()
        threading.Event().wait()
        """
    )
    assert seen["flavor"] == "gradio"
    assert seen["version"] == version("gradio")
    assert seen["app"] == "gradio.routes.App"
    assert seen["blocks"]
    assert seen["thread"] != "MainThread"


def test_gradio_mounted_beside_other_servers(run: Any) -> None:
    seen, _ = run(
        FASTAPI,
        """
        import os
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        warnings.simplefilter("ignore")  # Gradio's own
        import gradio as gr
        with gr.Blocks() as page:
            gr.Textbox()
        gr.mount_gradio_app(app, page, path="/ui")
        served = {"first": FastAPI(), "page": app, "last": FastAPI()}
        running = []
        for name, each in served.items():
            running.append(uvicorn.Server(uvicorn.Config(each, port=0)))
            threading.Thread(target=running[-1].run, name=name).start()
        look_when(lambda: all(server.started for server in running))
        threading.Event().wait()
        """,
    )
    assert seen["flavor"] == "gradio"
    assert seen["is_app"]
    assert seen["loop"].endswith("loop in thread page")
    assert get(seen["address"], "/where")["address"] == seen["address"]


def test_the_demo(run: Any, tmp_path: Path) -> None:
    extension = tmp_path / "looker" / "scripts"
    extension.mkdir(parents=True)
    (extension / "looker.py").write_text(
        "import __main__\nfrom livepatch.demo import script_callbacks\n__main__.say()\n"
        "script_callbacks.on_app_started(lambda demo, app: __main__.say())\n"
    )
    starting, process = run(
        f"""
        warnings.simplefilter("ignore")  # Gradio's own
        from livepatch.demo import webui, shared, worker
        look_when(lambda: serving_loop() is not None and host().address is not None)
        webui.main(["--port", "0", "--extensions-dir", {str(tmp_path)!r}])
        """
    )
    assert starting["flavor"] == "demo"
    assert (starting["address"], starting["app"], starting["blocks"]) == (None, None, False)
    assert starting["folder"] == str(tmp_path)
    built = json.loads(process.wait_for_line("seen ").removeprefix("seen "))
    assert (built["address"], built["app"]) == (None, "fastapi.applications.FastAPI")
    serves = json.loads(process.wait_for_line("seen ").removeprefix("seen "))
    assert serves["imported"] == []
    assert serves["version"] == get(serves["address"], "/api/health")["version"]
    assert serves["thread"] == "MainThread"
    assert serves["blocks"]
