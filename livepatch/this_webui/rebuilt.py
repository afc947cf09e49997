"""Follows the webui from one app and page to the next: a reload makes them anew.

What of ours lies on the old ones goes upon the new ones, once the webui itself says that it is done
(:meth:`livepatch.adapters.base.Host.built`).
"""

from __future__ import annotations

import contextvars
import logging
import threading
import weakref
from typing import TYPE_CHECKING, Any

from livepatch.engine import subscribe
from livepatch.engine.changing.registry import registry
from livepatch.registries.loaded import ChangedExtension
from livepatch.registries.registering import holding_back
from livepatch.registries.watching import watch
from livepatch.web.asgi.guard import Guard
from livepatch.web.find import follow_app
from livepatch.web.followed import FollowedStack
from livepatch.web.gradio.find import follow_page
from livepatch.web.operations import OperationList

from .detect import webui

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from livepatch.engine.changing.change import Step

FOLLOWING = (FollowedStack, Guard, OperationList, ChangedExtension)
"""What lies on an app or a page, or was put into registries that a reload empties."""

log = logging.getLogger("livepatch")


class Page:
    """The app and the page that the webui serves, as they were last seen.

    Attributes:
        when_rebuilt: what is called when the webui has made them anew, on a thread of its own: it
            may load extensions. It answers what could not be made true again, for people.
    """

    path = "the webui's app and page"

    def __init__(self) -> None:
        self.when_rebuilt: list[Callable[[], Iterable[str]]] = []
        self._built: object = None
        self._is_telling = False
        self._app: Any = _nothing
        self._blocks: Any = _nothing

    def refresh(self) -> None:
        """Look whether the webui has made its app and page anew since; follow it, where it has."""
        with registry.lock:
            if not _is_followed():
                watch.leave(self)
            found = webui()
            built = found.built() if found is not None else None
            if found is None or built is None or built is self._built:
                return
            is_first, self._built = self._built is None, built
            app, blocks = self._app(), self._blocks()
            new_app, new_blocks = found.app(), found.blocks()
            self._app, self._blocks = _weakly(new_app), _weakly(new_blocks)
            if is_first:
                return
            if _is_another(new_app, app):
                _try(follow_app, app, new_app)
            if _is_another(new_blocks, blocks):
                _try(follow_page, blocks, new_blocks)
            self._is_telling = True
            thread = threading.Thread(target=self._tell, name="livepatch-rebuilt", daemon=True)
            # In a context of its own: what it logs is the webui's, not a cell's.
            contextvars.Context().run(thread.start)

    def _tell(self) -> None:
        for call in self.when_rebuilt:
            _try(call)
        self._is_telling = False

    def has_to_load(self) -> bool:
        """Whether extensions that livepatch had loaded are still to be loaded again."""
        if not any(isinstance(c, ChangedExtension) for c in registry.changed.values()):
            return False
        found = webui()
        return self._is_telling or (found is not None and found.built() is not self._built)

    def keep(self, _step: Step) -> None:
        """A step was made: look after the page while something of ours lies on it."""
        with registry.lock:
            if _is_followed():
                watch.follow(self)
                self.refresh()
            else:
                watch.leave(self)


def _is_followed() -> bool:
    return any(isinstance(changed, FOLLOWING) for changed in registry.changed.values())


def _is_another(new: Any, old: Any) -> bool:
    return new is not None and old is not None and new is not old


def _try(call: Callable[..., Any], *args: Any) -> None:
    """What fails leaves the rest, and the webui, alone; it is told in the log."""
    try:
        left = call(*args)
    except Exception:
        log.exception("livepatch: a change could not follow the webui's reload")
    else:
        for told in left or ():
            log.warning("livepatch: lost at the webui's reload: %s", told)


def _nothing() -> None:
    return None


def _weakly(thing: Any) -> Any:
    try:
        return weakref.ref(thing)
    except TypeError:
        return lambda: thing


page = Page()
subscribe("step", page.keep)
holding_back.append(page.has_to_load)
