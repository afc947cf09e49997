"""Where the time of the running webui goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livepatch.errors import HostUnsupported, LivepatchError, PatchRefused
from livepatch.measure import Timing
from livepatch.web.gradio.timing import meter_of_events
from livepatch.web.meter import meter_of

from .callbacks import meters_of_calls
from .detect import host
from .events import events
from .middleware import middleware

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from livepatch.measure import Meter

# What answers the meters of each kind: of the app that is given, or of the webui. A webui without
# such a thing raises a LivepatchError, and is timed without it.
METERS: dict[str, Callable[[Any], Iterable[Meter]]] = {
    "middleware": lambda app: [meter_of(middleware(app))],
    "routes": lambda app: [meter_of(middleware(app))],
    "events": lambda page: [meter_of_events(events(page))],
    "callbacks": lambda _: meters_of_calls("callbacks"),
    "hooks": lambda _: meters_of_calls("hooks"),
}


OF_APP = ("requests", "events")


def timing(app: Any = None, *, only: str | Iterable[str] = ()) -> Timing:
    """Time the calls of the webui: per middleware, route, event, callback and hook.

    A call's self time is what it took without what it called that is timed too and without waiting
    for the client; *busy* is the part of it in which the webui's event loop could do nothing else.
    A middleware that sleeps for 5 ms takes 5 ms of its own and is not busy; one that blocks is.

    Args:
        app: whose requests are timed; default: the webui's own app.
        only: the kinds to time, such as ``"middleware"``; default: all that the webui has.

    Returns:
        A report to be used in ``with``: it times the calls that begin in its body. It is indexed by
        name; each part has ``calls`` and, in ms, ``median``, ``p95``, ``busy`` and ``total``.

    Raises:
        HostUnsupported: the webui has nothing that can be timed.
        PatchRefused: there is no such kind, or its stack cannot be mapped.

    Example:
        >>> from starlette.applications import Starlette
        >>> with timing(Starlette(), only=["middleware"]) as t:
        ...     t.is_recording
        True
        >>> t.is_recording
        False
    """
    wanted = ((only,) if isinstance(only, str) else tuple(only)) or tuple(METERS)
    unknown = [kind for kind in wanted if kind not in METERS]
    if unknown:
        found = f"there is no kind {unknown[0]!r}; livepatch can time {', '.join(METERS)}"
        raise PatchRefused(f"time {', '.join(map(str, wanted))}", found, "only=['middleware']")
    meters: list[Meter] = []
    refused: list[LivepatchError] = []
    for kind in wanted:
        try:
            meters += METERS[kind](app)
        except LivepatchError as error:
            if only:
                raise
            refused.append(error)
    if app is not None and refused and all(meter.group not in OF_APP for meter in meters):
        raise refused[0]
    if not meters:
        found = f"it has none of {', '.join(wanted)} (flavor {host().flavor})"
        raise HostUnsupported("time the webui", found, "give an app: lp.timing(app)")
    meters = list({id(meter): meter for meter in meters}.values())
    return Timing(f"Self times of {', '.join(wanted)}", meters)
