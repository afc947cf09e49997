"""Webuis that serve on all kinds of loops: `python kernel_loops_webui.py FOLDER KIND`."""

from __future__ import annotations

import asyncio
import http.server
import json
import socket
import sys
import threading

import kernel_webui


def answer():
    """What each of the webuis answers: where it serves."""
    try:
        loop = f"{type(asyncio.get_running_loop()).__module__}"
    except RuntimeError:
        loop = "none"
    return {"thread": threading.current_thread().name, "loop": loop.partition(".")[0]}


def serve_uvicorn(listening, **options):
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/where")
    async def where():
        return answer()

    config = uvicorn.Config(app, log_level="warning", **options)
    uvicorn.Server(config).run(sockets=[listening])


def serve_aiohttp(listening, loop=None):
    from aiohttp import web

    async def where(_request):
        return web.json_response(answer())

    app = web.Application()
    app.router.add_get("/where", where)
    web.run_app(app, sock=listening, print=None, loop=loop)


def serve_aiohttp_on_uvloop(listening):
    import uvloop

    serve_aiohttp(listening, uvloop.new_event_loop())


def serve_aiohttp_in_a_thread(listening):
    """The main thread runs a loop as well, which serves nobody."""
    from aiohttp import web

    async def where(_request):
        return web.json_response(answer())

    async def serve():
        app = web.Application()
        app.router.add_get("/where", where)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.SockSite(runner, listening).start()
        await asyncio.Event().wait()

    threading.Thread(target=asyncio.run, args=(serve(),), name="the server", daemon=True).start()
    asyncio.run(asyncio.Event().wait())


def serve_without_a_loop(listening):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(answer()).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    server.serve_forever()


def serve_gradio(listening):
    import gradio

    listening.close()
    with gradio.Blocks(analytics_enabled=False) as blocks:
        gradio.Textbox()
    _, url, _ = blocks.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, enable_monitoring=False
    )
    print(f"serving {url.rstrip('/').rpartition(':')[2]}", flush=True)
    threading.Event().wait()


SERVERS = {
    "uvicorn": lambda listening: serve_uvicorn(listening, loop="asyncio"),
    "uvloop": lambda listening: serve_uvicorn(listening, loop="uvloop"),
    "aiohttp": serve_aiohttp,
    "aiohttp on uvloop": serve_aiohttp_on_uvloop,
    "aiohttp in a thread": serve_aiohttp_in_a_thread,
    "gradio": serve_gradio,
    "no loop": serve_without_a_loop,
}


def main():
    kind = sys.argv[2]
    listening = socket.create_server(("127.0.0.1", 0))
    kernel_webui.start_the_kernel()
    if kind != "gradio":
        print(f"serving {listening.getsockname()[1]}", flush=True)
    SERVERS[kind](listening)


if __name__ == "__main__":
    main()
