"""Rules of what ties an extension to one machine or one webui: LP106, LP107, LP112 to LP115."""

from __future__ import annotations

import ast
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from .common import OPTIONS as COMMON_OPTIONS
from .common import SETTINGS as COMMON_SETTINGS
from .findings import Unless
from .source import FUNCTIONS, text_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from .findings import Finding
    from .source import PythonFile

FOLDERS = frozenset({"extensions", "extensions-builtin", "custom_nodes"})
HARD = ("/home/", "/Users/", "/root/", "/content/", "/workspace/", "/mnt/", "/media/", "/kaggle/")
SHELLS = frozenset({"os.system", "os.popen", "os.startfile", "subprocess.getoutput"})
SETTINGS = (
    *("modules.shared.opts", "modules.shared.cmd_opts", "modules.shared_cmd_options.cmd_opts"),
    *("modules.shared.args", "modules.script_callbacks.opts"),
)


def portability(file: PythonFile) -> Iterator[Finding | Unless]:
    """The findings of all of these rules; any file of the extension may define a setting."""
    documentation = _documentation(file.tree)
    parents = {child: node for node in ast.walk(file.tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Call):
            yield from _device(file, node, parents)
            yield from _shell(file, node)
            yield from _assumed_folder(file, node)
        elif isinstance(node, ast.Attribute):
            yield from _precision(file, node, parents)
            yield from _setting(file, node, parents)
        elif isinstance(node, ast.Subscript):
            yield from _key(file, node, parents)
        elif isinstance(node, ast.Constant) and node not in documentation:
            yield from _hard_path(file, node, parents)


def _documentation(tree: ast.Module) -> set[ast.Constant]:
    """The strings that are statements: docstrings, and code that was put in quotes."""
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def _is_cuda(node: ast.AST) -> bool:
    value = node.value if isinstance(node, ast.Constant) else None
    return isinstance(value, str) and (value == "cuda" or value.startswith("cuda:"))


def _device(file: PythonFile, call: ast.Call, parents: dict[ast.AST, ast.AST]) -> Iterator[Finding]:
    if isinstance(parents.get(call), ast.Compare) or _is_chosen(call, parents):
        return  # it asks which device it is
    name = file.name_of(call.func)
    attribute = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if attribute == "cuda" and name != "torch.cuda":
        yield file.finding(call, "LP112", ".cuda() ties it to one kind of device")
    elif attribute == "to" or name in ("torch.device", "torch.autocast") or _has_device(call):
        given = [*call.args[:1], *(k.value for k in call.keywords if k.arg in ("device", None))]
        for argument in given:
            if _is_cuda(argument):
                text = text_of(argument)
                yield file.finding(argument, "LP112", f"the device is fixed: {text}")


def _has_device(call: ast.Call) -> bool:
    return any(keyword.arg in ("device", "map_location") for keyword in call.keywords)


def _precision(
    file: PythonFile, node: ast.Attribute, parents: dict[ast.AST, ast.AST]
) -> Iterator[Finding]:
    parent = parents.get(node)
    if isinstance(parent, (ast.Compare, ast.Tuple, ast.List, ast.Set, ast.Dict, ast.arguments)):
        return  # it asks which it is, offers it with others, or lets the caller choose
    if _is_chosen(node, parents) or _is_about_precision(file, node, parents):
        return
    if file.name_of(node) in ("torch.float16", "torch.half", "torch.bfloat16"):
        yield file.finding(node, "LP113", f"the precision is fixed: {text_of(node)}")
    elif node.attr == "half" and isinstance(parent, ast.Call) and parent.func is node:
        yield file.finding(node, "LP113", "the precision is fixed: .half()")


def _is_chosen(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether it is one of two branches of a question about the device or the precision."""
    at: ast.AST | None = node
    while at is not None and not isinstance(at, (ast.FunctionDef, ast.AsyncFunctionDef)):
        above = parents.get(at)
        if isinstance(above, (ast.If, ast.IfExp)) and at is not above.test:
            asked = text_of(above.test).lower()
            if any(word in asked for word in ("cuda", "device", "mps", "fp16", "bf16", "half")):
                return True
        at = above
    return False


def _is_about_precision(file: PythonFile, node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether what it stands in is there to convert, and says so by its name."""
    names = [file.path.stem]
    at: ast.AST | None = node
    while at is not None:
        names.append(str(getattr(at, "name", "")))
        at = parents.get(at)
    return any(word in name.lower() for name in names for word in ("fp16", "half", "float16"))


def _shell(file: PythonFile, call: ast.Call) -> Iterator[Finding]:
    name = file.name_of(call.func)
    shell = next((k.value for k in call.keywords if k.arg == "shell"), None)
    is_shell = isinstance(shell, ast.Constant) and shell.value is True
    if name in SHELLS:
        yield file.finding(call, "LP115", f"{name}() runs a shell")
    elif is_shell and name.startswith("subprocess."):
        yield file.finding(call, "LP115", f"{name}(shell=True) runs a shell")


def _assumed_folder(file: PythonFile, call: ast.Call) -> Iterator[Finding]:
    name = file.name_of(call.func)
    if name in ("os.getcwd", "pathlib.Path.cwd"):
        yield file.finding(call, "LP106", f"{name}() is taken for the webui's folder")
    joins = name == "os.path.join" or name.endswith(("pathlib.Path", "Path"))
    opens = name in ("open", "os.listdir", "os.makedirs", "os.path.exists", "os.path.isdir")
    if not (joins or opens) or not call.args:
        return
    for position, argument in enumerate(call.args):
        value = argument.value if isinstance(argument, ast.Constant) else None
        if not isinstance(value, str):
            continue
        first = PurePosixPath(value.replace("\\", "/").removeprefix("./")).parts[:1]
        if first and first[0] in FOLDERS and (position == 0 or _is_webui_folder(file, call)):
            yield file.finding(argument, "LP106", f"the folder {value!r} is assumed")


def _is_webui_folder(file: PythonFile, call: ast.Call) -> bool:
    """Whether what a path begins with is the folder of the webui."""
    first = file.name_of(call.args[0])
    if isinstance(call.args[0], ast.Call):
        first = file.name_of(call.args[0].func)
    last = first.rpartition(".")[2]
    return last in ("script_path", "base_path", "getcwd", "cwd", "root_path", "webui_path")


def _setting(
    file: PythonFile, node: ast.Attribute, parents: dict[ast.AST, ast.AST]
) -> Iterator[Unless]:
    if not isinstance(node.ctx, ast.Load) or node.attr.startswith("__"):
        return
    holder = file.name_of(node.value)
    if holder not in SETTINGS or "extensions-builtin" in file.path.parts:
        return  # what comes with a webui knows what that webui has
    parent = parents.get(node)
    is_method = isinstance(parent, ast.Call) and parent.func is node
    if is_method or node.attr in ("data", "data_labels") or _is_guarded(node, parents):
        return
    text = f"{holder.rpartition('.')[2]}.{node.attr}"
    common = COMMON_SETTINGS if holder.endswith(".opts") else COMMON_OPTIONS
    if node.attr not in common:
        found = file.finding(node, "LP107", f"{text} may be missing in another webui or version")
        yield Unless(found, "text", _spellings(node.attr))


def _spellings(name: str) -> tuple[str, ...]:
    """How a file that adds a setting names it, or one that tests whether it is there."""
    return name, f"--{name.replace('_', '-')}", f"--{name}"


def _is_guarded(
    node: ast.AST,
    parents: dict[ast.AST, ast.AST],
    errors: Collection[str] = ("AttributeError", "Exception", ""),
) -> bool:
    """Whether it stands in a ``try`` that expects it to be missing."""
    at: ast.AST | None = node
    while at is not None:
        above = parents.get(at)
        if isinstance(above, ast.Try) and at in above.body:
            caught = {n for h in above.handlers for n in _names(h.type)}
            if not caught.isdisjoint(errors):
                return True
        at = above
    return False


def _names(node: ast.expr | None) -> set[str]:
    if node is None:
        return {""}
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _key(
    file: PythonFile, node: ast.Subscript, parents: dict[ast.AST, ast.AST]
) -> Iterator[Finding | Unless]:
    """What raises KeyError where it is missing: of the environment, of settings, of an image."""
    if not isinstance(node.ctx, ast.Load):
        return
    holder, text = file.name_of(node.value), text_of(node)
    if holder == "os.environ":
        yield file.finding(node, "LP107", f"{text} raises KeyError where it is not set")
        return
    name = node.slice.value if isinstance(node.slice, ast.Constant) else None
    if not isinstance(name, str) or _is_asked_for(node, name, parents):
        return
    if holder.endswith(".opts.data") and holder.removesuffix(".data") in SETTINGS:
        if name not in COMMON_SETTINGS and "extensions-builtin" not in file.path.parts:
            found = file.finding(node, "LP107", f"{text} raises KeyError in another webui")
            yield Unless(found, "text", _spellings(name))
    elif _is_info(file, node.value):
        yield file.finding(node, "LP107", f"{text} raises KeyError where an image has none")


def _is_info(file: PythonFile, node: ast.expr) -> bool:
    """Whether it is what an image says of itself: PIL's ``image.info``."""
    if not isinstance(node, ast.Attribute) or node.attr != "info":
        return False
    return text_of(node.value) not in ("self", "cls") and not file.is_imported(node)


def _is_asked_for(node: ast.Subscript, name: str, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether the function asks whether the key is there, or expects it to be missing."""
    if _is_guarded(node, parents, ("KeyError", "LookupError", "Exception", "")):
        return True
    around: ast.AST = node
    while around in parents and not isinstance(around, FUNCTIONS):
        around = parents[around]
    holder = text_of(node.value)
    return any(_asks_for(other, holder, name) for other in ast.walk(around))


def _asks_for(node: ast.AST, holder: str, name: str) -> bool:
    """Whether it is ``"name" in holder`` or ``holder.get("name")``."""
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
        key, held = node.left, text_of(node.comparators[0]).removesuffix(".keys()")
    elif isinstance(node, ast.Call) and node.args and text_of(node.func).endswith(".get"):
        key, held = node.args[0], text_of(node.func).removesuffix(".get")
    else:
        return False
    return isinstance(key, ast.Constant) and (key.value, held) == (name, holder)


def _hard_path(
    file: PythonFile, node: ast.Constant, parents: dict[ast.AST, ast.AST]
) -> Iterator[Finding]:
    value = node.value
    if not isinstance(value, str) or "\n" in value:
        return
    is_windows = value[1:3] in (":\\", ":/") and value[:1].isalpha()
    is_windows = is_windows and not isinstance(parents.get(node), ast.JoinedStr)
    if is_windows or (value.startswith(HARD) and " " not in value):
        yield file.finding(node, "LP114", f"a path of one machine: {value!r}")
