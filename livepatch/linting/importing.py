"""Rules of what happens when a file is imported: LP101 to LP104."""

from __future__ import annotations

import ast
import os
from typing import TYPE_CHECKING

from .findings import Finding, Where
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
        "onchange",
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
READS = frozenset(
    {"print", "input", "os.listdir", "os.walk", "os.scandir", "os.chdir", "glob.glob", "json.load"}
)
"""Of what is work at import, what ``install.py`` may do to know what to install."""
READ_ENDS = frozenset({"read_text", "read_bytes", "rglob", "iterdir", "run_pip", "start"})
WEBUI = frozenset(
    {"modules", "modules_forge", "backend", "ldm_patched", "webui", "launch", "installer"}
)
"""Packages of the webuis that run ``install.py`` and ``preload.py``."""
FOR_PRELOADING = frozenset({"modules.paths", "modules.paths_internal", "modules.cmd_args"})
FOR_INSTALLING = FOR_PRELOADING | {
    *("launch", "installer", "modules.launch_utils", "modules.errors", "modules.logging_config"),
}
GUARDS = frozenset({"__main__", "TYPE_CHECKING"})


def work_at_import(file: PythonFile) -> Iterator[Finding | Where]:
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


def _work_of(file: PythonFile, part: ast.stmt | ast.expr) -> Iterator[Finding | Where]:
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


def _work_of_expression(file: PythonFile, statement: ast.Expr) -> Iterator[Finding | Where]:
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


def _heavy_calls(file: PythonFile, node: ast.AST, where: str) -> Iterator[Finding | Where]:
    for call in calls_in(node):
        name, own = _called(file, call), call.func.id if isinstance(call.func, ast.Name) else ""
        said = f"{name.rpartition('.')[2] if file.is_own(name) else name}() is called {where}"
        if _is_heavy(file, call):
            yield file.finding(call, "LP101", said)
        elif own in file.heavy:
            yield file.finding(call, "LP101", f"{said}, and calls {file.heavy[own]}()")
        elif file.is_own(name):
            found = file.finding(call, "LP101", f"{said}, and works for some time")
            yield Where(found, "heavy", (name.rpartition(".")[2],))


def heavy_functions(file: PythonFile) -> dict[str, str]:
    """The functions and classes of a file whose call takes long, and what each of them calls.

    Args:
        file: the file.
    """
    calls: dict[str, list[str]] = {}
    heavy: dict[str, str] = {}
    for name, body in _bodies(file.tree.body):
        called = [call for statement in body for call in calls_in(statement)]
        calls[name] = [call.func.id for call in called if isinstance(call.func, ast.Name)]
        slow = [_called(file, call) for call in called if _is_heavy(file, call)]
        slow = [one for one in slow if one not in ("print", "input")]
        if slow:
            heavy[name] = slow[0]
    grows = True
    while grows:
        more = {
            name: next(one for one in called if one in heavy)
            for name, called in calls.items()
            if name not in heavy and not heavy.keys().isdisjoint(called)
        }
        heavy.update(more)
        grows = bool(more)
    return heavy


def _bodies(statements: Sequence[ast.stmt]) -> Iterator[tuple[str, list[ast.stmt]]]:
    """What a call of each function runs; that of a class runs its ``__init__``."""
    for statement in statements:
        if isinstance(statement, FUNCTIONS):
            yield statement.name, statement.body
        elif isinstance(statement, ast.ClassDef):
            inner = (s for s in statement.body if isinstance(s, FUNCTIONS))
            yield statement.name, [s for f in inner if f.name == "__init__" for s in f.body]


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
    """LP103: pip and other programs by hand in ``install.py``, and other work."""
    if file.role != "install":
        return
    yield from _imports_of_the_webui(file, "LP103", FOR_INSTALLING)
    for node in ast.walk(file.tree):
        if not isinstance(node, ast.Call):
            continue
        name = _called(file, node)
        starts = name.startswith(("subprocess.", "os.system", "os.popen", "os.exec", "os.spawn"))
        if starts or name in ("pip.main", "pip._internal.main", "pip._internal.cli.main.main"):
            yield file.finding(node, "LP103", f"{name}() in install.py")
        elif name not in READS and _is_heavy(file, node) and not _is_reading(node, name):
            yield file.finding(node, "LP103", f"{name}() in install.py: it does not install")


def _is_reading(call: ast.Call, name: str) -> bool:
    """Whether it reads a file, such as the list of what to install, or installs it."""
    if name.rpartition(".")[2] in READ_ENDS:
        return True
    given = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "mode")]
    mode = given[0].value if given and isinstance(given[0], ast.Constant) else "r"
    return name == "open" and not set(str(mode)) & set("wax+")


def _imports_of_the_webui(
    file: PythonFile, code: str, allowed: frozenset[str]
) -> Iterator[Finding]:
    """Imports of what is not loaded yet: it would start the webui's work, or half of it."""
    for node in ast.walk(file.tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            is_webuis = name.partition(".")[0] in WEBUI and not file.is_own(name)
            if is_webuis and not any(f"{name}.".startswith(f"{one}.") for one in allowed):
                yield file.finding(node, code, f"{name} of the webui is imported")


def preload_only_defines(file: PythonFile) -> Iterator[Finding]:
    """LP104: anything in ``preload.py`` but ``preload(parser)`` and imports that it may make."""
    if file.role != "preload":
        return
    yield from _imports_of_the_webui(file, "LP104", FOR_PRELOADING)
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
