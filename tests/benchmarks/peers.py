"""The other ways to change a running program, each used as its documentation says.

A *mechanism* makes the target of a small program new and takes that back. Tools that rebind a name
are given the value that a careful user of them would assign: a function for a static method comes
as a static method, a function below a decorator comes decorated.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import importlib.util
import inspect
import os
import sys
import types
from typing import TYPE_CHECKING, Any
from unittest import mock

import livepatch as lp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holding_kinds import Program


class Unsupported(Exception):
    """The tool has no way to name such a target, or to make such a value."""


class Mechanism:
    """A way to replace something in a program.

    Attributes:
        name: what the table calls it.
        package: the distribution that it comes from, where it is not the standard library's.
        restores: how it takes a change back; replaced by each ``replace``.
    """

    name = ""
    package: str | None = None

    def __init__(self) -> None:
        self.ending: list[Callable[[], object]] = []

    def loaded(self, program: Program) -> None:
        """The program's module was loaded: a tool that watches files looks at it now."""

    def replace(self, program: Program) -> None:
        """Make the target new."""
        raise NotImplementedError

    def restore(self) -> None:
        """Take it back, as the tool says."""
        while self.ending:
            self.ending.pop()()

    @classmethod
    def missing(cls) -> bool:
        """Whether its package is not installed."""
        return cls.package is not None and importlib.util.find_spec(cls.package) is None

    @classmethod
    def title(cls) -> str:
        """Its name, with the version."""
        if cls.package is None or cls.missing():
            return cls.name
        distribution = {"IPython": "ipython"}.get(cls.package, cls.package)
        return f"{cls.name} {importlib.metadata.version(distribution)}"


class Livepatch(Mechanism):
    """``lp.replace`` with a function of another module."""

    name = "livepatch"

    def replace(self, program: Program) -> None:
        self.ending = [lp.replace(program.target, program.new()).remove]


class Rebinding(Mechanism):
    """A tool that assigns another object to a name."""

    def replace(self, program: Program) -> None:
        path = program.kind.assigned or program.kind.target
        if not isinstance(path, str):
            raise Unsupported("it has no name to assign to")
        holder, name = program.owner(path)
        if isinstance(holder, (property, dict)) and not hasattr(self, "assign_item"):
            raise Unsupported("no attribute")
        self.assign(holder, name, dressed(program, holder, name))

    def assign(self, holder: Any, name: str, value: Any) -> None:
        """Rebind the name, and say in ``self.ending`` how that is taken back."""
        raise NotImplementedError


def dressed(program: Program, holder: Any, name: str) -> Any:
    """The value that makes the rebound name behave as it did: a function in its descriptor."""
    new = program.new()
    if program.kind.value is not None:
        return new
    if program.kind.dress is not None:
        return program.kind.dress(program.app, new)
    raw = inspect.getattr_static(holder, name)
    if isinstance(raw, (staticmethod, classmethod)):
        return type(raw)(new)
    if isinstance(raw, property):
        return property(new, raw.fset, raw.fdel)
    if isinstance(raw, functools.cached_property):
        made = functools.cached_property(new)
        made.__set_name__(holder, name)
        return made
    on_class = isinstance(holder, (type, types.ModuleType)) or name in vars(holder)
    return new if on_class else types.MethodType(new, holder)


class SetAttribute(Rebinding):
    """``setattr``, the original kept: what the hot_reload extension does."""

    name = "setattr"

    def assign(self, holder: Any, name: str, value: Any) -> None:
        is_class = isinstance(holder, type)
        original = inspect.getattr_static(holder, name) if is_class else getattr(holder, name)
        setattr(holder, name, value)
        self.ending = [lambda: setattr(holder, name, original)]


class Mock(Rebinding):
    """``mock.patch.object(…).start()`` and ``.stop()``; ``mock.patch.dict`` for an entry."""

    name = "unittest.mock"

    def assign(self, holder: Any, name: str, value: Any) -> None:
        patcher: Any = mock.patch.object(holder, name, value)
        if isinstance(holder, dict):
            patcher = mock.patch.dict(holder, {name: value})
        patcher.start()
        self.ending = [patcher.stop]

    assign_item = assign


