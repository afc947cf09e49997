"""Starts the server: one app after another, a new one for each reload of the page."""

import socket
import threading
import warnings

import uvicorn
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from modules import api, extensions, script_callbacks, scripts, shared, ui


def create_app():
    app = FastAPI()
    app.add_middleware(GZipMiddleware)

    @app.get("/internal/ping")
    def ping():
        return {"serving": shared.state.job}

    api.create_api(app)
    return app


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def start(port):
    """Load what there is, draw the page and serve it: at the start and at each reload."""
    extensions.list_extensions()
    scripts.load_scripts()
    script_callbacks.before_ui_callback()
    ui.create_ui()
    app = create_app()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server.thread = threading.Thread(target=server.run, daemon=True)
        server.thread.start()
    return app, server
