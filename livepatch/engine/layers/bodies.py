"""One function object under a stack: what it ran before, what we installed, and the switch."""

from __future__ import annotations

import contextlib
import inspect
import operator
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from ..reading.sources import place
from ..reading.summaries import summary
from ..switching.codes import trampoline
from ..switching.functions import Behaviour, Description, clone, switch
from ..switching.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .patch import Patch

_UNKNOWN: Any = object()
_NAMES_A_SIGNATURE = frozenset(("__signature__", "__wrapped__"))


class Own(NamedTuple):
    """What a function is without us.

    Attributes:
        behaviour: what its calls run on.
        description: what it says of itself.
        base: another function that does and says the same.
    """

    behaviour: Behaviour
    description: Description
    base: Any  # a FunctionType; mypy takes one for a method


class Body:
    """A function object that a stack leads.

    Attributes:
        function: the function; its identity never changes.
        own: what it is without us.
        installed: what its calls run on as we left it.
    """

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        self._count_as_own(self.present())

    def present(self) -> Own:
        """What the function is now."""
        function = self.function
        return Own(Behaviour.of(function), Description.of(function), clone(function))

    def without_ours(self) -> Own:
        """What someone else made of the function: what still is as we left it counts as it was.

        Who exchanges the code alone leaves the defaults, doc and signature of our layer behind.
        """
        own, now, says = self.own, Behaviour.of(self.function), Description.of(self.function)
        base = clone(self.function)
        if now.code is self.installed.code:
            base.__code__ = own.behaviour.code
        base.__defaults__ = _kept(now.defaults, self.installed.defaults, own.behaviour.defaults)
        base.__kwdefaults__ = _kept(
            now.keyword_defaults, self.installed.keyword_defaults, own.behaviour.keyword_defaults
        )
        said = self._said
        Description(
            _kept(says.doc, said.doc, own.description.doc),
            _kept(says.annotate, said.annotate, own.description.annotate),
            _kept(says.annotations, said.annotations, own.description.annotations),
        ).give_to(base)
        if base.__dict__.get("__signature__") is self._signed:
            _set_signature(base, own.base.__dict__.get("__signature__"))
        return Own(Behaviour.of(base), Description.of(base), base)

    def rebase(self) -> None:
        """Take what the function is now as the webui's own."""
        self._count_as_own(self.own if self._is_as_before() else self.without_ours())

    def _count_as_own(self, own: Own) -> None:
        self.own = own
        self.installed = own.behaviour
        self._leads_to: Patch | None = None
        self._speaks_for: tuple[object, object] = (None, None)
        self._said = own.description
        self._signed = own.base.__dict__.get("__signature__")

    def _is_as_before(self) -> bool:
        """Whether the function is what it was when it was looked at last: spares a clone."""
        function, attributes, kept = self.function, self.function.__dict__, self.own.base.__dict__
        return (
            self.own.behaviour.is_that_of(function)
            and self.own.description.is_that_of(function)
            and attributes.keys() == kept.keys()
            and _same(attributes.values(), map(kept.__getitem__, attributes))
        )

    def forget_leads(self) -> None:
        """Lead and describe the function anew next time, whatever it runs now."""
        self._leads_to = _UNKNOWN
        self._speaks_for = (_UNKNOWN, _UNKNOWN)

    def show_foreign(self, foreign: Own) -> None:
        """Give the function back what someone else had made of it."""
        switch(
            self.function,
            foreign.behaviour,
            lambda: trampoline(self.function.__code__, foreign.base, matched=False),
        )
        foreign.description.give_to(self.function)
        self.forget_leads()

    def difference(self) -> str | None:
        """What someone else changed since we installed, in words."""
        function, ours = self.function, self.installed
        if function.__code__ is not ours.code:
            return f"__code__: it now runs {place(function)}"
        if function.__defaults__ is not ours.defaults:
            return f"__defaults__: now {summary(function.__defaults__)}"
        if function.__kwdefaults__ is not ours.keyword_defaults:
            return f"__kwdefaults__: now {summary(function.__kwdefaults__)}"
        return None

    def runs(self, patch: Patch | None) -> bool:
        """Whether calls run a patch, or None for its own code, as far as anyone has changed it."""
        return self._leads_to is patch and self.difference() is None

    def is_redefined(self) -> bool:
        """Whether the foreign code is another version of the function's own definition.

        IPython's autoreload (9.x, deduperreload) compiles an edited function with the file name
        of the code that it finds in the old one: that of ours.
        """
        now, own = self.function.__code__, self.own.behaviour.code
        files = (own.co_filename, self.installed.code.co_filename)
        # No compiler makes a code with a function among its constants: that is a trampoline.
        compiled = not any(isinstance(constant, FunctionType) for constant in now.co_consts)
        same = now.co_name == own.co_name and now.co_filename in files
        return compiled and same and now is not own

    def is_defined_again_by(self, function: FunctionType) -> bool:
        """Whether another function object is another version of the same definition."""
        mine, theirs = self.function, function
        return (
            theirs.__globals__ is mine.__globals__
            and theirs.__qualname__ == mine.__qualname__
            and theirs.__code__.co_filename == self.own.behaviour.code.co_filename
            and len(theirs.__code__.co_freevars) == len(self.own.behaviour.code.co_freevars)
            and kind_of(theirs.__code__) == kind_of(self.own.behaviour.code)
        )

    def lead(self, patch: Patch | None) -> None:
        """Make calls of the function run a patch, or its own code."""
        if self._leads_to is patch:
            return  # a store would cost 3.13 its specialised calls for nothing (cpython gh-117045)
        self._leads_to = _UNKNOWN  # what fails in the middle is done again
        if patch is None:
            _lead(self.function, self.own.base, None, self.own.behaviour)
        else:
            _lead(self.function, patch.function, patch.handle)
        self.installed = Behaviour.of(self.function)
        self._leads_to = patch

    def lead_handle(self, handle: FunctionType, below: Patch | None, base: FunctionType) -> None:
        """Make calls of a layer's ``original`` run the layer below, or the base."""
        if below is None:
            _lead(handle, base, None)
        else:
            _lead(handle, below.function, below.handle)

    def speak(self, patch: Patch | None, speaker: FunctionType | None) -> None:
        """Make the function say of itself what ``speaker`` says, with the signature that goes on.

        Args:
            patch: what calls run.
            speaker: the function of the topmost layer that does not only wrap; None: the base.
        """
        if self._speaks_for[0] is patch and self._speaks_for[1] is speaker:
            return
        self._speaks_for = (_UNKNOWN, _UNKNOWN)
        described = self.own.description if speaker is None else Description.of(speaker)
        described.give_to(self.function)
        self._said = described
        self._sign(patch, speaker)
        self._speaks_for = (patch, speaker)

    def _sign(self, patch: Patch | None, speaker: FunctionType | None) -> None:
        """What only wraps takes any arguments: the signature shown is that of the layer below.

        So does what stands for something else, and names it or its signature.
        """
        signature = self.own.base.__dict__.get("__signature__") if speaker is None else None
        if (patch is not None and not patch.describes) or (
            speaker is not None and not _NAMES_A_SIGNATURE.isdisjoint(speaker.__dict__)
        ):
            with contextlib.suppress(TypeError, ValueError):  # a builtin without one
                signature = inspect.signature(speaker or self.own.base)
        _set_signature(self.function, signature)
        self._signed = signature