class MonkeyPatch(Rebinding):
    """pytest's ``monkeypatch.setattr`` and ``setitem``, taken back by ``undo``."""

    name = "pytest monkeypatch"
    package = "pytest"

    def assign(self, holder: Any, name: str, value: Any) -> None:
        import pytest

        patch = pytest.MonkeyPatch()
        setter = patch.setitem if isinstance(holder, dict) else patch.setattr
        setter(holder, name, value)
        self.ending = [patch.undo]

    assign_item = assign


class Gorilla(Rebinding):
    """``gorilla.apply`` and ``gorilla.revert`` of a patch with ``allow_hit`` and ``store_hit``."""

    name = "gorilla"
    package = "gorilla"

    def assign(self, holder: Any, name: str, value: Any) -> None:
        import gorilla

        settings = gorilla.Settings(allow_hit=True, store_hit=True)
        patch = gorilla.Patch(holder, name, value, settings=settings)
        gorilla.apply(patch)
        self.ending = [lambda: gorilla.revert(patch)]


class Wrapt(Rebinding):
    """``wrapt.wrap_function_wrapper`` and ``unwrap_object``; it wraps what can be called."""

    name = "wrapt"
    package = "wrapt"

    def assign(self, holder: Any, name: str, value: Any) -> None:
        import wrapt

        raw = inspect.getattr_static(holder, name)
        if isinstance(raw, (property, functools.cached_property)) or not (
            callable(raw) or isinstance(raw, (staticmethod, classmethod))
        ):
            raise Unsupported("not a function")

        def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
            if instance is None or not hasattr(value, "__get__"):
                return value(*args, **kwargs)
            owner = instance if isinstance(instance, type) else type(instance)
            return value.__get__(instance, owner)(*args, **kwargs)

        handle = wrapt.wrap_function_wrapper(holder, name, wrapper)
        self.ending = [lambda: wrapt.unwrap_object(holder, name, handle)]


class Editing(Mechanism):
    """A tool that takes over an edit of the file."""

    def replace(self, program: Program) -> None:
        self.ending = [lambda: self._write(program, program.text)]
        self._write(program, program.edited())

    def _write(self, program: Program, text: str) -> None:
        path = program.app.__file__
        assert path
        modified = os.stat(path).st_mtime + 2
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.utime(path, (modified, modified))
        self.take_over(program)

    def take_over(self, program: Program) -> None:
        """The file was saved."""
        raise NotImplementedError


class Autoreload(Editing):
    """``%autoreload 1`` on the module: edit, then what runs before the next cell."""

    name = "IPython autoreload"
    package = "IPython"

    def __init__(self) -> None:
        from IPython.extensions.autoreload import ModuleReloader

        super().__init__()
        self.reloader = ModuleReloader()
        self.reloader.enabled, self.reloader.check_all = True, False

    def loaded(self, program: Program) -> None:
        self.reloader.modules = {program.module_name: True}
        self.reloader.check()

    def take_over(self, program: Program) -> None:
        self.reloader.check()


class Jurigged(Editing):
    """``jurigged.watch`` on the file: edit, then what its watcher does when the file changed."""

    name = "jurigged"
    package = "jurigged"

    def loaded(self, program: Program) -> None:
        import jurigged

        # After a look-up of over 0.1 s (a busy machine) it trusts a cache in which functions of
        # equal code are one; our programs have many of equal code, a real one has not.
        jurigged.db.last_cost = 0
        jurigged.registry.prepare(program.module_name, program.app.__file__)
        jurigged.registry.get(program.app.__file__)

    def take_over(self, program: Program) -> None:
        import jurigged

        jurigged.db.last_cost = 0
        jurigged.registry.get(program.app.__file__).refresh()


MECHANISMS: list[type[Mechanism]] = [
    Livepatch,
    SetAttribute,
    Mock,
    MonkeyPatch,
    Wrapt,
    Gorilla,
    Autoreload,
    Jurigged,
]


@contextlib.contextmanager
def no_bytecode() -> Iterator[None]:
    """Edits of the same size within a second must not find an old pyc file."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
