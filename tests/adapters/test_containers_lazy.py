"""What a load of an extension compares touches no names that compute or warn when they are read."""

from __future__ import annotations

import sys
import warnings
from types import ModuleType
from typing import TYPE_CHECKING, Any

from livepatch.registries.containers import Snapshot

if TYPE_CHECKING:
    import pytest


class Warns(type):
    """The kind of a class that warns whenever something is asked of it, as torch has some."""

    def __getattribute__(cls, name: str) -> Any:
        warnings.warn(f"{name} is deprecated", FutureWarning, stacklevel=2)
        return super().__getattribute__(name)


class Proxy:
    """An object that says it is of another class, and warns when it is asked."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        warnings.warn("it is deprecated", FutureWarning, stacklevel=2)
        return type


def test_nothing_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("lazy_names")
    vars(module).update(old=Warns("Old", (), {"f": lambda self: 1}), proxy=Proxy())
    monkeypatch.setitem(sys.modules, "lazy_names", module)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        before = Snapshot({"module": sys.modules})
        vars(module)["more"] = vars(module).pop("proxy")
        before.differences(lambda file: True, {"module": sys.modules})
