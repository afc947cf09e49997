"""Rules of what happens when a file is imported: LP101 to LP104."""

from __future__ import annotations

import ast
import os
from typing import TYPE_CHECKING

from .findings import Finding
from .rules import RULES
from .source import FUNCTIONS, PythonFile, calls_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Expression statements that only register something, by how the called name begins.
REGISTERS = ("on_", "register", "add", "append", "insert", "extend", "update", "setdefault")
REGISTERS_TOO = frozenset(
    [
        "filterwarnings",
        "simplefilter",
        "setLevel",
        "setFormatter",
        "disable_progress_bar",
        "include_router",
        "use",
        "subscribe",
        "group",
        "freeze",
        "debug",
        "info",
        "warning",
        "warn",
    ]
)
# Calls that take time, touch the disk or the network, or start something.
WORK = frozenset(
    {
        *("open", "print", "input", "exec", "eval"),
        *("os.system", "os.popen", "os.makedirs", "os.mkdir", "os.remove", "os.unlink"),
        *("os.rename", "os.replace", "os.listdir", "os.walk", "os.scandir", "os.chdir"),
        *("shutil.copy", "shutil.copyfile", "shutil.copytree", "shutil.move", "shutil.rmtree"),
        *("subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_call"),
        *("subprocess.check_output", "subprocess.getoutput", "urllib.request.urlopen"),
        *("urllib.request.urlretrieve", "glob.glob", "time.sleep", "torch.load", "json.load"),
        *("importlib.reload", "torch.hub.load", "threading.Thread.start", "socket.socket"),
    }
)
WORK_ENDS = frozenset(
    {
        *("from_pretrained", "load_state_dict", "read_text", "read_bytes", "write_text"),
        *("write_bytes", "mkdir", "rglob", "iterdir", "unlink", "hf_hub_download", "launch"),
        *("snapshot_download", "load_file_from_url", "run_pip", "start", "download_url_to_file"),
    }
)
NETWORK = ("requests.", "httpx.", "aiohttp.ClientSession")
PROGRAMS = frozenset({"forge_app.py"})
"""What the webui runs as programs of their own, when a user starts them."""
DEFINES = frozenset({"setattr", "globals", "update", "setdefault", "append", "property", "add"})
GUARDS = frozenset({"__main__", "TYPE_CHECKING"})


def work_at_import(file: PythonFile) -> Iterator[Finding]:
    """LP101: statements at the top level that do something."""
    if file.role in ("install", "preload") or file.path.name in PROGRAMS:
        return
    for part in _parts_that_run(file.tree.body):
        yield from _work_of(file, part)


def _parts_that_run(body: Sequence[ast.stmt]) -> Iterator[ast.stmt | ast.expr]:
    """What an import runs: statements, those in branches too, and the tests of the branches."""
    waiting = [*reversed(body)]
    while waiting:
        statement = waiting.pop()
        inner: list[ast.stmt] = []
        if isinstance(statement, ast.If):
            if not _is_guard(statement.test):
                yield statement.test
                inner += statement.body
            inner += statement.orelse
        elif isinstance(statement, ast.Try):
            # What an `except ImportError` says of it is not work.
            said = [s for h in statement.handlers for s in h.body if not isinstance(s, ast.Expr)]
            inner = [*statement.body, *said, *statement.orelse, *statement.finalbody]
        else:
            yield statement
        waiting += reversed(inner)


