"""Finds the servers of this process, and the thread and event loop each of them runs on.

Nothing is imported and no object is searched for on the heap: a server that serves stands on the
stack of its thread, as the ``self`` of uvicorn's ``Server.run`` or in the task that its event loop
runs. So the stacks of all threads are walked, and of those only the frames of the few modules
that run servers and loops are opened.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from livepatch.addresses import url_text
from livepatch.engine.switching.frames import all_stacks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

SERVER_CLASS = ("uvicorn.server", "Server")
STARLETTE_CLASS = ("starlette.applications", "Starlette")

# The frames that hold a server or a loop; reading the locals of other frames would keep alive
# what a webui's functions hold (images, latents) until they return.
_RUNNING_MODULES = frozenset(
    {"aiohttp.web", "asyncio.runners", "uvicorn._compat", "uvicorn.server", "uvloop"}
)
_LOOP_MODULES = frozenset({"asyncio.base_events"})


@dataclass(frozen=True)
class RunningServer:
    """A server found in this process.

    Args:
        server: the server object itself.
        thread: the thread that runs it; None when the interpreter does not know it.
        loop: the event loop it serves on; None when it could not be told.
    """

    server: Any
    thread: threading.Thread | None
    loop: asyncio.AbstractEventLoop | None

    @property
    def address(self) -> str | None:
        """The URL it answers at; None before it listens, and on a Unix socket."""
        return address_of(self.server)

    @property
    def app(self) -> Any:
        """The Starlette app it serves; without one the ASGI app as it was given, or None."""
        return app_of(self.server)

    @property
    def description(self) -> str:
        """Where its loop runs, for people: "asyncio loop in thread MainThread"."""
        return describe_loop(self.loop, self.thread)


@dataclass(frozen=True)
class RunningLoop:
    """An event loop that runs in a thread of this process."""

    thread: threading.Thread | None
    loop: asyncio.AbstractEventLoop


def servers() -> list[RunningServer]:
    """The servers of this process: those that listen first, the main thread's before others.

    Returns:
        One entry for each uvicorn server (Gradio's own is one) that was told to run. A server
        that is still starting is among them, with an ``address`` of None.
    """
    found: dict[int, RunningServer] = {}
    for ident, stack in all_stacks().items():
        held = list(_objects_on(stack))
        loop = next((value for value in held if isinstance(value, asyncio.AbstractEventLoop)), None)
        if loop is not None:
            held.extend(_servers_in_tasks(loop))
        for value in held:
            if is_instance_of(value, *SERVER_CLASS):
                found.setdefault(id(value), RunningServer(value, _thread(ident), loop))
    return sorted(found.values(), key=_importance)


def running_loops() -> list[RunningLoop]:
    """The event loops that run in the threads of this process, the calling thread's included."""
    found: dict[int, RunningLoop] = {}
    for ident, stack in all_stacks().items():
        thread = _thread(ident)
        for value in _objects_on(stack):
            if isinstance(value, asyncio.AbstractEventLoop) and value.is_running():
                found.setdefault(id(value), RunningLoop(thread, value))
    return list(found.values())


def serving_loop() -> RunningLoop | None:
    """The loop and thread that own the webui's server; None when no server runs.

    Example:
        >>> serving = serving_loop()
        >>> serving is None or serving.loop.is_running()
        True
    """
    for found in servers():
        if found.loop is not None and found.loop.is_running():
            return RunningLoop(found.thread, found.loop)
    return None


def describe_loop(loop: asyncio.AbstractEventLoop | None, thread: threading.Thread | None) -> str:
    """A loop and its thread in a few words."""
    if loop is None:
        return "no event loop found"
    kind = "uvloop" if type(loop).__module__.split(".")[0] == "uvloop" else "asyncio"
    return f"{kind} loop in thread {thread.name if thread is not None else 'unknown'}"


def address_of(server: Any) -> str | None:
    """The URL of a uvicorn server, read from the socket it listens on.

    Args:
        server: a ``uvicorn.Server``, in any state.

    Returns:
        ``http://host:port``, with an address one can connect to in place of "all interfaces";
        None while the server does not listen, and for Unix sockets.
    """
    config = getattr(server, "config", None)
    scheme = "https" if getattr(config, "ssl", None) or _has_certificate(config) else "http"
    for listening in list(getattr(server, "servers", None) or ()):
        for sock in getattr(listening, "sockets", None) or ():
            try:
                name = sock.getsockname()
            except OSError:  # closed between the listing and now: the server is stopping
                continue
            if isinstance(name, tuple):
                return _url(scheme, name[0], name[1])
    if getattr(server, "started", False) and getattr(server, "servers", None) is None:
        host, port = getattr(config, "host", None), getattr(config, "port", None)
        if isinstance(host, str) and port:  # a port of 0 is a wish, not an address
            return _url(scheme, host, port)
    return None


def address_of_gunicorn() -> str | None:
    """The URL that gunicorn's master listens at, in one of its workers.

    The worker stands on the stack of the main thread, in the call that forked it, and has the
    sockets it was born with.

    Returns:
        ``http://host:port`` of the first socket that has one; None in any other process, and for
        Unix sockets.
    """
    if "gunicorn.arbiter" not in sys.modules:
        return None
    for frame in all_stacks().get(threading.main_thread().ident or 0, ()):
        if frame.f_globals.get("__name__") != "gunicorn.arbiter":
            continue
        for sock in getattr(frame.f_locals.get("worker"), "sockets", None) or ():
            try:
                name = sock.getsockname()
            except OSError:  # closed: the worker is stopping
                continue
            if isinstance(name, tuple):
                is_encrypted = getattr(getattr(sock, "conf", None), "is_ssl", False)
                return _url("https" if is_encrypted else "http", name[0], name[1])
    return None


def app_of(server: Any) -> Any:
    """The app of a uvicorn server: the Starlette app under whatever wraps it.

    Args:
        server: a ``uvicorn.Server``, in any state.

    Returns:
        The Starlette (FastAPI, Gradio) app; another ASGI app as it is; None while the server
        knows only the import path or the factory of its app.
    """
    config = getattr(server, "config", None)
    given = getattr(config, "app", None)
    for candidate in (getattr(config, "loaded_app", None), given):
        app = unwrap(candidate)
        if app is not None:
            return app
    if given is None or isinstance(given, str) or getattr(config, "factory", False):
        return None
    return given


def unwrap(app: Any) -> Any:
    """Follow ``.app`` from wrapper to wrapper down to a Starlette app; None when there is none."""
    seen: set[int] = set()
    while app is not None and id(app) not in seen:
        if is_instance_of(app, *STARLETTE_CLASS):
            return app
        seen.add(id(app))
        app = vars(app).get("app") if hasattr(app, "__dict__") else None
    return None


def is_instance_of(value: object, module: str, name: str) -> bool:
    """Whether the class of an object, or one it derives from, bears this module and name.

    Unlike ``isinstance`` it needs no import of the class.
    """
    return any(base.__name__ == name and base.__module__ == module for base in type(value).__mro__)


def _objects_on(stack: Iterable[FrameType]) -> Iterator[Any]:
    """The servers and loops that a stack holds, innermost frame first."""
    for frame in stack:
        module = frame.f_globals.get("__name__")
        if module in _LOOP_MODULES:
            yield frame.f_locals.get("self")
        elif module in _RUNNING_MODULES:
            names = frame.f_locals
            yield names.get("loop")
            yield getattr(names.get("self"), "_loop", None)
            yield names.get("self")


def _servers_in_tasks(loop: asyncio.AbstractEventLoop) -> Iterator[Any]:
    """The servers that tasks of a loop await: ``asyncio.run(server.serve())`` and the like."""
    try:
        tasks = asyncio.all_tasks(loop)
    except RuntimeError:  # the set of tasks kept changing while it was copied
        return
    for task in tasks:
        awaited: Any = task.get_coro()
        while awaited is not None:
            frame = getattr(awaited, "cr_frame", None)
            if frame is not None and frame.f_globals.get("__name__") == "uvicorn.server":
                server = frame.f_locals.get("self")
                if is_instance_of(server, *SERVER_CLASS):
                    yield server
                    break
            awaited = getattr(awaited, "cr_await", None)


def _importance(found: RunningServer) -> tuple[bool, bool]:
    return (found.address is None, found.thread is not threading.main_thread())


def _thread(ident: int) -> threading.Thread | None:
    return next((thread for thread in threading.enumerate() if thread.ident == ident), None)


def _has_certificate(config: Any) -> bool:
    return bool(getattr(config, "ssl_certfile", None))


def _url(scheme: str, host: str, port: int) -> str:
    return url_text(host, port, scheme)
