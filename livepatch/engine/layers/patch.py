"""The patch: what a layer puts in its target's place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from .guard import Guard


@dataclass(eq=False)  # not frozen: that makes making one three times as long
class Patch:
    """What a layer puts in a target's place.

    Once it is laid, only ``text`` changes (found when it is asked for) and what the guard counts.

    Attributes:
        function: what calls shall run; of a plain value, the value.
        text: its source text, or what finds it when it is asked for first, where it can be had.
        facts: what the answer line has to say of it.
        handle: the ``original`` that it gets as first argument, where it wants one: a function
            whose code leads to the layer below.
        describes: whether the target takes over its doc, annotations and signature; what only
            wraps keeps those of the layer below.
        guard: records its failures, where it is guarded.
        given: what the user gave: a text, a callable, a class or a value.
        namespace: the names of the place where it was written.
        order: counts the patches of this copy of the engine, as they were made; layers may lie in
            another order.
    """

    function: Any  # a FunctionType, or any value
    text: str | Callable[[], str | None] | None = None
    facts: tuple[str, ...] = ()
    handle: Any = None  # a FunctionType; mypy takes an optional one for a descriptor
    describes: bool = True
    guard: Guard | None = None
    given: Any = None
    namespace: dict[str, Any] | None = field(default=None, repr=False)
    order: int = 0

    @property
    def source(self) -> str | None:
        """Its source text, as it stood when it was asked for first: files change, it does not."""
        if callable(self.text):
            self.text = self.text()
        return self.text
