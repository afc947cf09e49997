"""One patched function: its original, what livepatch installed, and what it runs now."""

from __future__ import annotations

import contextlib
import inspect
import operator
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ..reading.sources import place
from ..switching.kinds import kind_of
from ..switching.leading import lead, switch_calls
from ..switching.state import FunctionState, clone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .patch import Patch

_UNKNOWN: Any = object()
_PLAIN = (bool, bytes, complex, float, int, str, type(None))
_NAMES_A_SIGNATURE = frozenset(("__signature__", "__wrapped__"))


class PatchedFunction:
    """A function object that a stack leads.

    Attributes:
        function: the function; its identity never changes.
        original: a copy with the code and the attributes that it has without our layers;
            never changed, another one is set.
        original_state: the state of that.
        installed: the function's state as we left it.
    """

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        self.original: Any = clone(function)  # a FunctionType; mypy takes one for a method
        self.original_state = self.installed = FunctionState.of(self.original)
        self._runs: Patch | None = None
        self._speaker: FunctionType | None = None

    def present(self) -> FunctionType:
        """A function that does and says what this one does and says now."""
        return clone(self.function)

    def without_ours(self) -> FunctionType:
        """What someone else made of the function: what still is as we left it counts as it was.

        Who exchanges the code alone leaves the defaults, doc and signature of our layer behind.
        """
        now = FunctionState.of(self.function)
        kept = FunctionState(*map(_kept, now, self.installed, self.original_state))
        theirs = clone(self.function)
        theirs.__code__ = kept.code
        theirs.__defaults__ = kept.defaults
        theirs.__kwdefaults__ = kept.keyword_defaults
        kept.describe(theirs)
        return theirs

    def own(self, *, is_patched: bool) -> FunctionType:
        """A function that does and says what this one is without us now; changes nothing.

        Args:
            is_patched: whether layers lie on it: then only its own definition made anew counts.
        """
        if is_patched:
            is_as_known = self.difference() is None or not self.is_redefined()
        else:
            is_as_known = self._is_as_before()
        return self.original if is_as_known else self.without_ours()

    def set_original(self, function: FunctionType) -> None:
        """Count something else as the webui's own; it is installed with the layers next time."""
        if self.original is not function:
            self.original, self.original_state = function, FunctionState.of(function)
            self.forget()

    def _is_as_before(self) -> bool:
        """Whether the function is what it was when it was looked at last: spares a clone."""
        attributes, kept = self.function.__dict__, self.original.__dict__
        return self.installed.is_that_of(self.function) and (
            not (attributes or kept)
            or (
                attributes.keys() == kept.keys()
                and _same(attributes.values(), map(kept.__getitem__, attributes))
            )
        )

    def forget(self) -> None:
        """Lead and describe the function anew next time, whatever it runs now."""
        self._runs = self._speaker = _UNKNOWN

    def install_foreign(self, foreign: FunctionType) -> None:
        """Give the function back what someone else had made of it."""
        state = FunctionState.of(foreign)
        switch_calls(self.function, state, foreign)
        state.describe(self.function)
        self.forget()

    def difference(self) -> str | None:
        """What someone else changed since we installed, in words."""
        function, ours = self.function, self.installed
        if function.__code__ is not ours.code:
            return f"__code__: it now runs {place(function)}"
        if function.__defaults__ is not ours.defaults:
            return f"__defaults__: now {_in_brief(function.__defaults__)}"
        if function.__kwdefaults__ is not ours.keyword_defaults:
            return f"__kwdefaults__: now {_in_brief(function.__kwdefaults__)}"
        return None

    def runs(self, patch: Patch | None) -> bool:
        """Whether calls run a patch, or None for its own code, as far as anyone has changed it."""
        return self._runs is patch and self.difference() is None

    def is_redefined(self) -> bool:
        """Whether the foreign code is another version of the function's own definition.

        IPython's autoreload (9.x, deduperreload) compiles an edited function with the file name
        of the code that it finds in the old one: that of ours.
        """
        now, own = self.function.__code__, self.original.__code__
        files = (own.co_filename, self.installed.code.co_filename)
        # No compiler makes a code with a function among its constants: that is a trampoline.
        compiled = not any(isinstance(constant, FunctionType) for constant in now.co_consts)
        same = now.co_name == own.co_name and now.co_filename in files
        return compiled and same and now is not own

    def is_defined_again_by(self, function: FunctionType) -> bool:
        """Whether another function object is another version of the same definition."""
        mine, theirs = self.function, function
        own = self.original.__code__
        return (
            theirs.__globals__ is mine.__globals__
            and theirs.__qualname__ == mine.__qualname__
            and theirs.__code__.co_filename == own.co_filename
            and len(theirs.__code__.co_freevars) == len(own.co_freevars)
            and kind_of(theirs.__code__) == kind_of(own)
        )

    def install(self, patch: Patch | None, speaker: FunctionType | None) -> None:
        """Make calls of the function run a patch, and the function say what it then is.

        Args:
            patch: what calls run; None: its own code.
            speaker: the function of the topmost layer that does not only wrap; None: the original.
        """
        # A store of the same would cost 3.13 its specialised calls for nothing (cpython gh-117045).
        is_led, is_described = self._runs is patch, self._speaker is speaker
        if is_led and is_described:
            return
        self.forget()  # what fails in the middle is done again
        if patch is None:
            state = self.original_state
            switch_calls(self.function, state, self.original)
        else:
            led = self.installed if is_led else lead(self.function, patch.function, patch.handle)
            described = led
            if is_led or speaker is not patch.function:
                described = FunctionState.of(speaker) if speaker else self.original_state
            signature = self._signature(patch, speaker)
            is_said = described is led and signature is led.signature
            state = led if is_said else led.describing(described, signature)
        state.describe(self.function)
        self.installed = state
        self._runs, self._speaker = patch, speaker

    def _signature(self, patch: Patch, speaker: FunctionType | None) -> inspect.Signature | None:
        """What only wraps takes any arguments: the signature shown is that of the layer below.

        So does what stands for something else, and names it or its signature.
        """
        signature = None if speaker else self.original_state.signature
        if not patch.describes or (
            speaker is not None and not _NAMES_A_SIGNATURE.isdisjoint(speaker.__dict__)
        ):
            with contextlib.suppress(TypeError, ValueError):  # a builtin without one
                signature = inspect.signature(speaker or self.original)
        return signature


def _in_brief(values: Any) -> str:
    """Default values as text: of others than plain ones their type, whose repr is not ours to ask.

    ``summary`` says more, and every export would carry it.
    """
    if isinstance(values, dict):
        return f"{{{', '.join(f'{name!r}: {_brief(one)}' for name, one in values.items())}}}"
    if values is None:
        return "None"
    return f"({', '.join(map(_brief, values))}{',' * (len(values) == 1)})"


def _brief(value: object) -> str:
    return repr(value)[:60] if type(value) in _PLAIN else type(value).__name__


def _same(some: Iterable[object], others: Iterable[object]) -> bool:
    return all(map(operator.is_, some, others))


def _kept(now: Any, ours: Any, own: Any) -> Any:
    """What stands there, or the webui's own where that is what we put there."""
    return own if now is ours else now
