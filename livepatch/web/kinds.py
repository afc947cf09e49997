"""The kinds of app whose middleware and routes can be seen and changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from livepatch.plugins import APPS, complain, plugged_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .routes.list import RouteList
    from .stack import MiddlewareStack


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class AppKind:
    """One kind of app: how it is recognised, and how its stack and its routes are found.

    A package adds one by an entry point of the group ``livepatch.apps``; ``livepatch/django`` and
    ``livepatch/web/aiohttp`` do.

    Attributes:
        name: what users call it, with its article: "an aiohttp app".
        is_app: whether an object is one. It looks and imports nothing.
        stack_of: the live stack of such an app, under the name that it is given.
        routes_of: the list of its routes, under the name that it is given.
        find: the one that this process serves, if there is one.
    """

    name: str
    is_app: Callable[[Any], bool]
    stack_of: Callable[[Any, str], MiddlewareStack]
    routes_of: Callable[[Any, str], RouteList]
    find: Callable[[], Any] = _nothing


def app_kinds() -> Sequence[AppKind]:
    """Every kind that is known here, ours and those of other packages."""
    return tuple(filter(_is_kind, plugged_in(APPS)))


def kind_of_app(app: Any) -> AppKind | None:
    """The kind that an app is of; None: it is none of them.

    Args:
        app: any object.
    """
    return next((kind for kind in app_kinds() if kind.is_app(app)), None)


def find_app() -> Any:
    """The app of such a kind that this process serves; None where there is none."""
    found = (kind.find() for kind in app_kinds())
    return next((app for app in found if app is not None), None)


def named_kinds() -> str:
    """What can be given beside an app of Starlette, for an error's advice."""
    return " or ".join(kind.name for kind in app_kinds())


def _is_kind(found: object) -> bool:
    if isinstance(found, AppKind):
        return True
    complain(APPS, f"{found!r} is not a livepatch.web.kinds.AppKind")
    return False
