"""The values of a script's controls, for a script that came when the page had been drawn.

The values of all controls of a page are one list, and a script has a slice of it: ``args_from`` to
``args_to``. The page and the webui's API fill that list as they were when the page was drawn. A
script that comes later gets places behind all others, which the API is told of; where nobody sends
a value its hooks get the control's own.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from livepatch.engine.naming.slots import ABSENT
from livepatch.registries.containers import Put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from livepatch.registries.containers import Contents

LATE = "livepatch_is_late"
"""An attribute of an instance whose controls no page has drawn."""
OF_THE_PAGE = (
    *("args_from", "args_to", "name", "controls", "group", "api_info", "parent", "tabname"),
    LATE,
)
"""What the webui gives an instance as it draws its controls; and whether it has not."""
DEFAULTS = {
    "scripts_txt2img": "default_script_arg_txt2img",
    "scripts_img2img": "default_script_arg_img2img",
    "scripts_control": "default_script_arg_control",
}
"""What of its API holds the values of all controls of a page, by the runner of the page."""


def ask_controls(script: Any) -> list[Any] | None:
    """The controls that a script would draw; None where it has none.

    It draws them on a page that nobody sees, as the webui's own API does for their values.
    """
    blocks = getattr(sys.modules.get("gradio"), "Blocks", None)
    with blocks() if blocks is not None else contextlib.nullcontext():
        controls = script.ui(script.is_img2img)
    return None if controls is None else list(controls)


def take_over(script: Any, old: Any) -> None:
    """Give a script the places of the one that it takes the place of."""
    for name in OF_THE_PAGE:
        if name in vars(old):
            setattr(script, name, vars(old)[name])


def give_places(script: Any, runner: Any, old: Any, controls: Sequence[Any] | None) -> None:
    """Give a script places behind those of all other scripts of a page.

    Args:
        script: the script.
        runner: what has the scripts of the page.
        old: what the script takes the place of: the page may still send its values.
        controls: what it would draw.
    """
    taken = [len(getattr(runner, "inputs", None) or ()), *map(_end_of, [*runner.scripts, old])]
    setattr(script, LATE, True)
    script.args_from = max([1, *taken])  # 0 is the number of the script that is chosen
    script.args_to = script.args_from + len(controls or ())
    if controls is not None:
        script.controls = controls
        script.name = title_of(script).lower()


def title_of(script: Any) -> str:
    """What the page calls a script; one that has no title is called by its file."""
    try:
        return str(script.title())
    except Exception:  # the webui takes it so, too
        return str(script.filename)


def count(script: Any) -> int | None:
    """How many values a script gets; None where no page has a place for it."""
    begin, end = getattr(script, "args_from", None), getattr(script, "args_to", None)
    return end - begin if begin and end else None


def is_drawn(script: Any) -> bool:
    """Whether the page has controls of a script."""
    return bool(count(script)) and LATE not in vars(script)


def values_of(controls: Iterable[Any]) -> list[Any]:
    """The values that controls have when they are drawn."""
    return [getattr(control, "value", None) for control in controls]


def supply(script: Any, base: type, values: Sequence[Any]) -> None:
    """Have the methods of a script get the values of its controls where nobody sends them.

    Args:
        script: the script: its methods are looked up at each call, so changes of them count.
        base: the webui's class of scripts, which says what else its methods get.
        values: of its controls.
    """
    for name, method in vars(base).items():
        if callable(method) and not name.startswith("_"):
            kinds = [p.kind for p in inspect.signature(method).parameters.values()]
            if inspect.Parameter.VAR_POSITIONAL in kinds:
                before = kinds.index(inspect.Parameter.VAR_POSITIONAL) - 1
                setattr(script, name, partial(_call, script, name, before, tuple(values)))


def _call(
    script: Any, name: str, before: int, values: tuple[Any, ...], /, *args: Any, **kwargs: Any
) -> Any:
    sent = len(args) - before
    return getattr(type(script), name)(script, *args, *values[sent:], **kwargs)


def _end_of(script: Any) -> int:
    return int(getattr(script, "args_to", None) or 0)


@dataclass(eq=False)
class InDefaults(Put):
    """The values of a script's controls in the list that the webui's API begins with.

    Attributes:
        find: answers that list; None while the API has not worked it out.
        values: the values; None of a script that the page has drawn: the webui has put them there,
            unless it worked them out while the script was gone.
    """

    where: str
    item: Any
    find: Callable[[], list[Any] | None]
    values: list[Any] | None = None
    is_there: bool = True
    listed: list[Any] | None = None

    def is_in(self, contents: Contents) -> bool:  # noqa: ARG002 - it is no container of objects
        """Whether they are there."""
        return self.is_there

    def take_out(self, contents: Contents) -> None:  # noqa: ARG002
        """The values that were in their places; where there were none, nothing."""
        begin, end = self.item.args_from, self.item.args_to
        if self.is_there and self.values is not None and self.listed is self.find():
            last = len(self.listed or ()) <= end
            if self.listed is not None:
                self.listed[begin:end] = self.old or ([] if last else [None] * (end - begin))
        self.is_there = False

    def put_back(self, contents: Contents) -> None:  # noqa: ARG002
        """Each value in its place."""
        begin, end = self.item.args_from, self.item.args_to
        listed = self.find()
        if self.is_there and listed is self.listed:
            return
        self.is_there, self.listed = True, listed
        if self.listed is None:  # the API will ask the script itself
            return
        self.old = self.listed[begin:end]
        values = self.values
        if values is None and any(value is not None for value in self.old):
            return
        self.listed.extend([None] * (end - len(self.listed)))
        self.listed[begin:end] = (
            values_of(ask_controls(self.item) or ()) if values is None else values
        )


def default_lists(endpoints: Iterable[Any]) -> Mapping[str, list[Any]]:
    """The lists of values that an API has worked out already, by the runner of their page.

    Args:
        endpoints: what answers requests: the API's are methods of the object that has the lists.
    """
    found: dict[str, list[Any]] = {}
    for endpoint in endpoints:
        api = getattr(endpoint, "__self__", ABSENT)
        for runner, name in DEFAULTS.items():
            listed = getattr(api, "__dict__", {}).get(name)
            if isinstance(listed, list) and listed:
                found.setdefault(runner, listed)
    return found
