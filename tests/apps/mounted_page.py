"""A Gradio page mounted in a FastAPI app: both stacks change while the page is served."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import fastapi  # noqa: E402 - after the path and the setting it reads
import gradio  # noqa: E402
from web_support import Mark, Server  # noqa: E402

import livepatch as lp  # noqa: E402


def main() -> None:
    """Say "ok" where everything holds."""
    with gradio.Blocks() as page:
        gradio.Markdown("hello")
    app = fastapi.FastAPI()
    gradio.mount_gradio_app(app, page, path="/ui")
    with Server(app) as server:
        before = server.get("/ui/config").json()
        mount = next(route for route in app.routes if getattr(route, "path", "") == "/ui")
        own = app.middleware_stack, mount.app, mount.app.middleware_stack
        outer = lp.middleware(app).add(Mark)
        inner = lp.middleware(mount.app).add(Mark)
        on_mount = lp.middleware(mount).add(Mark)
        layers = (outer, inner, on_mount)
        server.get("/")
        assert server.get("/ui/config").json()["components"] == before["components"]
        assert [layer.instance.count for layer in layers] == [2, 1, 1]
        assert lp.host().flavor == "gradio"
        lp.restore_all()
        assert (app.middleware_stack, mount.app, mount.app.middleware_stack) == own
        assert server.get("/ui/config").status_code == 200
        assert [layer.instance.count for layer in layers] == [2, 1, 1]
    print("ok")


if __name__ == "__main__":
    main()
