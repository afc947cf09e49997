"""What functions answer: the exported ones, beside what the live ones are made of.

Only functions that are pure Python of their own are called: what they reach was followed in the
webui's process, and is nothing but arithmetic, texts and collections. The live side travels as
code objects, so nothing of the webui is called in its own process.
"""

from __future__ import annotations

import ast
import asyncio
import base64
import builtins
import importlib
import inspect
import itertools
import marshal
import threading
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES: tuple[Any, ...] = (3, "a text", 2.5, [3, 1, 2], None, {"a": 1}, (1, 2), True)
LONGEST = 10_000
SECONDS = 2.0


def function_from(given: dict[str, Any]) -> Any:
    """A function as ``portable`` has described it."""
    names: dict[str, Any] = {"__builtins__": builtins, "__name__": "live"}
    for name, held in given["names"].items():
        names[name] = value_from(held)
    cells = tuple(types.CellType(value_from(held)) for held in given["cells"])
    code = marshal.loads(base64.b64decode(given["code"]))
    made = types.FunctionType(code, names, given["called"], None, cells)
    made.__defaults__ = ast.literal_eval(given["defaults"])
    made.__kwdefaults__ = ast.literal_eval(given["kwdefaults"])
    return made


def value_from(held: dict[str, Any]) -> Any:
    """A value as it was described: a literal, a module, or a function."""
    if "literal" in held:
        return ast.literal_eval(held["literal"])
    if "module" in held:
        return importlib.import_module(held["module"])
    return function_from(held)


def live_from(chain: list[dict[str, Any]]) -> Callable[..., Any]:
    """What the live target does: the original, then each layer over what is below."""
    below = function_from(chain[0]["new"])
    for layer in chain[1:]:
        below = _over(layer["verb"], function_from(layer["new"]), below)
    return below  # type: ignore[no-any-return]


def _over(verb: str, new: Any, below: Any) -> Any:
    if verb == "replace":
        return new
    if verb == "wrap":
        return lambda *args, **kwargs: new(below, *args, **kwargs)
    if verb == "filter_result":
        return lambda *args, **kwargs: new(below(*args, **kwargs))
    if verb == "filter_args":

        def filtered(*args: Any, **kwargs: Any) -> Any:
            args, kwargs = new(*args, **kwargs)
            return below(*args, **kwargs)

        return filtered

    def with_hook(*args: Any, **kwargs: Any) -> Any:
        if verb == "before":
            new(*args, **kwargs)
        result = below(*args, **kwargs)
        if verb == "after":
            new(result, *args, **kwargs)
        return result

    return with_hook


def differences(function: Any, live: Any, count: int) -> tuple[str, int]:
    """Call both with the same arguments.

    Args:
        function: what the export has made of the target.
        live: what is live in the webui.
        count: how many arguments have to be given.

    Returns:
        The first difference in words, or an empty text; and how many calls gave a result.
    """
    found: list[tuple[str, int]] = []

    def compare() -> None:
        results = 0
        for arguments in _arguments(count):
            theirs, ours = _answer(live, arguments), _answer(function, arguments)
            if theirs != ours:
                call = f"({', '.join(map(repr, arguments))})"
                found.append((f"{call} gives {ours}, live it gives {theirs}", results))
                return
            results += not theirs.startswith("raises ")
        found.append(("", results))

    thread = threading.Thread(target=compare, daemon=True)
    thread.start()
    thread.join(SECONDS)
    return found[0] if found else ("", 0)


def _arguments(count: int) -> list[tuple[Any, ...]]:
    turns = [itertools.islice(itertools.cycle(SAMPLES), i, i + count) for i in range(len(SAMPLES))]
    same = [(sample,) * count for sample in SAMPLES]
    return list({repr(one): one for one in [*same, *map(tuple, turns)]}.values())


def _answer(function: Any, arguments: tuple[Any, ...]) -> str:
    given = ast.literal_eval(repr(arguments))  # each call has its own
    try:
        result = function(*given)
        if inspect.iscoroutine(result):
            result = asyncio.run(result)
        elif inspect.isgenerator(result):
            result = list(itertools.islice(result, 50))
        elif inspect.isasyncgen(result):
            result = "an async generator"
        text = repr((result, given))
    except Exception as error:
        return f"raises {type(error).__name__}"
    return text[:LONGEST]
