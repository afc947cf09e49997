"""Starts a webui inside this process, an ordinary notebook kernel: ``%webui start``.

The script runs as ``python SCRIPT`` would run it, but for what belongs to the notebook: the main
thread, the signals and the name ``__main__``.
"""

from __future__ import annotations

import builtins
import os
import sys
import time
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from livepatch.addresses import url_text
from livepatch.engine.changing.locks import Lock
from livepatch.errors import HostUnsupported, LivepatchError
from livepatch.kernel.context import cell_number
from livepatch.kernel.guest_webui import GuestWebui
from livepatch.this_webui.detect import host

from . import run
from .attach import keep_journal

if TYPE_CHECKING:
    from collections.abc import Sequence

# Seconds that the cell waits for the webui to listen; a model that is loaded takes longer.
START_PATIENCE = 60.0

# Seconds between two looks for a server whose sockets are not Python's (uvloop).
LOOK_INTERVAL = 0.1

# The webui's name among the loaded modules where the script's own is taken.
OTHER_NAME = "webui_script"


class _MainName(str):
    """The name of a script's module, which says it is ``__main__`` to a script that asks.

    ``__main__`` is the notebook's module. Under a name of its own the script's classes are found
    where they look for themselves: by dataclasses, pydantic, pickle, and by replacements.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return other == "__main__" or str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


class _Started:
    """What this process has started: one webui at most, as its arguments are in ``sys.argv``."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.webui: GuestWebui | None = None
        self.name = ""


_started = _Started()


def start_webui(
    shell: Any, script: str, arguments: Sequence[str] = (), *, module: bool = False
) -> str:
    """Start a webui's script in a thread of this notebook kernel.

    Args:
        shell: the notebook's shell; the webui's output goes below the cell that calls.
        script: a file, a folder or zip with a ``__main__.py``; the module's name if ``module``.
        arguments: the script's own arguments, its ``sys.argv[1:]``.
        module: run a module, as ``python -m`` does.

    Returns:
        The answer line: where the webui listens and what its functions are called.

    Raises:
        HostUnsupported: this kernel lives in a webui already.
        LivepatchError: there is no such script, one runs already, or it ended with an error.
    """
    asked = f"%webui start {'-m ' if module else ''}{script}"
    _refuse_inside_a_webui(asked)
    with _started.lock:
        if _started.webui is not None and _started.webui.alive:
            raise LivepatchError(
                asked,
                f"the webui {_started.name!r} already runs in this kernel",
                "see it with %webui; restart the kernel to start another",
            )
        program = _find(asked, script, module)
        main = _module_of(program)
        arguments = [program.file if module else script, *arguments]
        name = str(main.__name__).removesuffix(".__main__")
        webui = GuestWebui(f"webui-{name}", lambda: _execute(program, main, list(arguments)), shell)
        _let_imports_find_it(script, module)
        sys.modules[str(main.__name__)] = main
        _started.webui, _started.name = webui, name
        keep_journal(name, lambda: cell_number(shell))
        webui.start()
    end = time.monotonic() + START_PATIENCE
    while webui.alive and _address(webui) is None and time.monotonic() < end:
        webui.wait(LOOK_INTERVAL)
    return _answer(asked, webui, name)


def _refuse_inside_a_webui(asked: str) -> None:
    from livepatch.kernel import running_kernel

    if running_kernel() is not None:
        raise HostUnsupported(
            asked,
            f"this kernel already runs inside a webui (pid {os.getpid()})",
            "start it from an ordinary notebook (kernel Python 3), or with: livepatch run SCRIPT",
        )


def _find(asked: str, script: str, module: bool) -> run._Program:
    if not module and not Path(script).exists():
        raise LivepatchError(asked, f"there is no file {Path(script).absolute()}", "check the path")
    try:
        return run._find_program(script, module)
    except run._NothingToRun as error:
        raise LivepatchError(
            asked, str(error), f"check the name; Python: {sys.executable}"
        ) from error
    except SyntaxError as error:
        raise LivepatchError(
            asked, f"{error.msg} ({error.filename}:{error.lineno})", "fix the script"
        ) from error


def _module_of(program: run._Program) -> ModuleType:
    spec = program.spec
    name = spec.name if spec is not None else Path(program.file).stem
    if spec is None and (name in sys.modules or not name.isidentifier()):
        earlier = getattr(sys.modules.get(name), "__file__", None)
        name = name if earlier == program.file else OTHER_NAME
    main = ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    run._fill_main_module(main, program)
    main.__dict__["__name__"] = _MainName(name)
    return main


def _let_imports_find_it(script: str, module: bool) -> None:
    """Give the script the first place on ``sys.path``; it stays, for what is imported later."""
    if module:
        folder = os.getcwd()
    elif run._is_folder_or_archive(script):
        folder = os.path.abspath(script)
    else:
        folder = os.path.dirname(os.path.realpath(script))
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _execute(program: run._Program, main: ModuleType, arguments: list[str]) -> None:
    notebooks, sys.argv = sys.argv, arguments
    try:
        exec(program.code, main.__dict__)
    finally:
        if sys.argv is arguments:
            sys.argv = notebooks


def _answer(asked: str, webui: GuestWebui, name: str) -> str:
    if webui.error is not None:
        last = traceback.extract_tb(webui.error.__traceback__)[-1:]
        where = "".join(f" ({entry.filename}:{entry.lineno})" for entry in last)
        what = f"{type(webui.error).__name__}: {webui.error}".splitlines()[0]
        raise LivepatchError(asked, f"{what}{where}", "fix that and run the cell again")
    if not webui.alive:
        return f"{name} has ended without starting a server"
    address = _address(webui)
    listens = f"at {address}" if address else "still starting; %webui says when it listens"
    return f"webui {name} runs in this kernel · {listens} · its output appears below this cell"


def _address(webui: GuestWebui) -> str | None:
    for name in webui.addresses[:1]:
        if isinstance(name, tuple):
            return url_text(str(name[0]), name[1])
    return host().address