def _work_of(file: PythonFile, part: ast.stmt | ast.expr) -> Iterator[Finding]:
    if isinstance(part, ast.expr):
        yield from _heavy_calls(file, part, "at import")
    elif isinstance(part, ast.ClassDef):
        for inner in part.body:
            if isinstance(inner, (ast.Assign, ast.AnnAssign, ast.Expr)):
                yield from _heavy_calls(file, inner, f"in the body of class {part.name}")
    elif isinstance(part, ast.Expr):
        yield from _work_of_expression(file, part)
    elif isinstance(part, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        yield from _heavy_calls(file, part, "at import")
    elif isinstance(part, (ast.For, ast.While, ast.With, ast.AsyncFor, ast.AsyncWith)):
        word = {ast.With: "with", ast.While: "while"}.get(type(part), "for")
        if not _only_defines(file, part):
            yield file.finding(part, "LP101", f"a {word} block runs at import")


def _only_defines(file: PythonFile, statement: ast.stmt) -> bool:
    """Whether a block only makes names, attributes or entries of constants."""
    if not isinstance(statement, ast.For):
        return not list(calls_in(statement))
    called = {_called(file, call).rpartition(".")[2] for call in calls_in(statement)}
    is_constant = isinstance(statement.iter, (ast.Tuple, ast.List, ast.Dict, ast.Set))
    return called <= (DEFINES if is_constant else set())


def _is_guard(test: ast.expr) -> bool:
    names = {n.id for n in ast.walk(test) if isinstance(n, ast.Name)}
    names |= {n.attr for n in ast.walk(test) if isinstance(n, ast.Attribute)}
    texts = {n.value for n in ast.walk(test) if isinstance(n, ast.Constant)}
    return bool((names | texts) & GUARDS)


def _work_of_expression(file: PythonFile, statement: ast.Expr) -> Iterator[Finding]:
    value = statement.value
    if isinstance(value, ast.Await):
        value = value.value
    if not isinstance(value, ast.Call):
        return
    name = _called(file, value)
    last = name.rpartition(".")[2]
    if _is_heavy(file, value) or not (last.startswith(REGISTERS) or last in REGISTERS_TOO):
        yield file.finding(statement, "LP101", f"{name or 'a function'}() is called at import")
    else:
        for argument in (*value.args, *(k.value for k in value.keywords)):
            yield from _heavy_calls(file, argument, "at import")


def _heavy_calls(file: PythonFile, node: ast.AST, where: str) -> Iterator[Finding]:
    for call in calls_in(node):
        inner = "" if _is_heavy(file, call) else _heavy_inside(file, call)
        if inner or _is_heavy(file, call):
            what = f"{_called(file, call)}() is called {where}"
            said = f"{what}, and calls {inner}()" if inner else what
            yield file.finding(call, "LP101", said)


def _heavy_inside(file: PythonFile, call: ast.Call) -> str:
    """What takes long in a function of the file that is called; empty for nothing."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    for statement in file.tree.body:
        if isinstance(statement, FUNCTIONS) and statement.name == name:
            inner = (c for part in statement.body for c in calls_in(part))
            return next((_called(file, c) for c in inner if _is_heavy(file, c)), "")
    return ""


def _is_heavy(file: PythonFile, call: ast.Call) -> bool:
    name = _called(file, call)
    last = name.rpartition(".")[2]
    return name in WORK or (last in WORK_ENDS and "." in name) or name.startswith(NETWORK)


def _called(file: PythonFile, call: ast.Call) -> str:
    """The name of what is called; of a method of an expression ``….method``."""
    name = file.name_of(call.func)
    if not name and isinstance(call.func, ast.Attribute):
        return f"….{call.func.attr}"
    return name


def several_entries(entries: Mapping[str, bool]) -> Iterator[Finding]:
    """LP102: all but the first of the files in ``scripts/``.

    Args:
        entries: their paths, and whether each registers something.
    """
    listed = sorted(entries)
    first = next((path for path in listed if entries[path]), listed[0] if listed else "")
    for path in listed:
        if path != first:
            message = f"a second file in scripts/, beside {os.path.basename(first)}"
            yield Finding(path, 1, "LP102", message, RULES["LP102"].fix)


def registers(file: PythonFile) -> bool:
    """Whether a file registers callbacks or has scripts."""
    named = any("script_callbacks" in full for full in file.aliases.values())
    bases = [
        file.name_of(b) for n in ast.walk(file.tree) if isinstance(n, ast.ClassDef) for b in n.bases
    ]
    return named or any(base.endswith(("scripts.Script", ".Script")) for base in bases)


def install_only_installs(file: PythonFile) -> Iterator[Finding]:
    """LP103: pip and other programs by hand in ``install.py``."""
    if file.role != "install":
        return
    for node in ast.walk(file.tree):
        if not isinstance(node, ast.Call):
            continue
        name = file.name_of(node.func)
        starts = name.startswith(("subprocess.", "os.system", "os.popen", "os.exec", "os.spawn"))
        if starts or name in ("pip.main", "pip._internal.main", "pip._internal.cli.main.main"):
            yield file.finding(node, "LP103", f"{name}() in install.py")
        elif name in ("shutil.rmtree", "shutil.move", "os.remove", "os.unlink"):
            yield file.finding(node, "LP103", f"{name}() in install.py: it does not install")


def preload_only_defines(file: PythonFile) -> Iterator[Finding]:
    """LP104: anything in ``preload.py`` but imports and ``preload(parser)``."""
    if file.role != "preload":
        return
    names = [s.name for s in file.tree.body if isinstance(s, FUNCTIONS)]
    if "preload" not in names:
        yield file.finding(1, "LP104", "preload.py defines no preload(parser)")
    for statement in file.tree.body:
        is_doc = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        is_definition = isinstance(statement, (ast.Import, ast.ImportFrom, *FUNCTIONS))
        is_constant = isinstance(statement, (ast.Assign, ast.AnnAssign)) and not list(
            calls_in(statement)
        )
        if is_doc or is_constant:
            continue
        if not is_definition:
            kind = type(statement).__name__.lower()
            yield file.finding(statement, "LP104", f"another statement ({kind})")
        elif isinstance(statement, FUNCTIONS) and statement.name != "preload":
            yield file.finding(statement, "LP104", f"it defines {statement.name}() as well")
