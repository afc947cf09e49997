"""The shell face: reads the command line, calls, prints. No logic of its own."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import LivepatchError
from .own_version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CANNOT_RUN = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """The command ``livepatch``.

    Args:
        arguments: the command line without the program's name, ``sys.argv[1:]`` if None.

    Returns:
        The exit code: 0; 1 for a failure of what was run; 2 when it could not be run.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    head, script_arguments = split_run(given)
    parser = _parser()
    options = parser.parse_args(head)
    if options.command == "run":
        options.arguments = script_arguments
    call: Callable[[argparse.Namespace], int] = options.call
    try:
        return call(options)
    except LivepatchError as error:
        print(error, file=sys.stderr)
        return CANNOT_RUN


def split_run(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Split ``run [--name N] [-m] SCRIPT [ARGS…]`` after SCRIPT: what follows is the script's own.

    argparse would look for our options among the script's.

    Args:
        arguments: the whole command line.

    Returns:
        What is ours, and what is the script's.
    """
    if arguments[:1] != ["run"]:
        return arguments, []
    position = 1
    while position < len(arguments) and arguments[position].startswith("-"):
        if arguments[position] == "--":
            del arguments[position]
            break
        position += 2 if arguments[position] == "--name" else 1
    return arguments[: position + 1], arguments[position + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="livepatch", description="Change a running AI webui from a notebook."
    )
    parser.add_argument("--version", action="version", version=f"livepatch {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (
        *(_add_demo, _add_run, _add_attach, _add_install, _add_uninstall),
        *(_add_list, _add_lab, _add_console, _add_exec, _add_detach, _add_export, _add_lint),
    ):
        add(commands)
    return parser


if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def _add(
    commands: Commands, name: str, call: Callable[[argparse.Namespace], int], description: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=description, description=description, allow_abbrev=False
    )
    parser.set_defaults(call=call)
    return parser


def _add_webui(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    parser.add_argument(
        "webui",
        metavar="NAME|PID",
        nargs=None if required else "?",
        help="the webui" if required else "the webui (default: the only running one)",
    )


def _add_demo(commands: Commands) -> None:
    parser = _add(commands, "demo", _demo, "start the small built-in webui and its tour")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.add_argument("--port", type=int, metavar="N", help="the webui's port")
    parser.add_argument("--lab-port", type=int, metavar="N", help="JupyterLab's port")
    parser.add_argument(
        "--once",
        action="store_true",
        help="without a screen: execute the tour, print the webui's answers, exit",
    )


def _demo(options: argparse.Namespace) -> int:
    from .reach import demo

    demo.end_on_sigterm()
    try:
        if options.once:
            return demo.run_once(port=options.port)
        return demo.show(
            port=options.port, lab_port=options.lab_port, browser=not options.no_browser
        )
    except KeyboardInterrupt:
        return INTERRUPTED


def _add_run(commands: Commands) -> None:
    parser = _add(commands, "run", _run, "start a webui with the kernel inside it")
    parser.usage = "livepatch run [-h] [--name N] [-m] SCRIPT [ARGS ...]"
    parser.add_argument("--name", metavar="N", help="the webui's name (default: the script's)")
    parser.add_argument("-m", dest="module", action="store_true", help="SCRIPT is a module's name")
    parser.add_argument("script", metavar="SCRIPT", help="what you would pass to python")


def _run(options: argparse.Namespace) -> int:
    from .reach.run import run_script

    return run_script(options.script, options.arguments, module=options.module, name=options.name)


def _add_attach(commands: Commands) -> None:
    parser = _add(commands, "attach", _attach, "put a kernel into a running process")
    parser.add_argument("pid", type=int, metavar="PID", help="the webui's process")
    parser.add_argument("--name", metavar="N", help="the webui's name (default: its script's)")
    parser.add_argument(
        "--new-kernel",
        action="store_true",
        help="replace a livepatch kernel that no longer answers",
    )


def _attach(options: argparse.Namespace) -> int:
    from .reach.inject import attach_to, how_to_open

    try:
        webui = attach_to(options.pid, options.name, new_kernel=options.new_kernel)
    except KeyboardInterrupt:
        return INTERRUPTED
    print(f"attached to {webui}; open a notebook on it: {how_to_open(webui)}")
    return 0


def _add_install(commands: Commands) -> None:
    parser = _add(
        commands,
        "install",
        _install,
        "add an extension to a webui's folder that attaches when the webui starts",
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="the webui's folder")
    parser.add_argument("--name", metavar="N", help="the webui's name (default: its folder's)")


def _install(options: argparse.Namespace) -> int:
    from .reach.install import install

    done = install(options.path, options.name)
    print(f"installed into {done.folder} ({done.flavor}); from its next start: {done.name}")
    if done.note is not None:
        print(done.note)
    return 0


def _add_uninstall(commands: Commands) -> None:
    parser = _add(commands, "uninstall", _uninstall, "remove that extension")
    parser.add_argument("path", type=Path, metavar="PATH", help="the webui's folder")


def _uninstall(options: argparse.Namespace) -> int:
    from .reach.install import uninstall

    done = uninstall(options.path)
    print(f"removed from {done.folder}; a running webui keeps its kernel until livepatch detach")
    if done.note is not None:
        print(done.note)
    return 0


def _add_list(commands: Commands) -> None:
    parser = _add(commands, "list", _list, "list the running webuis")
    parser.add_argument("--json", action="store_true", help="as a JSON array")


def _list(options: argparse.Namespace) -> int:
    from .reach.hearing import all_with_live_details
    from .reach.webuis import HOW_TO_START, look_for_webuis
    from .reports.table import text_table

    found = look_for_webuis()
    for line in found.passed_over:
        print(f"livepatch: {line}", file=sys.stderr)
    webuis = all_with_live_details(found.webuis)
    if options.json:
        print(json.dumps([webui.as_dict() for webui in webuis], indent=1))
        return 0
    if not webuis:
        print(f"no webui with a livepatch kernel is running; {HOW_TO_START}", file=sys.stderr)
        return 0
    columns = ["name", "pid", "state", "flavor", "address", "since", "python"]
    facts = [webui.as_dict() for webui in webuis]
    rows = [["-" if f[name] is None else str(f[name]) for name in columns] for f in facts]
    print(text_table([name.upper() for name in columns], rows))
    return 0


def _add_lab(commands: Commands) -> None:
    parser = _add(commands, "lab", _lab, "open JupyterLab with a notebook on a webui")
    _add_webui(parser)
    parser.add_argument("--port", type=int, metavar="N", help="JupyterLab's port")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")


def _lab(options: argparse.Namespace) -> int:
    from .reach.hearing import require_answer
    from .reach.lab import open_lab
    from .reach.webuis import choose

    webui = choose(options.webui)
    require_answer(webui, f"open JupyterLab on {webui}")
    return open_lab(webui, port=options.port, browser=not options.no_browser)


def _add_console(commands: Commands) -> None:
    _add_webui(_add(commands, "console", _console, "open a terminal console on a webui"))


def _console(options: argparse.Namespace) -> int:
    from .reach.hearing import require_answer
    from .reach.lab import open_console
    from .reach.webuis import choose

    webui = choose(options.webui)
    require_answer(webui, f"open a console on {webui}")
    return open_console(webui)


def _add_exec(commands: Commands) -> None:
    parser = _add(commands, "exec", _exec, "run code in a webui; exit code 1 after an exception")
    parser.usage = "livepatch exec [-h] [NAME|PID] [-c CODE | FILE | -]"
    parser.add_argument("-c", dest="code", metavar="CODE", help="the code")
    parser.add_argument(
        "positional",
        nargs="*",
        metavar="NAME|PID, FILE",
        help="the webui (default: the only running one), and a file with the code; - is stdin",
    )


def _exec(options: argparse.Namespace) -> int:
    from .reach.execute import execute
    from .reach.webuis import choose

    wanted, code = _webui_and_code(options.positional, options.code)
    webui = choose(wanted)
    try:
        return 0 if execute(webui, sys.stdin.read() if code is None else code) else 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _webui_and_code(positional: list[str], code: str | None) -> tuple[str | None, str | None]:
    """Which webui, and which code (None: from stdin), the words of ``exec`` mean."""
    *names, last = positional or [""]
    if code is None and (last == "-" or Path(last).is_file()):
        source = None if last == "-" else last
    else:
        names, source = [name for name in positional if name], None
        if code is None and len(names) == 2:
            raise LivepatchError(
                f"run the file {last}", "there is no such file", "check the path, or use -c CODE"
            )
    if len(names) > 1:
        raise LivepatchError(
            f"run code in {' '.join(names)}",
            "give at most one webui, and either -c CODE or one FILE",
            "livepatch exec NAME -c CODE, or: livepatch exec NAME FILE",
        )
    wanted = names[0] if names else None
    if source is not None:
        return wanted, _read(source)
    if code is None and last != "-" and sys.stdin.isatty():
        raise LivepatchError(
            "run code in a webui",
            "there is no code: neither -c, nor a file, nor anything on stdin",
            "livepatch exec NAME -c CODE, or: livepatch exec NAME FILE",
        )
    return wanted, code


def _read(source: str) -> str:
    try:
        return Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LivepatchError(f"run the file {source}", str(error), "check the file") from error


def _add_detach(commands: Commands) -> None:
    parser = _add(commands, "detach", _detach, "take the kernel out of a webui, which runs on")
    _add_webui(parser, required=True)


def _detach(options: argparse.Namespace) -> int:
    from .reach.leave import detach_webui
    from .reach.webuis import choose

    webui = choose(options.webui)
    detach_webui(webui)
    print(f"detached from {webui}; everything that livepatch changed in it is restored")
    return 0


def _add_export(commands: Commands) -> None:
    parser = _add(commands, "export", _export, "write what is live in a webui as an extension")
    parser.add_argument("name", metavar="NAME", help="the extension's name")
    parser.add_argument("--webui", metavar="NAME|PID", help="default: the only running webui")
    parser.add_argument(
        "--to", metavar="FOLDER", type=Path, help="default: where the webui has its extensions"
    )
    parser.add_argument(
        "--for", dest="flavor", metavar="FLAVOR", help="default: the webui's flavor"
    )
    parser.add_argument("--single-file", action="store_true", help="one self-contained file")
    parser.add_argument("--with-values", nargs="*", default=[], metavar="N", help="values as well")
    parser.add_argument("--timeout", type=float, metavar="S", help="of the check, in seconds")
    parser.add_argument("--no-check", action="store_true", help="write it without the check")


def _export(options: argparse.Namespace) -> int:
    from .reach.execute import execute
    from .reach.webuis import choose

    # The webui has a working folder of its own.
    folder = None if options.to is None else str(options.to.expanduser().absolute())
    given = {
        "name": options.name,
        "flavor": options.flavor,
        "single_file": options.single_file,
        "with_values": options.with_values,
        "check": not options.no_check,
        **({} if options.timeout is None else {"timeout": options.timeout}),
    }
    code = f"import livepatch\nlivepatch.export({folder!r}, **{given!r})"
    return 0 if execute(choose(options.webui), code) else 1


def _add_lint(commands: Commands) -> None:
    parser = _add(commands, "lint", _lint, "check an extension; exit code 1 when it has findings")
    parser.add_argument("path", metavar="PATH", help="the extension's folder, or one file")
    parser.add_argument("--format", choices=("text", "json", "sarif"), default="text")
    parser.add_argument(
        "--run", action="store_true", help="import its files in clean processes too"
    )


def _lint(options: argparse.Namespace) -> int:
    from .linting.lint import lint

    report = lint(options.path, run=options.run)
    text = getattr(report, options.format)()
    print(text, end="" if options.format == "text" else "\n")
    return 1 if report else 0
