"""Events: how the engine tells other rooms something without knowing them.

``before_commit`` and ``after_commit`` carry the changes that are about to become, or have become,
true (a revert included); ``step`` carries a finished :class:`~.change.Step`, which history records.
A host adapter subscribes to evict its webui's caches. ``is_idle`` is a question: an adapter answers
whether its webui runs nothing at the moment (a generation, a queue). So is ``modules``: which
modules the webui has loaded that are not in ``sys.modules`` under a dotted name, by such a name;
and ``remarks``: what is to be said of changes that have just become true.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

from .registry import registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

Event = Literal["before_commit", "after_commit", "is_idle", "modules", "remarks", "step"]

log = logging.getLogger("livepatch")


def subscribe(event: Event, call: Callable[[Any], object]) -> Callable[[], None]:
    """Call ``call`` at every such event.

    Args:
        event: ``"before_commit"``, ``"after_commit"`` (both with a list of changes), ``"step"``
            (with a ``Step``), ``"is_idle"`` (with None; ``call`` answers True, False, or None
            where it cannot know), ``"modules"`` (with the name that is looked for, or None for
            all of them; ``call`` answers a mapping of dotted names to modules) or ``"remarks"``
            (with a list of changes; ``call`` answers words for the answer line).
        call: may be called twice for one event when an interrupt came in between. What it raises is
            logged and changes nothing, except at ``before_commit``: there it refuses the change.

    Returns:
        A function that ends the subscription.

    Example:
        >>> seen = []
        >>> unsubscribe = subscribe("after_commit", seen.extend)
        >>> unsubscribe()
    """
    subscribers = registry.subscribers.setdefault(event, [])
    subscribers.append(call)

    def unsubscribe() -> None:
        if call in subscribers:
            subscribers.remove(call)

    return unsubscribe


def publish(event: Event, payload: object) -> None:
    """Tell the subscribers of an event."""
    for call in tuple(registry.subscribers.get(event, ())):
        if event == "before_commit":
            call(payload)
            continue
        try:
            call(payload)
        except Exception:
            # The change is already true and the webui runs on it: a listener's fault is told, never
            # passed on.
            log.exception("livepatch: a subscriber of %r failed", event)


def ask(event: Event) -> list[bool]:
    """What the subscribers of a question answer, None aside; who fails to answer says no.

    Example:
        >>> unsubscribe = subscribe("is_idle", lambda _: True)
        >>> ask("is_idle")
        [True]
        >>> unsubscribe()
    """
    answers = []
    for call in tuple(registry.subscribers.get(event, ())):
        try:
            answer = call(None)
        except Exception:  # a change that waits goes on waiting, and is shown so
            log.exception("livepatch: a subscriber of %r failed", event)
            answer = False
        if answer is not None:
            answers.append(bool(answer))
    return answers


def modules_named(name: str | None = None) -> dict[str, ModuleType]:
    """The loaded modules that only the subscribers of ``"modules"`` know by a dotted name.

    Args:
        name: the name that is looked for, so that a subscriber need not name all it knows.

    Example:
        >>> import textwrap
        >>> unsubscribe = subscribe("modules", lambda _: {"extensions.wrap.wrap": textwrap})
        >>> modules_named()
        {'extensions.wrap.wrap': <module 'textwrap' from ...>}
        >>> unsubscribe()
    """
    named: dict[str, ModuleType] = {}
    for call in tuple(registry.subscribers.get("modules", ())):
        try:
            answered: Any = call(name) or {}
            named = {**answered, **named}
        except Exception:  # a look-up goes on without the names that this one knows
            log.exception("livepatch: a subscriber of 'modules' failed")
    return named


def remarks(changes: object) -> list[str]:
    """What the subscribers of ``"remarks"`` say of changes that have become true.

    Example:
        >>> unsubscribe = subscribe("remarks", lambda changes: [f"{len(changes)} told"])
        >>> remarks(["a change"])
        ['1 told']
        >>> unsubscribe()
    """
    said: list[str] = []
    for call in tuple(registry.subscribers.get("remarks", ())):
        try:
            answered: Any = call(changes) or ()
            said += answered
        except Exception:  # the change is true whatever can be said of it
            log.exception("livepatch: a subscriber of 'remarks' failed")
    return said
