"""What a webui calls at its events, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livepatch.reports.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .registration import Point, Registration

MOST_NAMES = 24


def callbacks_table(title: str, points: Sequence[Point]) -> Report[Registration]:
    """The registrations of some events or hooks, in the order of their calls.

    Args:
        title: what is listed.
        points: the events or hooks.

    Returns:
        A report of the registrations; the title counts the events that have none.
    """
    found = [(point, point.states()) for point in points]
    states = {id(r): _word(r, state) for _, known in found for r, state in known.items()}
    numbers = {id(r): str(number) for _, known in found for number, r in enumerate(known)}
    several = len(found) > 1
    shown = [(point, known) for point, known in found if not (several and point.folded)]
    registrations = [registration for _, known in shown for registration in known]
    told = [point for point, known in found if point.note and (known or not point.verbs)]
    notes = dict.fromkeys(f"{point.event}: {point.note}" for point in told)
    heading = title
    if several:
        empty = [point.event for point, known in shown if not known]
        heading += f" · {len(registrations)} at {len(shown) - len(empty)} of {len(shown)}"
        heading += f" · none at {_listed(empty)}" if empty else ""
        folded = (f" · {point.event}: {len(known)}" for point, known in found if point.folded)
        heading += "".join(folded)
    heading += "".join(f" · {note}" for note in notes)
    return _report(heading, registrations, numbers, states)


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
) -> Report[Registration]:
    columns: dict[str, Callable[[Registration], object]] = {
        "event": lambda registration: registration.event,
        "": lambda registration: numbers[id(registration)],
        "callback": lambda registration: registration.name,
        "function": lambda registration: registration.function,
        "state": lambda registration: states[id(registration)],
        "owner": lambda registration: registration.owner,
        "where": lambda registration: registration.place,
    }
    if all(r.function.rpartition(".")[2] in r.name for r in registrations):
        del columns["function"]  # it would say the same again
    return Report(title, registrations, columns, "nothing is registered")


def _listed(names: list[str]) -> str:
    """Names on one line, of very many their number."""
    return ", ".join(names) if len(names) <= MOST_NAMES else f"{len(names)} others"


def _word(registration: Registration, state: str) -> str:
    if state == "off":
        return "muted"
    return "added" if registration.is_ours and state == "active" else state
