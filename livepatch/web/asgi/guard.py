"""Makes what webuis and extensions do to their own stack safe while requests run.

A1111 and its forks reset ``app.middleware_stack = None`` and then call ``app.add_middleware``. A
request in between builds the stack, and ``add_middleware`` raises "Cannot add middleware after an
application has started"; or it builds half of what was meant. Under guard the running stack is
never let go: what the webui declares is spliced in, and what is live already stays as it is.
"""

from __future__ import annotations

import functools
import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from livepatch.engine import LivepatchError
from livepatch.engine.answers import AnswerLine, answer
from livepatch.engine.changing.change import Change, ChangeDescription, apply
from livepatch.engine.changing.registry import registry
from livepatch.looking.callables import caller

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livepatch.web.layer import MiddlewareLayer

    from .adoption import Spec
    from .stack import AsgiStack

ATTRIBUTE = "middleware_stack"

log = logging.getLogger("livepatch")

_guards: dict[int, Guard] = {}
_watches: dict[int, Watch] = {}


def guard_stack(stack: AsgiStack) -> AnswerLine:
    """Guard the app of a stack; again does nothing."""
    with registry.lock:
        if stack.is_guarded:
            return answer(f"{stack.path} is guarded already")
        apply(Guarding(Guard(stack), caller()))
    return answer(
        f"guarded {stack.path}",
        "a late add_middleware takes effect at once and never raises",
        "lp.undo() removes the guard",
    )


def guard_of(stack: AsgiStack) -> Guard | None:
    """What guards the app of a stack; None: nothing does."""
    return _guards.get(id(stack.owner)) if stack.is_guarded else None


class Guarding(Change):
    """A guard comes up."""

    def __init__(self, guard: Guard, owner: str) -> None:
        self.guard = guard
        self.owner = owner
        self.is_up = False

    def prepare(self) -> None:
        """Look at the stack as it is now; refuse where it cannot be mapped."""
        self.guard.stack.refresh(f"guard {self.guard.stack.path}")

    def commit(self) -> None:
        """Put the guard up; it holds from now on, also inside a transaction."""
        self.is_up = True
        self.guard.install()

    def revert(self) -> None:
        """Take the guard away."""
        self.is_up = False
        self.guard.uninstall()

    def show(self, together: Sequence[Change]) -> None:  # noqa: ARG002
        """Splice the stack, or give the app its own back."""
        stack = self.guard.stack
        if not stack.is_published() or not self.is_up:
            stack.publish(stack.published)

    def describe(self) -> ChangeDescription:
        """What it is, for the journal."""
        path = self.guard.stack.path
        return ChangeDescription("guard", path, self.owner, "guard", "lp.middleware(app).guard()")


class Guard:
    """What stands over the stack of one app."""

    def __init__(self, stack: AsgiStack) -> None:
        self.stack = stack
        self.path = f"guard of {stack.path}"

    def install(self) -> None:
        """Begin to guard."""
        _guards[id(self.stack.owner)] = self
        registry.changed[id(self)] = self
        self.stack.is_guarded = True
        _install_on(self.stack.owner)

    def uninstall(self) -> None:
        """Guard no longer."""
        _guards.pop(id(self.stack.owner), None)
        registry.changed.pop(id(self), None)
        self.stack.is_guarded = False
        _remove_from(self.stack.owner)

    def own_layers(self) -> Sequence[Any]:
        """A guard is no layer."""
        return ()

    def way_back(self) -> Change:
        """The change that takes the guard away."""
        return Unguarding(self, caller())

    def add(self, original: Any, cls: Any, positional: Any, options: dict[str, Any]) -> None:
        """The webui adds a middleware: declare it, and let it become live if the stack is."""
        stack = self.stack
        with registry.lock:
            if stack.value is None:
                try:
                    original(stack.owner, cls, *positional, **options)
                except RuntimeError:
                    if stack.value is None:
                        raise
                else:
                    stack.await_build()
                    if stack.value is not None:
                        self.follow(only=stack.owner.user_middleware[0])
                    return
            declared = stack.owner.user_middleware
            spec = _declare_only(declared, original, cls, positional, options)
            try:
                self.follow(only=spec, is_asked=True)
            except LivepatchError as error:
                declared[:] = tuple(given for given in declared if given is not spec)
                raise error.__cause__ or error from None

    def store(self, value: Any) -> None:
        """The app, or somebody else, stores a stack."""
        stack = self.stack
        with registry.lock:
            if value is None and stack.value is not None:
                # Not let go: declarations may follow, also past add_middleware, until the next
                # request. There the app itself would have looked at them.
                try:
                    self.follow()
                    stack.look_before_next(self.follow)
                except LivepatchError as error:
                    log.warning("livepatch: cannot guard this stack: %s", error)
                else:
                    return
            stack.value = value
            if value is None or value is stack.entrance:
                return
            try:
                stack.refresh(f"guard {stack.path}")
                stack.publish(stack.published)
            except LivepatchError as error:
                log.warning("livepatch: the app stored a stack that cannot be guarded: %s", error)

    def follow(self, only: Any = None, *, is_asked: bool = False) -> None:
        """Let what the app declares be live; what is live already stays as it is.

        Args:
            only: the one declaration that may become live; default: all of them.
            is_asked: whether somebody waits for it, and is told of an error.
        """
        with registry.lock:
            self._follow(only, is_asked=is_asked)

    def _follow(self, only: Any, *, is_asked: bool) -> None:
        stack = self.stack
        asked = f"add the webui's own middleware to {stack.path}"
        stack.refresh(asked)
        shown = [p.layer for p in stack.published if p.on]
        region = stack.between_frameworks()
        live = {id(layer.spec): layer for layer in region}
        wanted: list[MiddlewareLayer] = []
        for spec in stack.specs():
            layer = live.get(id(spec.given))
            if layer is None and (only is None or spec.given is only):
                layer = self._made(asked, spec, is_asked)
            if layer is not None:
                wanted.append(layer)
        if wanted == region:
            return
        first = stack.first_of_its_own(stack.published)
        begin = shown.index(region[0]) if region else min(first, len(shown))
        found = [*shown[:begin], *wanted, *shown[begin + len(region) :]]
        stack.publish(stack.rebased(found))

    def _made(self, asked: str, spec: Spec, is_asked: bool) -> MiddlewareLayer | None:
        try:
            return self.stack.make_declared(asked, spec)
        except LivepatchError as error:
            if is_asked:
                raise
            log.warning("livepatch: middleware was declared that cannot become live: %s", error)
            return None


