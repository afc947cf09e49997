"""What a process is made of, as far as a guest could change it, part by part, comparable."""

from __future__ import annotations

import _thread
import asyncio
import atexit
import builtins
import contextlib
import doctest
import faulthandler
import gc
import getpass
import inspect
import linecache
import locale
import logging
import os
import pdb
import select
import selectors
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import comm

if TYPE_CHECKING:
    from collections.abc import Callable


SOCKET_READS = (
    "recv",
    "recv_into",
    "recvfrom",
    "recvfrom_into",
    "recvmsg",
    "recvmsg_into",
    "accept",
)

_exit_calls: list[Callable[..., Any]] = []


def keep_account_of_exit_calls() -> None:
    """Know what is registered with atexit, whose own count includes what was unregistered."""
    register, unregister = atexit.register, atexit.unregister

    def register_known(function: Any, *args: Any, **options: Any) -> Any:
        _exit_calls.append(function)
        return register(function, *args, **options)

    def unregister_known(function: Any) -> None:
        _exit_calls[:] = [known for known in _exit_calls if known != function]
        unregister(function)

    atexit.register, atexit.unregister = register_known, unregister_known  # type: ignore[assignment]


def process_state() -> dict[str, str | list[str]]:
    parts = {
        **_hooks(),
        **_streams(),
        **_interpreter(),
        **_logging(),
        **_functions(),
    }
    threads = sorted(
        thread.name
        for thread in threading.enumerate()
        if not thread.name.startswith("AnyIO worker")
    )
    return {"threads": threads, **{name: str(value) for name, value in parts.items()}}


def _identity(thing: object) -> str:
    return f"{type(thing).__qualname__} at {id(thing):#x}"


def _hooks() -> dict[str, object]:
    hooks = {
        "sys.excepthook": sys.excepthook,
        "sys.displayhook": sys.displayhook,
        "sys.breakpointhook": sys.breakpointhook,
        "sys.unraisablehook": sys.unraisablehook,
        "threading.excepthook": threading.excepthook,
        "pdb.Pdb": pdb.Pdb,
        "pdb.set_trace": pdb.set_trace,
        "faulthandler.enable": faulthandler.enable,
        "linecache.checkcache": linecache.checkcache,
        "linecache.getlines": linecache.getlines,
        "doctest.DocTestRunner": doctest.DocTestRunner,
        "inspect.getsource": inspect.getsource,
        "warnings.showwarning": warnings.showwarning,
        "warnings.formatwarning": warnings.formatwarning,
        "TracebackException.__init__": traceback.TracebackException.__init__,
        "TracebackException.format": traceback.TracebackException.format,
        "sys.modules['__main__']": sys.modules["__main__"],
        "policy": asyncio.get_event_loop_policy() if sys.version_info < (3, 14) else None,
        "new_event_loop": asyncio.new_event_loop,
        "Task": asyncio.Task,
    }
    signals = {
        f"signal {number.name}": signal.getsignal(number)
        for number in signal.valid_signals()
        if isinstance(number, signal.Signals)
    }
    return {
        **{name: _identity(hook) for name, hook in hooks.items()},
        **{name: repr(handler) for name, handler in signals.items()},
        "trace": sys.gettrace(),
        "profile": sys.getprofile(),
        "threading trace": threading._trace_hook,
        "wakeup fd": signal.set_wakeup_fd(-1)
        if threading.current_thread() is threading.main_thread()
        else "",
    }


def _streams() -> dict[str, object]:
    parts: dict[str, object] = {}
    for name in ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__"):
        stream = getattr(sys, name)
        parts[f"sys.{name} as seen"] = (
            stream.isatty(),
            stream.fileno(),
            stream.encoding,
            stream.errors,
            stream.name,
            stream.mode,
            stream.line_buffering,
            stream.closed,
            stream.__class__,
            repr(stream),
            id(stream.buffer),
        )
        parts[f"sys.{name} itself"] = _identity(stream)
    return parts


