"""Webuis that a notebook starts: `%webui start notebook_webui.py KIND [ARGS]`."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import http.server
import signal
import sys
import threading


@dataclasses.dataclass
class Greeting:
    """Looks its own module up, as dataclasses with such annotations do."""

    text: dataclasses.InitVar[str] = "hello"
    shown: str = ""

    def __post_init__(self, text):
        self.shown = text


class Base:
    def greet(self):
        return "the base greets"


class Derived(Base):
    def greet(self):
        return super().greet()


def greet():
    print("the webui greets", flush=True)
    threading.Thread(target=print, args=("a thread of the webui greets",)).start()
    return {"greet": Derived().greet(), "arguments": sys.argv[1:]}


def run_a_coroutine():
    """What webuis do in functions of theirs that are not coroutines."""
    return asyncio.run(asyncio.sleep(0, "ran"))


def serve_uvicorn():
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/greet")
    def greet_somebody():
        return greet()

    uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning")).run()


def serve_aiohttp():
    from aiohttp import web

    async def greet_somebody(_request):
        return web.json_response(greet())

    app = web.Application()
    app.router.add_get("/greet", greet_somebody)
    web.run_app(app, host="127.0.0.1", port=0, print=None)  # asks for SIGINT and SIGTERM


def serve_http():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(greet()["greet"].encode())

    previous = signal.signal(signal.SIGTERM, lambda *_: None)
    assert previous == signal.getsignal(signal.SIGTERM)
    http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler).serve_forever()


def fail():
    raise RuntimeError("no model found")


def leave():
    sys.exit("wrong option")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--option")
    KINDS[parser.parse_args().kind]()


KINDS = {
    "uvicorn": serve_uvicorn,
    "aiohttp": serve_aiohttp,
    "http": serve_http,
    "fail": fail,
    "leave": leave,
    "end": lambda: None,
}

if __name__ == "__main__":
    main()
