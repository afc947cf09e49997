"""Sums a value up in a few words, without keeping it alive or calling an unknown ``repr``.

The ``repr`` of an unknown object may be slow, raise, print a model's weights or wait for a lock, so
only that of built-in types is called. Arrays, tensors and images are told by the attributes that
they share, whatever library they are of.
"""

from __future__ import annotations

import itertools
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from .namespaces import ancestors, is_class, namespace_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST = 60  # characters of a text
_MOST = 3  # items of a container
_DEEPEST = 2  # containers inside containers
_name_of_type: Any = type.__dict__["__name__"].__get__
_BRACKETS: dict[Any, str] = {list: "[]", tuple: "()", set: "{}", frozenset: "{}"}


def summary(value: object, depth: int = 0) -> str:
    """A value in a few words.

    Example:
        >>> summary(["one", 2.5, None, 4, 5])
        "['one', 2.5, None, … 2 more]"
        >>> summary(object())
        'object'
    """
    kind = type(value)
    name: str = _name_of_type(kind)
    if kind in (type(None), bool, float, complex, type(...), type(NotImplemented), range):
        return repr(value)
    if kind is int:
        bits = value.bit_length()  # type: ignore[attr-defined]
        return repr(value) if bits < 200 else f"int of {bits} bits"
    if kind in (str, bytes, bytearray):
        return _text(value)
    if kind in _BRACKETS or kind is dict:
        return _container(value, depth)
    if is_class(value):
        return f"class {_name_of_type(value)}"
    if kind in (FunctionType, BuiltinFunctionType):
        return f"function {value.__name__}"  # type: ignore[attr-defined]
    if kind is MethodType:
        return f"method {summary(value.__func__).removeprefix('function ')}"  # type: ignore[attr-defined]
    if kind is ModuleType:
        return f"module {namespace_of(value).get('__name__')}"
    if issubclass(kind, BaseException):
        return _exception(value, name, depth)
    try:
        return _array(value, name) or _image(value, name) or name
    except Exception:
        return name  # what it answered to its own attributes is not ours to raise


def arguments_in_words(names: Iterable[str], args: Iterable[Any], kwargs: dict[str, Any]) -> str:
    """The arguments of a call, by the names of the parameters where they have some.

    Example:
        >>> arguments_in_words(["a", "b"], (1, 2, 3), {"c": "x"})
        "a=1, b=2, 3, c='x'"
    """
    named = itertools.zip_longest(args, names, fillvalue=_NONE)
    parts = [
        summary(value) if name is _NONE else f"{name}={summary(value)}"
        for value, name in named
        if value is not _NONE
    ]
    return ", ".join([*parts, *(f"{name}={summary(value)}" for name, value in kwargs.items())])


_NONE: Any = object()


def _text(value: Any) -> str:
    if len(value) <= _LONGEST:
        return repr(value)
    unit = "characters" if type(value) is str else "bytes"
    return f"{value[:_LONGEST]!r}… {len(value):,} {unit}"


def _container(value: Any, depth: int) -> str:
    count = len(value)
    if depth >= _DEEPEST and count:
        return f"{_name_of_type(type(value))} of {count}"
    try:
        items = list(itertools.islice(value.items() if type(value) is dict else value, _MOST))
    except RuntimeError:  # another thread changes it at this moment
        return f"{_name_of_type(type(value))} of {count}"
    if type(value) is dict:
        parts = [f"{summary(key, depth + 1)}: {summary(item, depth + 1)}" for key, item in items]
        brackets = "{}"
    else:
        parts = [summary(item, depth + 1) for item in items]
        brackets = _BRACKETS[type(value)]
    if count > len(items):
        parts.append(f"… {count - len(items):,} more")
    elif type(value) is tuple and count == 1:
        parts[0] += ","
    if not parts and type(value) in (set, frozenset):
        return f"{_name_of_type(type(value))}()"
    return f"{brackets[0]}{', '.join(parts)}{brackets[1]}"


def _exception(error: Any, name: str, depth: int) -> str:
    args = error.args if type(error.args) is tuple else ()
    return f"{name}({', '.join(summary(argument, depth + 1) for argument in args[:_MOST])})"


def _has(kind: type, *names: str) -> bool:
    """Whether a class defines attributes, found without asking an instance for them."""
    bodies = [namespace_of(ancestor) for ancestor in ancestors(kind)]
    return all(any(name in body for body in bodies) for name in names)


def _array(value: Any, name: str) -> str | None:
    kind = type(value)
    if not _has(kind, "shape", "dtype"):
        return None
    parts = [f"shape={tuple(value.shape)}", f"dtype={value.dtype}"]
    if _has(kind, "device"):
        parts.append(f"device={value.device}")
    return f"{name}({', '.join(parts)})"


def _image(value: Any, name: str) -> str | None:
    modules = {namespace_of(ancestor).get("__module__") for ancestor in ancestors(type(value))}
    if "PIL.Image" not in modules:
        return None
    return f"{name}(mode={value.mode}, size={tuple(value.size)})"
