"""Checks a new function of a Gradio event, and tells Gradio of it."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

from livepatch.engine import PatchRefused
from livepatch.engine.reading.sources import definition_of, place
from livepatch.looking.callables import undecorated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def check_function(asked: str, function: Any, block_fn: Any, *, has_queue: bool = True) -> None:
    """Refuse a function that the event cannot call, or whose answer has other outputs.

    Args:
        asked: the user's request in words.
        function: the new function.
        block_fn: Gradio's own object for the event.
        has_queue: whether the page has the queue that streams need.

    Raises:
        PatchRefused: it does not fit; outputs are counted where the text of the function tells.
    """
    if inspect.iscoroutine(function):
        function.close()
        found = f"{function.__qualname__}(…) is a call of the function, not the function"
        raise PatchRefused(asked, found, f"give the function itself: {function.__name__}")
    if not callable(function):
        found = f"{function!r} cannot be called"
        raise PatchRefused(asked, found, "give a function: def f(…): …")
    if streams(function) and not has_queue:
        found = f"{_shown(function)} streams, and the page was launched without a queue"
        raise PatchRefused(asked, found, "return one value; or launch the page with demo.queue()")
    inputs, outputs = len(block_fn.inputs), len(block_fn.outputs)
    given = 1 if getattr(block_fn, "inputs_as_dict", False) else inputs
    least, most = _takes(function)
    if not least <= given <= most:
        takes = str(least) if least == most else f"{least} to {most if most < MANY else 'any'}"
        raise PatchRefused(
            asked,
            f"{_shown(function)} takes {takes} inputs, but the event passes {given}: "
            f"{listed(block_fn.inputs) or 'none'}",
            "take the same number; inputs and outputs of an event belong to the page",
        )
    answered = next((n for n in _answers(function) if outputs > 1 and n != outputs), None)
    if answered is not None:
        raise PatchRefused(
            asked,
            f"{_shown(function)} returns {answered} outputs, but the event has {outputs}: "
            f"{listed(block_fn.outputs)}",
            "return the same number; gr.skip() leaves an output as it is",
        )


MANY = 1 << 30
MOST_LISTED = 3
LONGEST_LABEL = 30
"""In characters; a label may be a paragraph of HTML."""


def attributes_for(block_fn: Any, function: Any) -> dict[str, Any]:
    """What Gradio keeps of a function with its event, in this version of Gradio."""
    blocks = sys.modules.get("gradio.blocks")
    progress, event_data, *more = _special(function)
    keyword_names = list(getattr(block_fn, "input_keyword_names", ()))
    positional = len(block_fn.inputs) - len(keyword_names)
    found = {
        "fn": function,
        "name": getattr(function, "__name__", "fn"),
        "types_generator": streams(function),
        "tracks_progress": progress is not None,
        "collects_event_data": event_data is not None,
    }
    names = getattr(blocks, "_get_input_parameter_names", None)
    if names is not None:
        found["input_parameter_names"] = names(function, positional, keyword_names)
    props = getattr(blocks, "_get_component_prop_inputs", None)
    positions = getattr(blocks, "_get_input_parameter_positions", None)
    if props is not None and positions is not None:
        at = positions(function, positional, keyword_names)
        found["component_prop_inputs"] = props(function, more[0] if more else [], at)
    return {name: value for name, value in found.items() if name in vars(block_fn)}


def config_of(entry: dict[str, Any], function: Any) -> dict[str, Any]:
    """What the config of a page says of a function, where the event itself does not know.

    Args:
        entry: what the config says of the event.
        function: what the event runs now.
    """
    _, event_data, *_ = _special(function)
    return {
        "types": {**entry.get("types", {}), "generator": streams(function)},
        "collects_event_data": event_data is not None,
    }


def _special(function: Any) -> tuple[Any, ...]:
    """Where Gradio gives a function its progress bar and its event data by itself, and more."""
    helpers = sys.modules.get("gradio.helpers")
    return tuple(helpers.special_args(function)[1:]) if helpers else (None, None)


def silent(function: Any, block_fn: Any) -> Any:
    """A function with the signature of another one that does nothing and changes no output."""
    count = len(block_fn.outputs)

    def muted(*_: Any, **__: Any) -> Any:
        updates = [{"__type__": "update"} for _ in range(count)]
        return updates if count > 1 else updates[0] if updates else None

    if not callable(function):
        return muted
    return functools.wraps(function)(muted)


def fitting(function: Any, running: Any) -> Any:
    """A function that Gradio can put in the place of another one while events run.

    Gradio asks the present function whether a stream is under way. In place of a generator a plain
    function therefore becomes a generator that yields once, or streams that run would end amiss.

    Args:
        function: the new function.
        running: the function whose streams may be under way.
    """
    if not streams(running) or streams(function):
        return function
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def yields_once(*args: Any, **kwargs: Any) -> Any:
            yield await function(*args, **kwargs)

        return yields_once

    @functools.wraps(function)
    def yields(*args: Any, **kwargs: Any) -> Any:
        yield function(*args, **kwargs)

    return yields


class Streams:
    """Counts the streams of a generator function, and calls back when the last one has ended.

    Attributes:
        running: how many there are.
        when_done: called as the last one ends; None: nobody waits.
    """

    def __init__(self) -> None:
        self.running = 0
        self.when_done: Callable[[], None] | None = None

    def counting(self, function: Any) -> Any:
        """The same generator function, its streams counted."""
        if inspect.isasyncgenfunction(function):

            @functools.wraps(function)
            async def counted_async(*args: Any, **kwargs: Any) -> Any:
                self.running += 1
                try:
                    async for value in function(*args, **kwargs):
                        yield value
                finally:
                    self._end()

            return counted_async

        @functools.wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.running += 1
            try:
                yield from function(*args, **kwargs)
            finally:
                self._end()

        return counted

    def _end(self) -> None:
        self.running -= 1
        if not self.running and self.when_done is not None:
            self.when_done()


def streams(function: Any) -> bool:
    """Whether a function is a generator function, async or not."""
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def describe(block: Any) -> str:
    """A component in words: ``textbox 'Name'``."""
    kind = block.get_block_name() if hasattr(block, "get_block_name") else type(block).__name__
    label = getattr(block, "label", None)
    if not isinstance(label, str) or not label:
        value = getattr(block, "value", None)
        label = value if kind == "button" and isinstance(value, str) else None
    if label and len(label) > LONGEST_LABEL:
        label = f"{label[: LONGEST_LABEL - 1]}…"
    return f"{kind} {label!r}" if label else str(kind)


def listed(blocks: Sequence[Any]) -> str:
    """The first components in words, and how many there are.

    A button of A1111 reads two hundred, and SD.Next has two thousand events.

    Example:
        >>> class Number: ...
        >>> listed([Number()] * 3), listed([Number()] * 200)
        ('Number, Number, Number', 'Number, Number, … 200 in all')
    """
    if len(blocks) <= MOST_LISTED:
        return ", ".join(map(describe, blocks))
    return ", ".join([*map(describe, blocks[: MOST_LISTED - 1]), f"… {len(blocks)} in all"])


def _takes(function: Any) -> tuple[int, int]:
    """How many inputs a function takes at least and at most; what Gradio gives itself aside."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # built in: Python cannot tell
        return 0, MANY
    utils = sys.modules.get("gradio.utils")
    is_special = getattr(utils, "is_special_typed_parameter", None)
    hints = utils.get_type_hints(function) if utils is not None else {}
    least = most = 0
    for name, parameter in parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            most = MANY
        elif parameter.kind not in (
            parameter.POSITIONAL_ONLY,
            parameter.POSITIONAL_OR_KEYWORD,
        ) or (is_special is not None and is_special(name, hints)):
            continue
        elif type(parameter.default).__module__.startswith("gradio."):
            continue  # gr.Progress() and gr.Cache(): Gradio gives them
        else:
            most += 1
            least += parameter.default is parameter.empty
    return least, most


def _answers(function: Any) -> Iterator[int]:
    """How many outputs a function answers, once for each place whose text tells."""
    code = undecorated(function)
    definition = definition_of(code) if isinstance(code, FunctionType) else None
    if isinstance(definition, ast.Lambda):
        yield from _count(definition.body)
    elif definition is not None:
        for node in _own_nodes(definition):
            if isinstance(node, (ast.Return, ast.Yield)) and node.value is not None:
                yield from _count(node.value)


def _count(value: ast.expr) -> Iterator[int]:
    if isinstance(value, ast.Tuple):
        if not any(isinstance(element, ast.Starred) for element in value.elts):
            yield len(value.elts)
    elif isinstance(value, (ast.Constant, ast.JoinedStr)) and not _is_none(value):
        yield 1


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _own_nodes(definition: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of the functions in it."""
    for child in ast.iter_child_nodes(definition):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            yield child
            yield from _own_nodes(child)


def _shown(function: Any) -> str:
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{name} ({place(undecorated(function))})"
