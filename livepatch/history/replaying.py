"""Replays what was live before a restart, where nothing prevents it."""

from __future__ import annotations

import ast
import builtins
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from livepatch.engine import LivepatchError, PatchRefused, live_layers, transaction
from livepatch.engine.answers import counted
from livepatch.engine.changing.registry import registry
from livepatch.engine.layers.function_stacks import original_function
from livepatch.engine.layers.installing import Wanted, install
from livepatch.engine.layers.owners import NOTEBOOK
from livepatch.engine.naming.targets import ClassTarget, Target, find
from livepatch.engine.reading.sources import source_of
from livepatch.engine.reading.texts import name_of, texts
from livepatch.reports import Report

from .clock import clock_of
from .lines import digest, original_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from livepatch.reports.table import Columns

    from .live import SavedLayer
    from .saved import Session

ReplayState = Literal["ready", "stale", "live", "left", "replayed", "refused"]


@dataclass
class Replayed:
    """A layer of an earlier session, and what replaying it comes to.

    Attributes:
        step: the number of its step in that session.
        time: when it was laid, in UTC, ISO 8601.
        verb: the verb that made it.
        target: the target's dotted name.
        owner: whose it was.
        name: the layer's name.
        source: its text, where there is one.
        state: ``ready``; ``stale`` where the target is gone, its source is another one or
            something is missing; ``live`` where it lies there already; ``left`` to what owns it;
            after a replay ``replayed`` or ``refused``.
        why: why it cannot be replayed, in words.
    """

    step: int
    time: str
    verb: str
    target: str
    owner: str
    name: str
    source: str | None
    state: ReplayState = "ready"
    why: str = ""
    saved: SavedLayer | None = field(default=None, repr=False)

    def __str__(self) -> str:
        why = f": {self.why}" if self.why else ""
        whose = f"{self.owner}'s {self.name!r}"
        return f"{self.step}. {self.verb} {self.target} ({whose}) · {self.state}{why}"


def replay_report(
    session: Session | None, found: list[Replayed], notes: Sequence[str] = ()
) -> Report[Replayed]:
    """What was live before, as a table with what cannot be replayed and why."""
    facts = ["Journal of earlier sessions"]
    if session is not None:
        facts = [f"Session {session.session} of {clock_of(session.since) or 'unknown'}"]
        if session.bad:
            places = ", ".join(session.bad[:3]) + (", …" if len(session.bad) > 3 else "")
            facts.append(f"{counted(len(session.bad), 'line')} could not be read ({places})")
        if session.lost:
            facts.append(f"{counted(session.lost, 'step')} could not be written")
    columns: Columns[Replayed] = {
        "step": lambda one: one.step,
        "time": lambda one: clock_of(one.time),
        "change": lambda one: f"{one.verb} {one.target}",
        "by": lambda one: one.owner if one.name == one.verb else f"{one.owner}'s {one.name!r}",
        "state": lambda one: f"{one.state}: {one.why}" if one.why else one.state,
    }
    rows = sorted(found, key=lambda one: one.step)  # laid in the order of their stacks
    return Report(" · ".join([*facts, *notes]), rows, columns, "nothing was live at its end")


def look(session: Session, namespace: dict[str, Any]) -> list[Replayed]:
    """What was live at the end of a session, and what replaying each would come to."""
    return [_look_at(saved, namespace) for saved in session.live()]


def replay_all(
    found: list[Replayed], namespace: dict[str, Any], steps: Collection[int] = ()
) -> None:
    """Lay what is ready, in one step for undo; what is refused is shown so.

    Args:
        found: what ``look`` said.
        namespace: the names that the notebook's changes see.
        steps: only those of these steps.

    Raises:
        PatchRefused: there is no such step among them; nothing has changed.
    """
    unknown = sorted(set(steps) - {one.step for one in found})
    if unknown:
        present = ", ".join(str(one.step) for one in found) or "none"
        raise PatchRefused(
            f"replay step {', '.join(map(str, unknown))}",
            f"the steps that were live at the session's end: {present}",
            "look at lp.journal.saved()",
        )
    ready = [one for one in found if one.state == "ready" and (not steps or one.step in steps)]
    with transaction():
        for one in ready:
            _replay(one, namespace)


