"""The webui: one app after another, a new one for each "Reload UI"."""

import socket
import threading
import warnings

import uvicorn
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from modules import extensions, launch_utils, processing, script_callbacks, scripts, shared


def create_app():
    app = FastAPI()
    app.add_middleware(GZipMiddleware)

    @app.post("/sdapi/v1/txt2img")
    def txt2img(request: dict):
        return processing.txt2img(request["prompt"], request.get("steps", 2))

    @app.get("/internal/ping")
    def ping():
        return {"serving": shared.state.job}

    return app


def main():
    launch_utils.git_tag()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    while True:
        extensions.list_extensions()
        scripts.load_scripts()
        script_callbacks.before_ui_callback()
        app = create_app()
        config = uvicorn.Config(app, port=port, log_level="error")
        server = uvicorn.Server(config)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            thread = threading.Thread(target=server.run, daemon=True)
            thread.start()
        script_callbacks.app_started_callback(shared.demo, app)
        while shared.state.wait_for_server_command() != "restart":
            pass
        server.should_exit = True
        thread.join()
        script_callbacks.app_reload_callback()
        script_callbacks.script_unloaded_callback()
