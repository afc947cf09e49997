"""How an extension of a webui is laid out on disk, for exports; a package that is installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class ExportedCode:
    """What of an extension is the same for every webui: a package that makes the changes.

    It has ``EXTENSION``, and the functions ``apply(app=None)``, ``remove()`` and ``switch(on=…)``.

    Attributes:
        name: of the extension, and its folder.
        package: of its Python package.
        flavor: of the webui that it is for.
        files: of the package, by their paths in it; empty for a single file.
        called: what the webui shall call: the event, and the function of the package.
        hooks: the webui's hooks by their names, each with the name of the extension's own function
            and the function's source.
    """

    name: str
    package: str
    flavor: str
    files: Mapping[str, str]
    called: Sequence[tuple[str, str]] = ()
    hooks: Mapping[str, tuple[str, str]] = ()  # type: ignore[assignment]

    @property
    def about(self) -> str:
        """One line for people."""
        return f"{self.name}: changes of a {self.flavor} webui, exported by livepatch."

    def package_in(self, folder: str = "") -> dict[str, str]:
        """The files of the package, by their paths in the extension's folder.

        Args:
            folder: the one that the package lies in, such as ``src/``.
        """
        return {f"{folder}{self.package}/{path}": text for path, text in self.files.items()}


@dataclass(frozen=True)
class Layout:
    """A package that is installed, whose ``apply(app)`` and ``remove()`` somebody calls.

    A webui with extensions of its own has a subclass.

    Attributes:
        app: what kind of app the check of an export makes: ``starlette`` or ``aiohttp``.
    """

    app: str = "starlette"

    entry: ClassVar[str] = "src/{package}/__init__.py"
    """The file that the webui executes, in the extension's folder."""

    single_file: ClassVar[str] = ""
    """The path of an extension in one file; empty: there is no such thing."""

    registers: ClassVar[bool] = False
    """Whether the entry file registers what the webui shall call, as the webui's extensions do.
    Otherwise it is appended to the webui's list."""

    has_hooks: ClassVar[bool] = False
    """Whether the webui calls functions of the entry file by their names."""

    unreachable_app: ClassVar[str] = ""
    """Why extensions cannot change the middleware of the app; empty: they can."""

    how_to: ClassVar[str] = (
        "`pip install` this folder. `import {package}; {package}.apply(app)` makes the changes, "
        "`{package}.remove()` takes them back; the entry point is in the group "
        "`livepatch.extensions`."
    )
    """For the README: where the extension is put, and how it is switched off."""

    folder: ClassVar[str] = "src/"
    """Where in the extension's folder its package lies."""

    check: ClassVar[str] = ""
    """Python that stands in for the webui when an export is checked, before it is loaded.

    It may call ``stand_in_module(name)`` and ``callback(name)``, and use ``app`` and ``events``:
    pairs of event and name of the registrations that are there, of events that the extension
    changes. It may define how the webui does things; what is left out is done in a plain way:

    - ``WAYS``: functions that load the export as the webui does and answer the entry module. They
      may use ``name``, ``path`` (what was exported) and ``folder`` (the webui's), and call
      ``put(where)``, which copies the export below a folder of the webui's and answers its place
      there, and ``execute(name, file)``;
    - ``start(entry)`` and ``stop(entry)``: what happens when the webui has started, and when it
      unloads or switches off the extension;
    - ``place(given, module)``: puts a module of the webui where the webui keeps it, if that is not
      ``sys.modules``: ``given`` has ``name``, ``file`` and ``key``;
    - ``called(event)``: the list of what the webui calls at an event.
    """

    def package_of(self, name: str) -> str:
        """The name of an extension's package.

        One that is installed is imported by the extension's name. A folder that a webui puts on
        the path has a name besides, so that the package takes no name from another module.

        Example:
            >>> Layout().package_of("my-patch")
            'my_patch'
        """
        own = name.replace("-", "_").lower()
        return own if self.folder else f"{own}_changes"

    def files(self, code: ExportedCode) -> dict[str, str]:
        """The files of the extension's folder, by their paths in it."""
        project = (
            '[build-system]\nrequires = ["setuptools>=61"]\n'
            'build-backend = "setuptools.build_meta"\n\n'
            f'[project]\nname = "{code.name.lower()}"\nversion = "1.0.0"\n'
            'description = "Changes made with livepatch."\nrequires-python = ">=3.10"\n\n'
            f'[project.entry-points."livepatch.extensions"]\n{code.name} = "{code.package}"\n\n'
            '[tool.setuptools.packages.find]\nwhere = ["src"]\n'
        )
        return {"pyproject.toml": project, **code.package_in(self.folder)}

    def beside(self, code: ExportedCode) -> str:  # noqa: ARG002
        """Definitions in the package beside ``EXTENSION``."""
        return ""

    def end_of_file(self, code: ExportedCode) -> str:  # noqa: ARG002
        """How a single file ends: what the entry file has else."""
        return ""
