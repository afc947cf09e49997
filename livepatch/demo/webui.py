"""Starts the webui: reads the command line, loads the extensions, builds the page, serves."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware

# In full: this file is started by its path too.
from livepatch.demo import (
    __version__,
    api,
    extensions,
    page,
    script_callbacks,
    scripts,
    shared,
    text,
    worker,
)
from livepatch.demo.middleware import ProcessTimeMiddleware

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Sequence


def parse_args(argv: Sequence[str] | None = None) -> shared.Options:
    """The options of a command line."""
    parser = argparse.ArgumentParser(prog="greenhouse", description="A small webui.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=7865, help="port; 0 takes any free one")
    parser.add_argument(
        "--output-dir", type=Path, help="where pictures are saved (a temporary folder by default)"
    )
    parser.add_argument(
        "--extensions-dir", type=Path, help="a folder of extensions besides the built-in ones"
    )
    parser.add_argument(
        "--disable-extension", action="append", default=[], metavar="NAME", help="do not load NAME"
    )
    parser.add_argument("--version", action="version", version=f"greenhouse {__version__}")
    options = parser.parse_args(argv)
    return shared.Options(
        host=options.host,
        port=options.port,
        output_dir=options.output_dir,
        extensions_dir=options.extensions_dir,
        disabled_extensions=frozenset(options.disable_extension),
    )


@contextlib.asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """The threads run while the server does."""
    temporary = None
    if shared.output_dir is None:
        temporary = shared.output_dir = Path(tempfile.mkdtemp(prefix="greenhouse-"))
    worker.generation_queue.start()
    worker.status_thread.start()
    try:
        yield
    finally:
        worker.status_thread.stop()
        worker.generation_queue.stop()
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
            shared.output_dir = None


def create_app(options: shared.Options) -> FastAPI:
    """Load the extensions and build the app with the page on it."""
    shared.cmd_opts = options
    shared.output_dir = options.output_dir
    text.load_model()
    extensions.list_extensions(options.extensions_dir, options.disabled_extensions)
    scripts.load_scripts()
    app = FastAPI(title="Greenhouse", version=__version__, lifespan=lifespan)
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"])
    app.add_middleware(ProcessTimeMiddleware)
    api.add_routes(app)
    demo = page.create_page()
    page.mount(app, demo)
    shared.app, shared.demo = app, demo
    script_callbacks.app_started_callback(demo, app)
    return app


class Server(uvicorn.Server):
    """Prints the webui's URL as soon as it answers there."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say where."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            print(f"Running on local URL:  http://{host}:{port}", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the webui until it is told to stop; answers the exit code."""
    options = parse_args(argv)
    app = create_app(options)
    # An open page holds a connection for as long as it is open: do not wait for it to close.
    config = uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    server = Server(config)
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again after shutting down
        server.run()
    return 0 if server.started else 3


if __name__ == "__main__":
    sys.exit(main())
