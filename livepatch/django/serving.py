"""Tells whether this process serves requests: only such a process gets a kernel.

``AppConfig.ready()`` runs for ``migrate`` and ``shell`` too, in the parent of ``runserver``'s
autoreloader and in gunicorn's master. Who called it is on the stack of the thread that sets Django
up; where that says nothing (an embedded server), the first request does.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from django import conf

from livepatch.reach.atstart import attach_at_start

from .naming import belongs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

COMMANDS = frozenset({"runserver", "runserver_plus"})
SERVERS = ("gunicorn.workers", "uvicorn", "hypercorn", "daphne", "waitress", "granian")
MASTER = "gunicorn.arbiter"
TESTS = ("_pytest", "django.test.runner")


def attach_where_it_serves() -> None:
    """Attach a kernel now, in the children that will serve, at the first request, or never."""
    from .live import live

    live.requests.begin(at_start=True)
    frames = list(_stack())
    modules = [name for name, _ in frames]
    if any(belongs(module, server) for module in modules for server in SERVERS):
        attach_at_start(name_of_project())
    elif MASTER in modules:
        # Preloading: the workers are forked from this process, and a kernel does not survive that.
        os.register_at_fork(after_in_child=_attach_in_worker)
    elif any(belongs(module, "django.core.management") for module in modules):
        if _is_serving_command():
            attach_at_start(name_of_project())
    elif not any(name in sys.modules for name in TESTS):
        _attach_at_first_request()


def is_on_a_servers_stack() -> bool:
    """Whether this very thread runs a server: its stack is this thread's own, safe to walk."""
    return any(belongs(module, server) for module, _ in _stack() for server in SERVERS)


def name_of_project() -> str:
    """The webui's name: ``LIVEPATCH_NAME`` of the settings, else that of the project's package.

    All workers of a server have the same.
    """
    said = getattr(conf.settings, "LIVEPATCH_NAME", None)
    return str(said or conf.settings.ROOT_URLCONF.partition(".")[0])


def _is_serving_command() -> bool:
    command = next(iter(sys.argv[1:]), "")
    if command not in COMMANDS:
        return False
    # The parent of the autoreloader only watches its child, which has RUN_MAIN.
    return "--noreload" in sys.argv or os.environ.get("RUN_MAIN") == "true"


def _attach_in_worker() -> None:
    """In a forked child: attach where it becomes a worker of gunicorn, and nothing else."""
    if any(name == MASTER and code.co_name == "spawn_worker" for name, code in _stack()):
        attach_at_start(name_of_project())


def _attach_at_first_request() -> None:
    from django.core.signals import request_started

    def attach(sender: Any, **_: Any) -> None:
        if "test" in getattr(sender, "__module__", ""):
            return  # Django's test client is no server
        request_started.disconnect(attach)
        name = name_of_project()
        # A request must not wait for it, nor does it belong to the request's context.
        threading.Thread(target=attach_at_start, args=(name,), daemon=True).start()

    request_started.connect(attach, weak=False)


def _stack() -> Iterator[tuple[str, CodeType]]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield str(frame.f_globals.get("__name__", "")), frame.f_code
        frame = frame.f_back