def _same(some: Iterable[object], others: Iterable[object]) -> bool:
    return all(map(operator.is_, some, others))


def _kept(now: Any, ours: Any, own: Any) -> Any:
    """What stands there, or the webui's own where that is what we put there."""
    return own if now is ours else now


def _set_signature(function: FunctionType, signature: inspect.Signature | None) -> None:
    if signature is None:
        function.__dict__.pop("__signature__", None)
    else:
        function.__dict__["__signature__"] = signature


def _lead(
    function: FunctionType,
    new: FunctionType,
    handle: FunctionType | None,
    behaviour: Behaviour | None = None,
) -> None:
    if behaviour is None and handle is None and can_swap(new, function):
        behaviour = Behaviour.of(new)
    if behaviour is None:
        code = trampoline(function.__code__, new, handle=handle)
        behaviour = Behaviour(code, new.__defaults__, new.__kwdefaults__)
    switch(
        function,
        behaviour,
        lambda: trampoline(function.__code__, new, handle=handle, matched=False),
    )


def can_swap(new: FunctionType, old: FunctionType) -> bool:
    """Whether the code of ``new`` can run in ``old`` itself, at no cost per call.

    It must find the same globals and the same closure cells there, and be of the same kind.
    """
    return (
        new.__globals__ is old.__globals__
        and new.__code__.co_freevars == old.__code__.co_freevars
        and kind_of(new.__code__) == kind_of(old.__code__)
        and all(
            ours is theirs
            for ours, theirs in zip(new.__closure__ or (), old.__closure__ or (), strict=True)
        )
    )
