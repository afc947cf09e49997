"""A module with its source text, read only when it is asked for."""

from __future__ import annotations

import functools
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

from .namespaces import is_standard
from .outlines import Outline, outline_of
from .written import Binding, Written, imports, mentions, written_in

if TYPE_CHECKING:
    from types import ModuleType

    from .origins import Origin


class Home:
    """A module whose names are looked at.

    Attributes:
        name: the name that leads to it.
        module: the module.
        namespace: its names.
        origin: whose it is.
        own_people: what is known already of namespaces, by identity, and of modules, by name:
            whether they are of its own people. Shared by all modules of one origin.
        own_name: the name that it gives itself; copies of a module have another one.
        file: its source file, empty where it has none.
        is_standard: whether it is called as a module of the standard library.
    """

    def __init__(
        self,
        name: str,
        module: ModuleType,
        namespace: dict[str, Any],
        origin: Origin,
        own_people: dict[int | str, bool],
    ) -> None:
        self.name = name
        self.module = module
        self.namespace = namespace
        self.origin = origin
        self.own_people = own_people
        self.own_name = str(namespace.get("__name__"))
        filename = namespace.get("__file__")
        self.file = filename if type(filename) is str else ""
        self.is_standard = is_standard(namespace)

    @property
    def is_c(self) -> bool:
        """Whether it is written in C."""
        return self.file.endswith((".so", ".pyd")) or (
            not self.file and type(self.namespace.get("__loader__")).__name__ != "NoneType"
        )

    @functools.cached_property
    def written(self) -> Written | None:
        """Its source, parsed; None where its file was edited since, and says what is not."""
        return None if self.was_edited() else written_in(self.file)

    def was_edited(self) -> bool:
        """Whether its file is another than the one compiled last, as far as that can be told."""
        spec = self.namespace.get("__spec__")
        cached = spec.cached if type(spec) is ModuleSpec else None
        if cached is None:
            return False
        try:
            with open(cached, "rb") as file:
                header = file.read(16)
            changed = int(Path(self.file).stat().st_mtime)
        except OSError:
            return False
        is_timed = header[4:8] == b"\0\0\0\0"  # else it goes by the text's hash (PEP 552)
        return is_timed and int.from_bytes(header[8:12], "little") != changed & 0xFFFFFFFF

    def line_of(self, binding: Binding) -> str:
        """``file:line`` of what the source defines, or of the module."""
        if not binding.definitions:
            return ""
        return f"{self.file}:{binding.definitions[-1].lineno}"

    def absolute(self, level: int, module_name: str) -> str:
        """The full name of a module that ``from`` names, relative ones included."""
        if not level:
            return module_name
        package = self.namespace.get("__package__")
        if type(package) is not str:
            package = (
                self.own_name if "__path__" in self.namespace else self.own_name.rpartition(".")[0]
            )
        above = package.split(".")[: len(package.split(".")) - level + 1]
        return ".".join([*above, *filter(None, [module_name])])

    @functools.cached_property
    def outline(self) -> Outline | None:
        """What its text may define; None where there is no text."""
        return outline_of(self.file)

    def may_define(self, cls: type | None, name: str) -> bool:
        """Whether its text may define a function, in itself or a class: cheap, before parsing."""
        outline = self.outline
        if outline is None:
            return False
        return name in (
            outline.functions if cls is None else outline.classes.get(path_of(cls)[-1], ())
        )

    def may_define_class(self, name: str) -> bool:
        """Whether its text may define a class: as cheap."""
        return self.outline is not None and name in self.outline.classes

    def mentions(self, name: str) -> bool:
        """Whether a name stands anywhere in its text."""
        return self.outline is not None and self.outline.says(mentions, name)

    def imports_from(self, namespace: dict[str, Any]) -> bool:
        """Whether it imports from where a function comes: it may have put it there itself."""
        if self.outline is None:
            return False
        first, *rest = str(namespace.get("__name__")).split(".")
        if first in ("extensions", "custom_nodes") and rest:  # a folder of extensions, no package
            own = f"{first}.{rest[0]}"
            return self.outline.says(imports, own) or self.outline.says(mentions, f"from {first} ")
        return self.outline.says(imports, first)

    @functools.cached_property
    def knows_its_file(self) -> bool:
        """Whether its functions carry its file's name, as they usually do."""
        return any(
            type(value) is FunctionType
            and value.__globals__ is self.namespace
            and value.__code__.co_filename == self.file
            for value in self.namespace.copy().values()
        )


def path_of(cls: type) -> list[str]:
    """The names that lead to a class in its module."""
    return str(cls.__qualname__).split(".")