class Watch:
    """Follows the stack of one app whose requests are timed, whatever it builds."""

    def __init__(self, stack: AsgiStack) -> None:
        self.stack = stack

    def store(self, value: Any) -> None:
        """The app, or somebody else, stores a stack."""
        stack = self.stack
        with registry.lock:
            stack.value = value
            if value is None or value is stack.entrance:
                return
            try:
                stack.refresh(f"time {stack.path}")
                stack.publish(stack.published)
            except LivepatchError as error:
                log.warning("livepatch: the app stored a stack that cannot be timed: %s", error)


def watch(stack: AsgiStack, *, on: bool) -> None:
    """Follow the stack of an app, or no longer."""
    if on:
        _watches[id(stack.owner)] = Watch(stack)
        _install_on(stack.owner)
    else:
        _watches.pop(id(stack.owner), None)
        _remove_from(stack.owner)


class Unguarding(Guarding):
    """A guard goes."""

    def commit(self) -> None:
        """Take the guard away."""
        super().revert()

    def revert(self) -> None:
        """Put it up again."""
        super().commit()


class GuardedSlot:
    """``middleware_stack`` of every Starlette app, while one of them is guarded or timed."""

    def __get__(self, app: Any, cls: Any = None) -> Any:
        """What requests go through."""
        if app is None:
            return self
        try:
            return app.__dict__[ATTRIBUTE]
        except KeyError:
            raise AttributeError(ATTRIBUTE) from None

    def __set__(self, app: Any, value: Any) -> None:
        """Store a stack, past a guard where there is one."""
        guard = _guards.get(id(app)) or _watches.get(id(app))
        if guard is None or guard.stack.owner is not app:
            app.__dict__[ATTRIBUTE] = value
        else:
            guard.store(value)


def _install_on(app: Any) -> None:
    cls = _starlette_of(app)
    if isinstance(vars(cls).get(ATTRIBUTE), GuardedSlot):
        return
    original = cls.add_middleware

    @functools.wraps(original)
    def add_middleware(self: Any, middleware_class: Any, *args: Any, **options: Any) -> None:
        guard = _guards.get(id(self))
        if guard is None or guard.stack.owner is not self:
            original(self, middleware_class, *args, **options)
        else:
            guard.add(original, middleware_class, args, options)

    add_middleware.livepatch_original = original  # type: ignore[attr-defined]
    cls.add_middleware = add_middleware
    setattr(cls, ATTRIBUTE, GuardedSlot())


def _remove_from(app: Any) -> None:
    if _guards or _watches:
        return
    cls = _starlette_of(app)
    if isinstance(vars(cls).get(ATTRIBUTE), GuardedSlot):
        delattr(cls, ATTRIBUTE)
    original = getattr(cls.add_middleware, "livepatch_original", None)
    if original is not None:  # else someone else patched it since; theirs passes on to ours
        cls.add_middleware = original


def _starlette_of(app: Any) -> Any:
    return next(cls for cls in type(app).__mro__ if cls.__name__ == "Starlette")


def _declare_only(declared: Any, original: Any, cls: Any, positional: Any, options: Any) -> Any:
    """Let Starlette's own ``add_middleware`` declare it, without its look at the running stack."""
    unbuilt = SimpleNamespace(middleware_stack=None, user_middleware=declared)
    original(unbuilt, cls, *positional, **options)
    return declared[0]
