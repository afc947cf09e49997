"""Wrapping layers: the target still runs, with a function of the user's around it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .layers.installing import Wanted, install
from .layers.owners import owner_of
from .naming.targets import find, in_words

if TYPE_CHECKING:
    from .layers.pending import When
    from .layers.stacks import Layer


def wrap(
    target: object,
    wrapper: Any,
    *,
    name: str | None = None,
    owner: str | None = None,
    guard: bool | int = False,
    when: When = "now",
) -> Layer:
    """Put a function around a target.

    Equivalent to ``target = lambda *args, **kwargs: wrapper(target, *args, **kwargs)``, for every
    reference to the target.

    Args:
        target: its dotted name, or the function itself, or a method of one instance.
        wrapper: ``wrapper(original, *args, **kwargs)``; of the target's kind, or a plain function.
            What that returns for a coroutine is awaited where it can be; for a generator it has to
            have items, as what ``original`` returned has.
        name: tells several layers of one owner on one target apart; default: the wrapper's
            ``__qualname__``, of a lambda with its line. The same owner and name again replaces that
            layer.
        owner: whose layer it is; default: the notebook, or the module that calls.
        guard: as in ``replace``.
        when: as in ``replace``.

    Returns:
        The layer.

    Raises:
        TargetNotFound: no such target.
        PatchRefused: the change could not take effect, or callers could not use a wrapper of that
            kind; nothing has changed.
        ForeignChange: someone else changed the target since.

    Example:
        >>> import textwrap
        >>> def loud(original, text):
        ...     return original(text).upper()
        >>> layer = wrap("textwrap.dedent", loud)
        >>> textwrap.dedent("  text")
        'TEXT'
        >>> layer.remove()
    """
    return _lay("wrap", target, wrapper, name, owner, guard, when)


def before(
    target: object,
    hook: Any,
    *,
    name: str | None = None,
    owner: str | None = None,
    guard: bool | int = False,
    when: When = "now",
) -> Layer:
    """Call a hook before each call of a target; what it returns is ignored.

    Equivalent to ``hook(*args, **kwargs); return original(*args, **kwargs)``.

    Args:
        target: its dotted name, or the function itself, or a method of one instance.
        hook: ``hook(*args, **kwargs)``; for a coroutine, what it returns is awaited if it can be.
        name: as in ``wrap``; default: the hook's ``__qualname__``.
        owner: as in ``wrap``.
        guard: as in ``replace``.
        when: as in ``replace``.

    Returns:
        The layer.

    Raises:
        LivepatchError: as ``wrap``.

    Example:
        >>> import string
        >>> layer = before("string.capwords", lambda text: print("capwords", repr(text)))
        >>> string.capwords("a text")
        capwords 'a text'
        'A Text'
        >>> layer.remove()
    """
    return _lay("before", target, hook, name, owner, guard, when)


def after(
    target: object,
    hook: Any,
    *,
    name: str | None = None,
    owner: str | None = None,
    guard: bool | int = False,
    when: When = "now",
) -> Layer:
    """Call a hook after each call of a target that returned; what the hook returns is ignored.

    Equivalent to ``result = original(*args, **kwargs); hook(result, *args, **kwargs); return
    result``. Of a generator, it is called when that has ended, with what it returned.

    Args:
        target: its dotted name, or the function itself, or a method of one instance.
        hook: ``hook(result, *args, **kwargs)``.
        name: as in ``wrap``; default: the hook's ``__qualname__``.
        owner: as in ``wrap``.
        guard: as in ``replace``.
        when: as in ``replace``.

    Returns:
        The layer.

    Raises:
        LivepatchError: as ``wrap``.

    Example:
        >>> import string
        >>> layer = after("string.capwords", lambda result, text: print(len(result)))
        >>> string.capwords("a text")
        6
        'A Text'
        >>> layer.remove()
    """
    return _lay("after", target, hook, name, owner, guard, when)


def filter_args(
    target: object,
    hook: Any,
    *,
    name: str | None = None,
    owner: str | None = None,
    guard: bool | int = False,
    when: When = "now",
) -> Layer:
    """Change the arguments of each call of a target.

    Equivalent to ``args, kwargs = f(*args, **kwargs); return original(*args, **kwargs)``.

    Args:
        target: its dotted name, or the function itself, or a method of one instance.
        hook: ``f(*args, **kwargs) -> (args, kwargs)``.
        name: as in ``wrap``; default: the hook's ``__qualname__``.
        owner: as in ``wrap``.
        guard: as in ``replace``.
        when: as in ``replace``.

    Returns:
        The layer.

    Raises:
        LivepatchError: as ``wrap``.

    Example:
        >>> import textwrap
        >>> layer = filter_args("textwrap.dedent", lambda text: ((text.upper(),), {}))
        >>> textwrap.dedent("  text")
        'TEXT'
        >>> layer.remove()
    """
    return _lay("filter_args", target, hook, name, owner, guard, when)


def filter_result(
    target: object,
    hook: Any,
    *,
    name: str | None = None,
    owner: str | None = None,
    guard: bool | int = False,
    when: When = "now",
) -> Layer:
    """Change the result of each call of a target; of a generator, each of its items.

    Equivalent to ``return f(original(*args, **kwargs))``.

    Args:
        target: its dotted name, or the function itself, or a method of one instance.
        hook: ``f(result) -> result``.
        name: as in ``wrap``; default: the hook's ``__qualname__``.
        owner: as in ``wrap``.
        guard: as in ``replace``.
        when: as in ``replace``.

    Returns:
        The layer.

    Raises:
        LivepatchError: as ``wrap``.

    Example:
        >>> import textwrap
        >>> layer = filter_result("textwrap.dedent", str.title)
        >>> textwrap.dedent("  text")
        'Text'
        >>> layer.remove()
    """
    return _lay("filter_result", target, hook, name, owner, guard, when)


def _name_of(hook: Any) -> str:
    """A hook's own name; of lambdas, which are all called alike, with their line."""
    name = str(getattr(hook, "__qualname__", None) or type(hook).__qualname__)
    return f"{name}:{hook.__code__.co_firstlineno}" if name.endswith("<lambda>") else name


def _lay(
    verb: str,
    target: object,
    hook: Any,
    name: str | None,
    owner: str | None,
    guard: bool | int,
    when: When,
) -> Layer:
    namespace = sys._getframe(2).f_globals
    asked = f"{verb} {in_words(target)}"
    own_name = name or _name_of(hook)
    wanted = Wanted(verb, own_name, owner or owner_of(namespace), namespace, guard, when)
    return install(asked, find(asked, target), hook, wanted)
