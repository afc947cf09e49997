"""What stands for the webui: modules of definitions taken from its source, and things of no kind.

Nothing of the webui is imported. A module of it has the definitions that are wanted, executed one
by one out of the whole text of its file, so that the lines, the file and the names are the
webui's; whatever else is asked of it is a thing that can be called, called on and derived from.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Thing:
    """Whatever it is: calling it gives it, and as a decorator it gives the function back."""

    def __init__(self, name: str) -> None:
        self.__name__ = self.__qualname__ = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """A function or class that it decorates, else it."""
        if len(args) == 1 and not kwargs and isinstance(args[0], (types.FunctionType, type)):
            return args[0]
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Thing(f"{self.__name__}.{name}")

    def __getitem__(self, key: Any) -> Any:
        return self

    def __iter__(self) -> Any:
        return iter(())

    def __or__(self, other: Any) -> Any:
        return self

    __ror__ = __or__

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __mro_entries__(self, bases: Any) -> tuple[Any, ...]:
        return ()

    def __instancecheck__(self, value: Any) -> bool:
        return False

    __subclasscheck__ = __instancecheck__


class Anything(types.ModuleType):
    """A module of the webui: what it lacks is a thing."""

    __path__: list[str]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Thing(name)


class Webui:
    """The modules that stand for the webui's own.

    Args:
        folder: the folder that stands for the webui's.
        modules: the modules with definitions: ``name``, ``file`` in that folder, ``text``, whether
            it is a ``package``, ``wanted``: the first lines of the statements to be executed,
            ``things``: names that stand for what only the webui can make.
        roots: the packages that are the webui's.

    Attributes:
        notes: what could not be made as it stands in the source, by dotted names.
        made: the modules with definitions, by the names that paths begin with.
    """

    def __init__(
        self, folder: Path, modules: Sequence[Mapping[str, Any]], roots: Sequence[str]
    ) -> None:
        self.folder = folder
        self.notes: dict[str, str] = {}
        self.made: dict[str, Any] = {}
        self._given = {str(module["name"]): module for module in modules}
        self._roots = set(roots)

    def begin(self) -> None:
        """From now on imports find what stands for the webui, and nothing of livepatch."""
        for name in [n for n in sys.modules if n.partition(".")[0] == "livepatch"]:
            del sys.modules[name]
        sys.meta_path.insert(0, _Finder(self))
        for module in self._given.values():
            if "text" in module:
                path = self.folder / module["file"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(module["text"], encoding="utf-8", newline="")

    def is_its(self, name: str) -> bool:
        """Whether a module is the webui's."""
        return name in self._given or any(
            name == root or name.startswith(f"{root}.") for root in self._roots
        )

    def folder_of(self, name: str) -> str:
        """Where a package of that name would lie."""
        return str(self.folder.joinpath(*name.split(".")))

    def build(self, place: Any) -> None:
        """Make all modules with definitions.

        Args:
            place: puts one where the webui keeps it; called with the module's description and the
                module.
        """
        for name, given in self._given.items():
            if given.get("key", name) == name:
                self.module(name)
        for name, given in self._given.items():
            if name not in self.made:
                module = self._new(name, given)
                if given["key"] == "__main__":
                    sys.modules["__main__"] = module
                else:
                    place(given, module)
                self.execute(name, module)

    def module(self, name: str) -> Any:
        """The module of a name in ``sys.modules``, and those around it."""
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            path = ".".join(parts[:length])
            if path in sys.modules and (path != "__main__" or path in self.made):
                continue
            given = self._given.get(path)
            module = self._new(path, given) if given else Anything(path)
            if given is None:
                module.__path__ = [self.folder_of(path)]
            sys.modules[path] = module
            if length > 1:
                setattr(sys.modules[".".join(parts[: length - 1])], parts[length - 1], module)
            if given is not None:
                self.execute(path, module)
        return sys.modules[name]

    def _new(self, name: str, given: Mapping[str, Any]) -> Any:
        key = str(given.get("key") or name)
        module = Anything(given.get("called", key))
        self.made[name] = module
        if "text" in given:
            file = self.folder / given["file"]
            module.__file__ = str(file)
            search = [str(file.parent)] if given.get("package") else None
            module.__spec__ = importlib.util.spec_from_file_location(
                key, file, submodule_search_locations=search
            )
            module.__loader__ = module.__spec__.loader if module.__spec__ else None
            is_package = bool(given.get("package"))
            module.__package__ = key if is_package else key.rpartition(".")[0]
        module.__path__ = [self.folder_of(name)]
        return module

    def execute(self, name: str, module: Any) -> None:
        """Execute the wanted statements of a module, and give it its things."""
        given = self._given[name]
        names = vars(module)
        for thing in given.get("things", ()):
            names[thing] = Thing(thing)
        if "text" in given:
            wanted, text = {*given["wanted"]}, given["text"]
            for statement in ast.parse(text).body:
                if statement.lineno in wanted:
                    self._run(name, statement, text, names)

    def _run(self, name: str, statement: ast.stmt, text: str, names: dict[str, Any]) -> None:
        flags = _future_flags(text)
        try:
            tree = ast.Module([statement], [])
            code = compile(tree, names["__file__"], "exec", flags, dont_inherit=True)
            exec(code, names)
        except Exception as error:
            for bound in _bound_by(statement):
                names.setdefault(bound, Thing(bound))
                self.notes[f"{name}.{bound}"] = f"{type(error).__name__}: {error}"


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the webui's modules, and no livepatch."""

    def __init__(self, webui: Webui) -> None:
        self.webui = webui

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:  # noqa: ARG002
        """A spec of a module that stands for one of the webui's."""
        if self.webui.is_its(fullname):
            place = Path(self.webui.folder_of(fullname))
            is_exported = place.with_suffix(".py").exists() or (place / "__init__.py").exists()
            if is_exported and fullname not in self.webui._given:
                return None  # the export itself, where the webui looks for it
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        if fullname.partition(".")[0] == "livepatch":
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None

    def create_module(self, spec: Any) -> Any:
        """The module that stands there."""
        given = self.webui._given.get(spec.name)
        if given is not None:
            return self.webui._new(spec.name, given)
        return Anything(spec.name)

    def exec_module(self, module: Any) -> None:
        """Give it what is wanted of it."""
        name = module.__spec__.name
        if not isinstance(module, Anything):
            return
        module.__path__ = [self.webui.folder_of(name)]
        if name in self.webui._given:
            self.webui.execute(name, module)


def _future_flags(text: str) -> int:
    import __future__

    flags = 0
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            for alias in statement.names:
                flags |= getattr(__future__, alias.name).compiler_flag
    return flags


def _bound_by(statement: ast.stmt) -> set[str]:
    """The names that a statement binds where it stands."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    found = set()
    for node in ast.walk(statement):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
    return found
