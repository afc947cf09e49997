"""Rules of callbacks and hooks: LP108 and LP109."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .source import FUNCTIONS, FunctionNode, PythonFile, body_of, calls_in, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .findings import Finding

OFTEN = frozenset(
    {
        *("on_cfg_denoiser", "on_cfg_denoised", "on_cfg_after_cfg", "on_before_component"),
        *("on_after_component", "on_before_image_saved", "on_image_saved", "on_extra_noise"),
        *("on_before_token_counter", "on_step"),
    }
)
OFTEN_METHODS = frozenset(
    {
        *("process_batch", "before_process_batch", "process_before_every_sampling"),
        *("postprocess_batch", "postprocess_image", "before_component", "after_component"),
        *("process_step", "on_mask_blend", "post_sample"),
    }
)
HOOKS = frozenset(
    {
        *OFTEN_METHODS,
        *("before_process", "process", "postprocess", "postprocess_batch_list", "before_hr"),
        *("after_extra_networks_activate", "postprocess_image_after_composite"),
        *("postprocess_maskoverlay", "setup"),
    }
)
TEXTGEN = frozenset(
    {
        *("input_modifier", "output_modifier", "state_modifier", "history_modifier"),
        *("chat_input_modifier", "bot_prefix_modifier", "tokenizer_modifier"),
        *("logits_processor_modifier",),
    }
)
ONE_TIME = frozenset(
    {
        *("torch.load", "torch.hub.load", "open", "urllib.request.urlopen"),
        *("urllib.request.urlretrieve", "safetensors.torch.load_file"),
    }
)
ONE_TIME_ENDS = ("from_pretrained", "hf_hub_download", "load_file_from_url", "snapshot_download")
SWITCHES = ("enable", "active", "disabled", "is_on", "activate", "switch")
FEW = 3


def callbacks(file: PythonFile) -> Iterator[Finding]:
    """The findings of both rules."""
    registered = _registered(file)
    for function, event in registered.items():
        if event in OFTEN:
            yield from _one_time_work(file, function, event)
            yield from _early_exit(file, function, event)
    for cls in ast.walk(file.tree):
        if isinstance(cls, ast.ClassDef) and _is_script(file, cls):
            for method in cls.body:
                if isinstance(method, FUNCTIONS) and method.name in HOOKS:
                    if method.name in OFTEN_METHODS:
                        yield from _one_time_work(file, method, method.name)
                    yield from _early_exit(file, method, method.name)
    if _is_textgen(file):
        for statement in file.tree.body:
            if isinstance(statement, FUNCTIONS) and statement.name in TEXTGEN:
                yield from _one_time_work(file, statement, statement.name)
                yield from _early_exit(file, statement, statement.name)


def _registered(file: PythonFile) -> dict[FunctionNode, str]:
    """The functions that are given to ``script_callbacks.on_…``, with the event."""
    by_name = {f.name: f for f in file.functions}
    found: dict[FunctionNode, str] = {}
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Call) and node.args:
            name = file.name_of(node.func)
            if "script_callbacks" in name and name.rpartition(".")[2].startswith("on_"):
                function = by_name.get(file.name_of(node.args[0]).rpartition(".")[2])
                if function is not None:
                    found[function] = name.rpartition(".")[2]
    return found


def _is_script(file: PythonFile, cls: ast.ClassDef) -> bool:
    return any(file.name_of(base).endswith(("scripts.Script", ".Script")) for base in cls.bases)


def _is_textgen(file: PythonFile) -> bool:
    """Whether it is the ``script.py`` of an extension of text-generation-webui."""
    return file.path.name == "script.py"


def _one_time_work(file: PythonFile, function: FunctionNode, event: str) -> Iterator[Finding]:
    for statement in _not_in_branches(body_of(function)):
        for call in calls_in(statement):
            name = file.name_of(call.func)
            if name in ONE_TIME or name.endswith(ONE_TIME_ENDS):
                found = f"{name}() at every {event}"
                yield file.finding(call, "LP108", found)


def _not_in_branches(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run every time: a branch may be the one that keeps the result."""
    for statement in statements:
        if isinstance(statement, (ast.With, ast.For)):
            yield from _headers(statement)
            yield from _not_in_branches(statement.body)
        elif isinstance(statement, ast.Try):
            yield from _not_in_branches(statement.body)
        elif not isinstance(statement, (ast.If, *FUNCTIONS, ast.ClassDef)):
            yield statement


def _headers(statement: ast.With | ast.For) -> Iterator[ast.stmt]:
    if isinstance(statement, ast.With):
        for item in statement.items:
            yield ast.copy_location(ast.Expr(item.context_expr), statement)


def _early_exit(file: PythonFile, function: FunctionNode, event: str) -> Iterator[Finding]:
    """LP109, where the function does more than a little and shows no way past it."""
    body = body_of(function)
    work = [s for s in body if not isinstance(s, (ast.Pass, ast.Global, ast.Nonlocal))]
    work = [s for s in work if not isinstance(s, ast.Return) or s.value is not None]
    is_trivial = len(work) <= 1 and not any(True for s in work for _ in calls_in(s))
    is_one_return = len(work) == 1 and isinstance(work[0], (ast.Return, ast.Raise))
    if not work or is_trivial or is_one_return:
        return
    if (
        _asks_what_is_enabled(work)
        or any(_is_way_out(statement) for statement in work[: FEW + 3])
        or _all_in_one_if(work)
    ):
        return
    yield file.finding(function, "LP109", f"{function.name}() ({event}) has no early exit")


def _asks_what_is_enabled(work: list[ast.stmt]) -> bool:
    """Whether everything is done in a loop over what is enabled."""
    loops = [s for s in work if isinstance(s, ast.For)]
    prepared = [text_of(s) for s in work if isinstance(s, (ast.Assign, ast.AnnAssign))]
    headers = " ".join([*prepared, *(text_of(loop.iter) for loop in loops)]).lower()
    rest = [s for s in work if not isinstance(s, (ast.Assign, ast.AnnAssign, ast.For, ast.Return))]
    return bool(loops) and not rest and any(word in headers for word in SWITCHES)


def _is_way_out(statement: ast.stmt) -> bool:
    """Whether a statement is an ``if`` that leaves the function."""
    if not isinstance(statement, ast.If):
        return False
    return any(isinstance(part, (ast.Return, ast.Raise)) for part in statement.body)


def _all_in_one_if(work: list[ast.stmt]) -> bool:
    """Whether everything but preparations and the answer is in a branch."""
    rest = [s for s in work if not isinstance(s, (ast.Assign, ast.AnnAssign, ast.Return))]
    return (
        bool(rest)
        and all(isinstance(s, (ast.If, ast.Try)) for s in rest)
        and any(isinstance(s, ast.If) for s in rest)
    )
