"""Functions that behave differently for cells, and stay exactly what they were for everyone else.

A plain wrapper would show in the webui's tracebacks (the one that Ctrl-C prints on the main thread
above all). Here the choice is made while the function is *looked up*, so outside of cells the
original itself is called and no frame of ours is on the stack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


class MethodInCells:
    """A method that is one function while ``chosen()`` is true and the original otherwise."""

    def __init__(self, original: Any, ours: Any, chosen: Callable[[], bool]) -> None:
        self._original = original
        self._ours = ours
        self._chosen = chosen

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        function = self._ours if self._chosen() else self._original
        return function.__get__(instance, owner)


def method_in_cells(
    cls: type, name: str, ours: Callable[..., Any], chosen: Callable[[], bool]
) -> Callable[[], None]:
    """Replace a method where ``chosen()`` is true.

    Args:
        cls: the class whose method it is, its own or inherited.
        name: the method's name.
        ours: the function to call instead.
        chosen: asked at every lookup; cheap.

    Returns:
        A callable that puts the original back, unless someone replaced ours meanwhile.
    """
    inherited = name not in vars(cls)
    original = getattr(cls, name) if inherited else vars(cls)[name]
    dispatcher = MethodInCells(original, ours, chosen)
    setattr(cls, name, dispatcher)

    def undo() -> None:
        if vars(cls).get(name) is not dispatcher:
            return
        if inherited:
            delattr(cls, name)
        else:
            setattr(cls, name, original)

    return undo


class FunctionInCells:
    """A function that is one callable while ``chosen()`` is true and the original otherwise.

    ``__call__`` is a property: CPython asks it for the callable and calls that, without a Python
    frame in between.
    """

    def __init__(
        self, original: Callable[..., Any], ours: Callable[..., Any], chosen: Callable[[], bool]
    ) -> None:
        self._original = original
        self._ours = ours
        self._chosen = chosen
        for name in ("__module__", "__name__", "__qualname__", "__doc__"):
            setattr(self, name, getattr(original, name, None))
        self.__wrapped__ = original

    @property
    def __call__(self) -> Callable[..., Any]:
        """The function that the calling context is due."""
        return self._ours if self._chosen() else self._original

    def __reduce__(self) -> str:
        return str(vars(self)["__qualname__"])  # pickled by name, as the original is

    def __repr__(self) -> str:
        return repr(self._original)


def function_in_cells(
    module: ModuleType, name: str, ours: Callable[..., Any], chosen: Callable[[], bool]
) -> Callable[[], None]:
    """Replace a module's function where ``chosen()`` is true.

    Args:
        module: the module that holds the function.
        name: the function's name.
        ours: the function to call instead.
        chosen: asked at every call; cheap.

    Returns:
        A callable that puts the original back, unless someone replaced ours meanwhile.
    """
    original = getattr(module, name)
    dispatcher = FunctionInCells(original, ours, chosen)
    setattr(module, name, dispatcher)

    def undo() -> None:
        if vars(module).get(name) is dispatcher:
            setattr(module, name, original)

    return undo
