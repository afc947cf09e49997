"""The extensions of the webui we live in, and what each of them has put into it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from livepatch.engine import LivepatchError, live_layers
from livepatch.errors import HostUnsupported, TargetNotFound
from livepatch.looking.callables import file_of
from livepatch.registries import CallTable, Extension, Owners, point_of

from . import loading
from .callbacks import run_times
from .detect import host
from .installed import InstalledExtension
from .middleware import middleware
from .report import extensions_table
from .routes import routes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from livepatch.engine.answers import AnswerLine
    from livepatch.reports import Report


class ExtensionTable(Sequence[InstalledExtension]):
    """The extensions of the webui: a sequence that shows as a table, ``table["name"]`` is one."""

    def __init__(self, title: str, found: Sequence[InstalledExtension]) -> None:
        self.title = title
        self.found = tuple(found)

    @overload
    def __getitem__(self, index: int | str) -> InstalledExtension: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[InstalledExtension]: ...
    def __getitem__(
        self, index: int | str | slice
    ) -> InstalledExtension | Sequence[InstalledExtension]:
        if not isinstance(index, str):
            return self.found[index]
        for extension in self.found:
            if extension.name == index:
                return extension
        names = [extension.name for extension in self.found]
        near = difflib.get_close_matches(index, names) or names[:8]
        raise TargetNotFound(
            f"look at the extension {index}",
            f"the webui knows no extension of that name; it knows: {', '.join(near) or 'none'}",
            f"did you mean {near[0]}?" if near else "%extensions",
        )

    def load(self, path: str | Path) -> AnswerLine:
        """Load an extension into the running webui.

        Everything that it registers while it loads is recorded under its name: callbacks, hooks,
        routes, middleware, patches, modules. It is one step of the journal.

        Args:
            path: its folder; of ComfyUI and A1111 a single file too.

        Returns:
            The answer line: what it registered, and what a running webui cannot do with it.

        Raises:
            PatchRefused: it raised while it loaded, and nothing has changed; or it is loaded
                already, or there is none at the path.
        """
        return loading.load(path, self.found)

    def reload(self, name: str) -> AnswerLine:
        """Load an extension anew, from its files as they are now.

        Args:
            name: its name.

        Raises:
            PatchRefused: it raised while it loaded; the old one runs on.
            TargetNotFound: there is no such extension.
        """
        return loading.reload(self[name])

    def unload(self, name: str) -> AnswerLine:
        """Take out everything that an extension has registered; undo brings it back.

        Args:
            name: its name.

        Raises:
            TargetNotFound: there is no such extension.
        """
        return loading.unload(self[name])

    def __len__(self) -> int:
        return len(self.found)

    def __contains__(self, thing: object) -> bool:
        return thing in self.found or thing in [extension.name for extension in self.found]

    def report(self) -> Report[InstalledExtension]:
        """The extensions as a table."""
        return extensions_table(self.title, self.found)

    def __str__(self) -> str:
        return str(self.report())

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return self.report()._repr_mimebundle_()


def extensions() -> ExtensionTable:
    """The extensions of the webui, with what each has registered and what is patched of it.

    Returns:
        A sequence of extensions, each with ``name``, ``path``, ``enabled``, ``callbacks``,
        ``hooks``, ``middleware``, ``routes``, ``patches``, ``modules``, ``files``, ``scripts``,
        ``start`` and ``run`` (ms). The table takes ``load``, ``reload`` and ``unload``.

    Raises:
        HostUnsupported: this webui has no extensions.

    Example:
        >>> import livepatch as lp
        >>> lp.extensions()["vignette"].hooks  # doctest: +SKIP
        (<Registration process · Vignette · extension vignette · active>, ...)
    """
    found = host()
    if not found.has_extensions:
        raise HostUnsupported(
            "look at the extensions",
            f"this process (flavor {found.flavor}) has none that livepatch "
            f"knows; it supports: {', '.join(sorted(found.supports))}",
            "%webui shows what it is",
        )
    known = found.extensions()
    owners = Owners(known)
    called = CallTable("", [point_of(s, owners) for s in found.callback_stores()], "event")
    hooked = CallTable("", [point_of(s, owners) for s in found.hook_stores()], "hook")
    by_owner: dict[str, tuple[list[Any], list[Any]]] = {}
    for number, table in enumerate((called, hooked)):
        for registration in table:
            by_owner.setdefault(registration.owner, ([], []))[number].append(registration)
    inside, answering = _middleware(owners), _routes(owners)
    times = found.start_times(), run_times()
    title = f"Extensions of {found.flavor}"
    rows = [_installed(e, by_owner, inside, answering, owners, times) for e in known]
    return ExtensionTable(title, rows)


def _installed(
    extension: Extension,
    by_owner: Any,
    inside: list[tuple[str, Any]],
    answering: list[tuple[str, Any]],
    owners: Owners,
    times: tuple[Mapping[str, float], Mapping[str, float]],
) -> InstalledExtension:
    loaded = loading.loaded_extension(extension.name)
    mine = f"extension {extension.name}"
    called, hooked = by_owner.get(mine, ((), ()))
    patched = [layer for layer in live_layers() if _is_of(layer, extension, mine, owners)]
    return InstalledExtension(
        **vars(extension),
        callbacks=tuple(called),
        hooks=tuple(hooked),
        middleware=tuple(layer for owner, layer in inside if owner == mine),
        patches=tuple(patched),
        routes=tuple(route for owner, route in answering if owner == mine),
        start=loaded.milliseconds if loaded else times[0].get(extension.name),
        run=times[1].get(extension.name),
    )


def _middleware(owners: Owners) -> list[tuple[str, Any]]:
    """The middlewares of the webui's app with whose they are."""
    try:
        stack = list(middleware())
    except LivepatchError:  # no app yet, or one whose stack cannot be mapped
        return []
    return [
        (owners.of_file(file_of(layer.cls) or layer.place.rpartition(":")[0]), layer)
        for layer in stack
    ]


def _routes(owners: Owners) -> list[tuple[str, Any]]:
    """The routes of the webui's app with whose they are."""
    try:
        answering = list(routes())
    except LivepatchError:  # no app yet
        return []
    return [(owners.of(r.endpoint, file_of(r.endpoint)), r) for r in answering if r.endpoint]


def _is_of(layer: Any, extension: Extension, mine: str, owners: Owners) -> bool:
    """Whether a layer lies on a function of an extension, or on what it has registered."""
    if any(str(layer.target).startswith(f"{name}.") for name in extension.modules or ()):
        return True
    if getattr(layer, "owner", None) == mine and not hasattr(layer, "stacks"):
        return True
    for stack in getattr(layer, "stacks", ()):
        function = getattr(stack, "function", None)
        file = file_of(function) if function is not None else None
        if file and Path(file).is_absolute() and owners.of_file(file) == mine:
            return True
    return False