def _look_at(saved: SavedLayer, namespace: dict[str, Any]) -> Replayed:
    line = saved.line
    one = Replayed(
        saved.step,
        saved.time,
        line["verb"],
        line["target"],
        line["owner"],
        line["name"],
        line.get("source"),
        saved=saved,
    )
    form = line.get("form")
    if one.owner.startswith("file "):
        one.state, one.why = "left", f"it comes back with %watch {one.owner[5:]}"
    elif form == "other":
        one.state, one.why = "left", "not a layer on a function: make it again"
    elif form == "value":
        one.state, one.why = "stale", "the journal holds no values: assign it again"
    elif form is None or not one.source:
        one.state, one.why = "stale", "its source text was not available"
    else:
        try:
            _check(one, line, namespace)
        except LivepatchError as error:
            one.state, one.why = "stale", error.found
        except Exception as error:  # the names may be anything
            one.state, one.why = "stale", f"looking it up raised {type(error).__name__}: {error}"
    return one


def _check(one: Replayed, line: dict[str, Any], namespace: dict[str, Any]) -> None:
    now = _original(find(f"replay {one.target}", one.target))
    original = line.get("original")
    names = _names_for(line, namespace)
    if (now and digest(now)) != original:
        one.state, one.why = "stale", "the webui's own source has changed"
    elif names is None:
        one.state, one.why = "stale", f"the module {line.get('module')} is not loaded"
    elif missing := _missing(line, names):
        one.state, one.why = "stale", f"needs {', '.join(missing)} of the notebook: define it first"
    elif any(_is_live(layer, one) for layer in live_layers()):
        one.state = "live"


def _is_live(layer: Any, one: Replayed) -> bool:
    identity = (layer.target, layer.owner, layer.name)
    return identity == (one.target, one.owner, one.name)


def _original(target: Any) -> str | None:
    if isinstance(target, Target):
        return original_of(
            target.override.model if target.override else original_function(target.function)
        )
    return source_of(target.cls) if isinstance(target, ClassTarget) else None


def _names_for(line: dict[str, Any], namespace: dict[str, Any]) -> dict[str, Any] | None:
    """The names of the place where the new code was written; None where it is not loaded."""
    home = line.get("module")
    if line["owner"] == NOTEBOOK and (home in registry.notebook_modules or home is None):
        return namespace
    if home == "__main__" or home in registry.notebook_modules:
        return namespace
    module = sys.modules.get(str(home))
    return None if module is None else vars(module)


def _missing(line: dict[str, Any], names: dict[str, Any]) -> list[str]:
    used = [name for name in line.get("names", ()) if isinstance(name, str)]
    return [f"`{n}`" for n in used if n not in names and not hasattr(builtins, n)]


def _replay(one: Replayed, namespace: dict[str, Any]) -> None:
    assert one.saved is not None
    line = one.saved.line
    asked = f"replay step {one.step}: {one.verb} {one.target}"
    names = _names_for(line, namespace)
    assert names is not None
    try:
        new = _new(asked, one, line, names)
        guard = line.get("guard", False)
        layer = install(
            asked,
            find(asked, one.target),
            new,
            Wanted(one.verb, one.name, one.owner, names, guard),
        )
        if not one.saved.on:
            layer.off()
    except LivepatchError as error:
        one.state, one.why = "refused", error.found
    except Exception as error:  # the text may be anything
        one.state, one.why = "refused", f"it raised {type(error).__name__}: {error}"
    else:
        one.state = "replayed"


def _new(asked: str, one: Replayed, line: dict[str, Any], names: dict[str, Any]) -> Any:
    """The new code as it was given: a text, or what a definition makes in its old place."""
    source, form = str(one.source), line["form"]
    if form == "text":
        return source
    filename = name_of(source, one.target)
    mode = "eval" if form == "lambda" else "exec"
    try:
        code = texts.keep(filename, source, lambda name: compile(source, name, mode))
        if form == "lambda":
            return eval(code, names)
        made: dict[str, Any] = {}
        exec(code, names, made)
        definition = ast.parse(source).body[-1]
        return made[getattr(definition, "name", "")]
    except Exception as error:
        raise PatchRefused(
            asked,
            f"its text raised {type(error).__name__}: {error}",
            "define it in a cell, and replace the target again",
        ) from error
