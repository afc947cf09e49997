"""The URLs of a running Django: whole versions of the root URLconf, one for each request.

A new version is a module beside the old ones, compiled before anybody sees it. A request keeps the
version it began with (``request.urlconf``), so its ``reverse()`` fits its view. The setting
``ROOT_URLCONF`` keeps its value.
"""

from __future__ import annotations

import itertools
import sys
import types
from importlib import import_module
from typing import Any

from django import conf
from django.urls import URLPattern, URLResolver, clear_url_caches, get_resolver

from . import admin
from .naming import belongs

MARK = "__livepatch"


class Urls:
    """The root URLconf and its versions.

    Attributes:
        current: the root's name and the name of the version for new requests; None: the root's own.
    """

    def __init__(self) -> None:
        self.current: tuple[str, str] | None = None
        self._numbers = itertools.count(1)
        self._own: tuple[str, list[Any]] | None = None

    def pin(self, request: Any) -> None:
        """Give a request the version that is current as it begins."""
        current = self.current
        if current is None or hasattr(request, "urlconf"):
            return
        if current[0] == conf.settings.ROOT_URLCONF:
            request.urlconf = current[1]

    def own_patterns(self) -> list[Any]:
        """The patterns as the project wrote them."""
        name = conf.settings.ROOT_URLCONF
        if self._own is None or self._own[0] != name:
            self._own = (name, import_module(name).urlpatterns)
        return self._own[1]

    def build(self, added: list[Any], without: dict[str, Any]) -> str:
        """Make a version aside, compiled and checked; the admin's part as this thread sees it.

        Args:
            added: patterns at the end.
            without: of packages that were loaded at the start, what stands for their patterns: None
                for nothing, or the modules that take the place of theirs.

        Returns:
            The version's name.
        """
        root = import_module(conf.settings.ROOT_URLCONF)
        patterns = _rewritten(list(self.own_patterns()), without)
        version = types.ModuleType(f"{root.__name__}{MARK}{next(self._numbers)}")
        own = {name: value for name, value in vars(root).items() if not name.startswith("__")}
        version.__dict__.update(own)
        version.__dict__["urlpatterns"] = [*patterns, *added]
        sys.modules[version.__name__] = version
        try:
            get_resolver(version.__name__)._populate()
        except BaseException:  # passes on, and leaves no module behind
            self.drop(version.__name__)
            raise
        return version.__name__

    def publish(self, version: str | None) -> None:
        """Let new requests see a version; None: the project's own patterns."""
        root = import_module(conf.settings.ROOT_URLCONF)
        own = self.own_patterns()
        self.current = None if version is None else (conf.settings.ROOT_URLCONF, version)
        # For whoever resolves and reverses outside of requests.
        root.urlpatterns = own if version is None else sys.modules[version].urlpatterns  # type: ignore[attr-defined]
        clear_url_caches()
        get_resolver(version or conf.settings.ROOT_URLCONF)._populate()

    def retire(self) -> None:
        """Drop the versions that no request can have any more."""
        current = None if self.current is None else self.current[1]
        for name in [n for n in sys.modules if MARK in n and n != current]:
            if name.startswith(f"{conf.settings.ROOT_URLCONF}{MARK}"):
                self.drop(name)

    def drop(self, name: str) -> None:
        """Forget one version."""
        sys.modules.pop(name, None)
        clear_url_caches()

    def go_back(self, *, keep: bool) -> None:
        """Forget the versions and the project's own patterns, which are published again.

        Args:
            keep: whether a request has a version still; then they stay until the next change.
        """
        if not keep:
            self.retire()
        self._own = None


def is_of(pattern: Any, package: str) -> bool:
    """Whether a pattern is a package's: what it includes, or the view it leads to."""
    if isinstance(pattern, URLResolver):
        module = pattern.urlconf_name
        if isinstance(module, types.ModuleType):
            return belongs(module.__name__, package)
        return isinstance(module, str) and belongs(module, package)
    callback = getattr(pattern, "callback", None)
    view = getattr(callback, "view_class", callback)
    return belongs(getattr(view, "__module__", None), package)


def has_patterns(patterns: list[Any], package: str) -> bool:
    """Whether any pattern of a list, at whatever depth, is a package's."""
    for pattern in patterns:
        if is_of(pattern, package):
            return True
        if isinstance(pattern, URLResolver) and has_patterns(list(pattern.url_patterns), package):
            return True
    return False


def _rewritten(patterns: list[Any], without: dict[str, Any]) -> list[Any]:
    """The patterns with the admin's part made anew and what packages have there exchanged."""
    live = {site.name: site for site in admin.sites()}
    result = []
    for pattern in patterns:
        package = next((name for name in without if is_of(pattern, name)), None)
        if package is not None:
            pattern = _renewed(pattern, without[package])
            if pattern is None:
                continue
        elif isinstance(pattern, URLResolver):
            if pattern.app_name == "admin" and pattern.namespace in live:
                pattern = _like(pattern, live[pattern.namespace].get_urls())
            else:
                written = list(pattern.url_patterns)
                made = _rewritten(written, without)
                if any(one is not other for one, other in zip(made, written, strict=False)) or len(
                    made
                ) != len(written):
                    pattern = _like(pattern, made)
        result.append(pattern)
    return result


def _renewed(pattern: Any, modules: dict[str, Any] | None) -> Any:
    """A pattern of a package with what its new modules have; None without any."""
    if modules is None:
        return None
    if isinstance(pattern, URLResolver):
        name = getattr(pattern.urlconf_name, "__name__", pattern.urlconf_name)
        module = modules.get(str(name))
        return None if module is None else _like(pattern, module)
    callback = pattern.callback
    view = getattr(callback, "view_class", callback)
    new: Any = modules.get(view.__module__)
    for part in view.__qualname__.split("."):
        new = getattr(new, part, None)
    if new is None:
        return None
    if view is not callback:
        new = new.as_view(**getattr(callback, "view_initkwargs", {}))
    return URLPattern(pattern.pattern, new, pattern.default_args, pattern.name)


def _like(resolver: Any, inner: Any) -> Any:
    return URLResolver(
        resolver.pattern, inner, resolver.default_kwargs, resolver.app_name, resolver.namespace
    )
