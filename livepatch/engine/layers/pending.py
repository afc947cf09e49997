"""Changes that wait for a safe point: until no thread is inside the target.

A long call that is under way (a generation) finishes on the code that it began with.
``when="idle"`` waits for its end, and for the webui's own word that nothing is running (the event
``is_idle``, which host adapters answer from their lock or queue).
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Literal

from ..answers import DONE, answer
from ..changing.change import apply, open_step
from ..changing.events import ask
from ..changing.registry import registry
from ..errors import PatchRefused, is_refusal
from ..switching.frames import running_calls
from ..switching.kinds import kind_of
from .function_stacks import is_over_function

if TYPE_CHECKING:
    from collections.abc import Callable

    from .stacks import Layer, Restack, Stack

log = logging.getLogger("livepatch")

When = Literal["now", "idle"]

# How often the threads are looked at, in seconds. One look costs some 10 µs.
INTERVAL = 0.02


class Pending:
    """A change that waits.

    Args:
        layer: the layer that it puts there.
        stacks: the stacks over the functions that no call may be inside.
        make: makes the changes when the time has come.

    Attributes:
        step: that of the transaction that asked for it, if any.
        replaced: what waited before it, to wait again where that transaction fails.
        is_given_up: whether it has failed.
    """

    def __init__(
        self, layer: Layer, stacks: list[Stack], make: Callable[[], list[Restack]]
    ) -> None:
        self.layer = layer
        self.stacks = stacks
        self.make = make
        self.step = open_step()
        self.replaced: Pending | None = None
        self.is_given_up = False

    def is_due(self) -> bool:
        """Whether no thread is inside the targets and the webui says that nothing runs.

        What a transaction asked for waits for its end as well.
        """
        if self.step is not None and not self.step.is_over():
            return False
        answers = ask("is_idle")
        if not all(answers):
            return False
        functions = filter(is_over_function, self.stacks)
        codes = [code for stack in functions for code in stack.entered_codes]
        return running_calls(codes) == 0

    def force(self) -> None:
        """Put the layer there now, whatever runs."""
        with registry.lock:
            if self.layer not in registry.pending:
                return
            changes = self.make()
            apply(*changes)
            self.layer.verb = changes[0].verb
            forget(self.layer)
            self._answer("without waiting any longer")

    def _answer(self, fact: str) -> None:
        self.layer.answer = answer(f"{DONE[self.layer.verb]} {self.layer.target}", fact)

    def cancel(self) -> None:
        """Wait no longer; nothing has changed."""
        with registry.lock:
            if forget(self.layer):
                self.layer.answer = answer(f"cancelled {self.layer.target}", "nothing was changed")

    def try_now(self) -> None:
        """Put the layer there if the time has come.

        What stands against it by then is logged, and the layer waits no longer.
        """
        if not self.is_due() or not registry.lock.acquire(timeout=INTERVAL):
            return
        try:
            if self.layer in registry.pending and self.is_due():
                self.force()
                self._answer("when no call was inside it")
        except Exception as error:
            forget(self.layer)
            found = getattr(error, "found", None) or f"{type(error).__name__}: {error}"
            self.layer.answer = answer(f"refused {self.layer.target}", found)
            log.warning("livepatch: %s", error, exc_info=None if is_refusal(error) else error)
        finally:
            registry.lock.release()


def wait_for_idle(asked: str, pending: Pending) -> None:
    """Let a change wait; a thread of ours looks for its moment.

    Raises:
        PatchRefused: the target's calls cannot be seen from outside and no host says when none is
            under way.
    """
    functions = filter(is_over_function, pending.stacks)
    lazy = [s for s in functions if kind_of(s.model.__code__) != "plain function"]
    if lazy and not ask("is_idle"):
        raise PatchRefused(
            asked,
            f"{lazy[0].path} is a {kind_of(lazy[0].model.__code__)}: livepatch cannot see "
            "whether one is suspended, and this webui has no lock that tells when none runs",
            'leave out when="idle"; running calls then finish on the code they began with',
        )
    with registry.lock:
        if pending.step is not None:
            pending.replaced = registry.pending.get(pending.layer)
            pending.step.taken_back.append(lambda: _give_up(pending))
        _wait(pending)


def _give_up(pending: Pending) -> None:
    """Let what was asked for wait no longer; what others have asked for since goes on."""
    pending.is_given_up = True
    if registry.pending.get(pending.layer) is not pending:
        return
    before = pending.replaced
    while before is not None and before.is_given_up:
        before = before.replaced
    if before is not None:
        _wait(before)
    else:
        del registry.pending[pending.layer]


def forget(layer: Layer) -> bool:
    """Let a layer wait no longer; whether it did. A rollback makes it wait again.

    The lock is held.
    """
    pending = registry.pending.pop(layer, None)
    step = None if pending is None else open_step()
    if step is not None:
        step.taken_back.append(lambda: _wait_again(pending))
    return pending is not None


def _wait_again(pending: Pending) -> None:
    if pending.layer not in registry.pending:  # nobody has asked for something else since
        _wait(pending)


def _wait(pending: Pending) -> None:
    registry.pending[pending.layer] = pending
    if registry.watcher is None or not registry.watcher.is_alive():
        registry.watcher = threading.Thread(target=_watch, name="livepatch-idle", daemon=True)
        registry.watcher.start()


def _watch() -> None:
    """Try what is pending, again and again, as long as something is."""
    while True:
        for pending in list(registry.pending.copy().values()):
            try:
                pending.try_now()
            except Exception:  # a host's answer failed: the change keeps waiting, and is shown so
                log.exception("livepatch: %s waits", pending.layer.target)
        with registry.lock:
            if not registry.pending:
                registry.watcher = None
                return
        time.sleep(INTERVAL)
