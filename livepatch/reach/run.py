"""Starts a webui's script with the kernel inside it; to the script it looks as if Python ran it.

So: the real ``__main__`` is the script's, with its own ``sys.argv`` and ``sys.path[0]``; its exit
code, its tracebacks and its signals are those that plain ``python SCRIPT`` gives.
"""

from __future__ import annotations

import atexit
import builtins
import inspect
import io
import os
import pkgutil
import runpy
import signal
import sys
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from livepatch.errors import LivepatchError

from .folder import normal_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType

# The frames between the interpreter and the script; runpy is frozen from 3.11 on.
FILES_OF_OURS = frozenset({__file__, runpy.__file__, "<frozen runpy>"})
FROZEN = ("runpy", "importlib._bootstrap", "importlib._bootstrap_external")
WINDOWS_CONTROL_C_EXIT = -1073741510  # STATUS_CONTROL_C_EXIT, 0xC000013A


@dataclass(frozen=True)
class _Program:
    """What runs as ``__main__``; the spec is None for a plain script, as Python has it."""

    code: CodeType
    file: str
    spec: ModuleSpec | None


def run_script(
    script: str, arguments: Sequence[str], *, module: bool = False, name: str | None = None
) -> int:
    """Run a script in this process as ``__main__``, with a kernel beside it.

    Where no kernel can be started, the script runs all the same, and one line on stderr says why.

    Args:
        script: a file, a folder or zip with a ``__main__.py``; the module's name if ``module``.
        arguments: the script's own arguments.
        module: run a module, like ``python -m``.
        name: the webui's name; by default the script's.

    Returns:
        The exit code: 0, or 1 after an exception that nobody caught (it has been printed).

    Raises:
        SystemExit: the script's own.
        LivepatchError: there is no such script, or the name cannot be one.
    """
    if name is not None:
        normal_name(name)
    if not module and not Path(script).exists():
        raise LivepatchError(
            f"run {script}", f"there is no file {Path(script).absolute()}", "check the path"
        )
    previous_main = sys.modules["__main__"]  # it is on the stack below us: keep it alive
    _have_stacks_found(getattr(previous_main, "__file__", None))
    main = _own_main_module()
    at_exit = _AtExit()
    sys.argv = ["-m" if module else script, *arguments]
    _attach(name or _name_of(script, module))
    _set_first_path(script, module)
    try:
        program = _find_program(script, module)
        _fill_main_module(main, program)
        if module:
            sys.argv[0] = program.file
        exec(program.code, main.__dict__)
    except _NothingToRun as error:
        raise LivepatchError(
            f"run {'-m ' if module else ''}{script}",
            str(error),
            "check the name, and that this is the webui's own Python: " + sys.executable,
        ) from error
    except SystemExit:
        raise  # The interpreter knows what each form of it means.
    except BaseException as error:
        _report(error)
        at_exit.interrupted = isinstance(error, KeyboardInterrupt)
        if at_exit.interrupted and sys.platform == "win32":
            return WINDOWS_CONTROL_C_EXIT
        return 1
    return 0


def _have_stacks_found(own_file: str | None) -> None:
    """Tell ``inspect`` which modules the frames below the script are of.

    A1111 calls ``inspect.stack()`` for each callback that is registered. For a frame whose file no
    module has, ``inspect`` asks thousands of modules three times and answers the same in the end;
    ours doubled the frames of this kind, a quarter of a second of CPU in a start. Those of the
    import system are told as well, for the hundreds of modules more that a kernel has them ask.
    """
    files = {f"<frozen {name}>": name for name in FROZEN}
    if own_file is not None:
        files[own_file] = "livepatch.__main__"
    for file, name in files.items():
        inspect.modulesbyfile.setdefault(file, name)


class _NothingToRun(ImportError):
    """What runpy raises for a module that is not there."""


def _report(error: BaseException) -> None:
    """Print an uncaught exception as Python does, through the hook that the script may have set."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_code.co_filename in FILES_OF_OURS:
        traceback = traceback.tb_next
    sys.excepthook(type(error), error.with_traceback(traceback), traceback)


class _AtExit:
    """Ends the process by SIGINT after a KeyboardInterrupt, as Python does (bpo-1054041).

    A shell stops its script only when it sees the signal. Registered before the webui registers
    anything, hence called after everything of the webui's.
    """

    def __init__(self) -> None:
        self.interrupted = False
        if sys.platform != "win32":
            atexit.register(self)

    def __call__(self) -> None:
        if self.interrupted:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            # The webui has ended: from here on its handlers have nothing left to handle.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)


def _own_main_module() -> ModuleType:
    main = ModuleType("__main__")
    names: dict[str, object] = {"__builtins__": builtins}
    if sys.version_info < (3, 14):
        names["__annotations__"] = {}
    main.__dict__.update(names)
    sys.modules["__main__"] = main
    return main


def _fill_main_module(main: ModuleType, program: _Program) -> None:
    spec = program.spec
    main.__file__ = program.file
    main.__spec__ = spec
    main.__package__ = spec.parent if spec is not None else None
    main.__loader__ = (
        spec.loader if spec is not None else SourceFileLoader("__main__", program.file)
    )
    if sys.version_info < (3, 15):  # where modules have it no more
        main.__dict__["__cached__"] = spec.cached if spec is not None else None


def _set_first_path(script: str, module: bool) -> None:
    """Give the script its ``sys.path[0]`` in place of ours; python -P and -I have none."""
    if sys.flags.isolated or getattr(sys.flags, "safe_path", False):
        return
    if module:
        sys.path[0] = os.getcwd()
    elif _is_folder_or_archive(script):
        sys.path[0] = _absolute(script)
    else:
        sys.path[0] = os.path.dirname(os.path.realpath(script))


def _absolute(script: str) -> str:
    """The path as Python writes it: absolute, and otherwise as the user typed it."""
    return os.path.join(os.getcwd(), script)


def _is_folder_or_archive(script: str) -> bool:
    return pkgutil.get_importer(script) is not None


def _find_program(script: str, module: bool) -> _Program:
    # runpy's private functions are what python -m itself uses; pdb and coverage rely on them too.
    if module:
        _, spec, code = runpy._get_module_details(script, _NothingToRun)  # type: ignore[attr-defined]
        return _Program(code, spec.origin, spec)
    if _is_folder_or_archive(script):
        _, spec, code = runpy._get_main_module_details(_NothingToRun)  # type: ignore[attr-defined]
        return _Program(code, spec.origin, spec)
    file = _absolute(script)
    with io.open_code(file) as stream:
        compiled = pkgutil.read_code(stream)
    if compiled is None:
        with io.open_code(file) as stream:
            compiled = compile(stream.read(), file, "exec", dont_inherit=True)
    return _Program(compiled, file, None)


def _name_of(script: str, module: bool) -> str | None:
    """The webui's name from its script's, None where that says nothing."""
    from .attach import NAMES_THAT_SAY_NOTHING

    stem = script.removesuffix(".__main__").rpartition(".")[2] if module else Path(script).stem
    return None if stem in NAMES_THAT_SAY_NOTHING else stem


def _attach(name: str | None) -> None:
    from .attach import attach

    try:
        attachment = attach(name)
    except LivepatchError as error:
        print(f"livepatch: no kernel in this webui: {error.found}", file=sys.stderr)
    else:
        if sys.stderr is not None and sys.stderr.isatty():
            print(
                f"livepatch: open a notebook on it: livepatch lab {attachment.name}",
                file=sys.stderr,
            )
