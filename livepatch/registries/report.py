"""What a webui calls at its events, as a table."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING

from livepatch.engine.answers import counted
from livepatch.engine.layers.function_stacks import patched_function
from livepatch.looking.callables import function_of, target_of
from livepatch.reports.places import place_column
from livepatch.reports.report import Report
from livepatch.reports.table import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .registration import Point, Registration

MOST_NAMES = 6
MOST_ROWS = 40


def callbacks_table(
    title: str, points: Sequence[Point], magic: str = "", only: Sequence[Registration] | None = None
) -> Report[Registration]:
    """The registrations of some events or hooks, in the order of their calls.

    Args:
        title: what is listed.
        points: the events or hooks.
        magic: what lists one of them, where these are all that the webui has: then, of those that
            have very many registrations, only what has changed is shown.
        only: those that are shown.

    Returns:
        A report of the registrations; the title counts the events that have none.
    """
    found = [(point, point.states()) for point in points]
    states = {id(r): _word(r, state) for _, known in found for r, state in known.items()}
    numbers = {id(r): str(number) for _, known in found for number, r in enumerate(known)}
    if only is not None:
        return _report(title, only, numbers, states)
    several = len(found) > 1
    folded = [p for p, known in found if magic and p.folded and (several or len(known) > MOST_ROWS)]
    shown = [
        (p, {r: s for r, s in known.items() if p not in folded or states[id(r)] != "active"})
        for p, known in found
    ]
    registrations = [registration for _, known in shown for registration in known]
    told = [point for point, known in found if point.note and (known or not point.verbs)]
    notes = dict.fromkeys(f"{point.event}: {point.note}" for point in told)
    heading = title
    if several:
        whole = [(point, known) for point, known in shown if point not in folded]
        empty = [point.event for point, known in whole if not known]
        count = sum(len(known) for _, known in whole)
        of_all = counted(len(whole), magic.removesuffix("s") or "event")
        heading += f" · {count} registered at {len(whole) - len(empty)} of {of_all}"
        heading += f" · none at {_listed(empty)}" if empty else ""
    for point, known in found:
        if point in folded:
            heading += f" · {point.event}: {len(known)} (%{magic} {point.event}, or a NAME of it)"
    heading += "".join(f" · {note}" for note in notes)
    if_none = "livepatch has changed none of them" if folded else "nothing is registered"
    return _report(heading, registrations, numbers, states, if_none)


def registrations_table(title: str, registrations: Sequence[Registration]) -> Report[Registration]:
    """Registrations of several events, such as all of one extension.

    Args:
        title: what is listed.
        registrations: the callbacks or hooks.
    """
    states = {id(r): _word(r, str(r.state)) for r in registrations}
    return _report(title, registrations, dict.fromkeys(map(id, registrations), ""), states)


def _report(
    title: str,
    registrations: Sequence[Registration],
    numbers: dict[int, str],
    states: dict[int, str],
    empty: str = "nothing is registered",
) -> Report[Registration]:
    columns: list[Column[Registration]] = [
        Column("event", lambda registration: registration.event),
        Column("", lambda registration: numbers[id(registration)]),
        Column("callback", lambda registration: registration.name),
        Column("state", lambda registration: states[id(registration)]),
        Column("owner", lambda registration: registration.owner),
        Column("function", lambda registration: target_of(registration.callback)),
        place_column("where", lambda registration: registration.place),
    ]
    return Report(title, registrations, columns, empty)


def _listed(names: list[str]) -> str:
    """Names on one line, of very many their number."""
    return ", ".join(names) if len(names) <= MOST_NAMES else f"{len(names)} others"


def _word(registration: Registration, state: str) -> str:
    if state == "off":
        return "muted"
    if registration.is_ours and state == "active":
        return "added"
    function = function_of(registration.callback)
    patched = patched_function(function) if isinstance(function, FunctionType) else None
    return "patched" if state == "active" and patched is not None else state