def _interpreter() -> dict[str, object]:
    last_error = {n: getattr(sys, n, None) for n in ("last_type", "last_value", "last_traceback")}
    return {
        "builtins": sorted((name, id(value)) for name, value in vars(builtins).items()),
        "environ": sorted(os.environ.items()),
        "cwd": os.getcwd(),
        "sys.path": sys.path,
        "sys.path_hooks": [id(hook) for hook in sys.path_hooks],
        # six, which dateutil imports, puts an importer there, part of being in sys.modules.
        "sys.meta_path": [repr(f) for f in sys.meta_path if type(f).__module__ != "six"],
        "sys.argv": sys.argv,
        "sys.ps1": getattr(sys, "ps1", None),
        "sys.ps2": getattr(sys, "ps2", None),
        "sys attributes": sorted(set(vars(sys)) - {"last_exc", *last_error}),
        "last error": last_error,
        "recursion limit": sys.getrecursionlimit(),
        "switch interval": sys.getswitchinterval(),
        "gc": (gc.get_threshold(), gc.isenabled(), gc.get_debug(), len(gc.callbacks)),
        "warnings": [repr(entry) for entry in warnings.filters],
        "locale": locale.setlocale(locale.LC_ALL),
        "faulthandler": faulthandler.is_enabled(),
        # Some modules register a call when they are imported: part of being in sys.modules.
        "atexit": [
            f"{call.__module__}.{call.__qualname__}"
            for call in _exit_calls
            if call.__module__.partition(".")[0]
            not in ("debugpy", "jupyter_client", "tornado", "weakref", "zmq")
        ],
        "the notebook's module": sys.modules.get("livepatch_notebook"),
        "__main__": sorted(vars(sys.modules["__main__"])),
        "get_ipython": sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None,
    }


def _logging() -> dict[str, object]:
    named = {name: logging.getLogger(name) for name in ("", "tornado", "asyncio", "uvicorn", "app")}
    return {
        **{
            f"logger {name or 'root'}": (
                logger.level,
                [repr(handler) for handler in logger.handlers],
                [repr(f) for f in logger.filters],
                logger.propagate,
                logger.disabled,
            )
            for name, logger in named.items()
        },
        # traitlets makes a NullHandler when it is imported: part of being in sys.modules.
        "logging handlers": sorted(
            repr(reference())
            for reference in logging._handlerList
            if not isinstance(reference(), logging.NullHandler)
        ),
        "logging class": logging.getLoggerClass(),
        "logging last resort": logging.lastResort,
        "logging disabled": logging.root.manager.disable,
    }


def _functions() -> dict[str, object]:
    functions = {
        "comm.create_comm": comm.create_comm,
        "comm.get_comm_manager": comm.get_comm_manager,
        "input": builtins.input,
        "getpass": getpass.getpass,
        "time.sleep": time.sleep,
        "Thread.start": threading.Thread.start,
        "Thread.run": threading.Thread.run,
        "Thread.__init__": threading.Thread.__init__,
        "Thread.join": threading.Thread.join,
        "Condition.wait": threading.Condition.wait,
        "Event.wait": threading.Event.wait,
        "submit": ThreadPoolExecutor.submit,
        "Popen.wait": subprocess.Popen.wait,
        "Popen.communicate": subprocess.Popen.communicate,
        "Popen.__init__": subprocess.Popen.__init__,
        "select.select": select.select,
        **{
            f"{module.__name__}.{name}": value
            for module in (os, subprocess, threading, _thread)
            for name, value in vars(module).items()
            if callable(value)
        },
        "SSLSocket.recv": ssl.SSLSocket.recv,
    }
    defined = {
        "Thread.start as defined": vars(threading.Thread)["start"],
        "Thread.join as defined": vars(threading.Thread)["join"],
        "Condition.wait as defined": vars(threading.Condition)["wait"],
        "submit as defined": vars(ThreadPoolExecutor)["submit"],
        "Popen.wait as defined": vars(subprocess.Popen)["wait"],
        "Popen.communicate as defined": vars(subprocess.Popen)["communicate"],
        **{f"socket.{name} as defined": vars(socket.socket).get(name) for name in SOCKET_READS},
        **{
            f"{cls.__name__}.select as defined": vars(cls)["select"]
            for cls in (selectors.SelectSelector, selectors.EpollSelector)
            if "select" in vars(cls)
        },
        "redirect_stdout as defined": vars(contextlib._RedirectStream)["__enter__"],
        "end of redirect_stdout as defined": vars(contextlib._RedirectStream)["__exit__"],
        "SSLSocket.read as defined": vars(ssl.SSLSocket)["read"],
    }
    codes = {
        f"code of {name}": function.__code__
        for name, function in vars(threading).items()
        if inspect.isfunction(function)
    }
    return {name: _identity(thing) for name, thing in {**functions, **defined, **codes}.items()}
