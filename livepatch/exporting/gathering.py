"""What the changes of an export need beside themselves: functions, classes, imports and values."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from livepatch.engine.changing.registry import registry
from livepatch.engine.layers.owners import OWNER
from livepatch.engine.reading.sources import definition_of, place
from livepatch.errors import ExportRefused
from livepatch.looking.origins import Rank, origin_of

from .names import names_used, text_of_class, text_of_function
from .runtime.definitions import indented

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


@dataclass
class Gatherer:
    """Collects what goes into the extension's ``names.py``, in the order in which it is defined.

    Args:
        asked: the user's request in words.
        with_values: the names of values that may be exported.

    Attributes:
        imports: the import statements by the names that they bind.
        values: literals by their names.
        texts: definitions by their names, what they need first.
        modules: the modules that are imported.
        taken_from: what is imported from modules: module and name.
    """

    asked: str
    with_values: Collection[str] = ()
    imports: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    modules: set[str] = field(default_factory=set)
    taken_from: set[tuple[str, str]] = field(default_factory=set)
    _known: dict[str, Any] = field(default_factory=dict)

    def names_of(
        self, names: Collection[str], namespace: Mapping[str, Any], needed_by: str
    ) -> None:
        """Take in the values of names.

        Raises:
            ExportRefused: a name leads to what cannot be written down.
        """
        for name in sorted(names):
            if name in namespace:
                self.take(name, namespace[name], namespace, needed_by)
            elif not hasattr(builtins, name):
                raise self._refused(
                    f"{needed_by} uses {name!r}, which is defined nowhere",
                    f"define {name} in a cell, and run the cell with the change again",
                )

    def take(
        self,
        name: str,
        value: Any,
        namespace: Mapping[str, Any],
        needed_by: str,
        *,
        rename: bool = False,
    ) -> str:
        """Take in one value.

        Args:
            name: what it is to be called.
            value: the value.
            namespace: where its name stands.
            needed_by: what needs it, for people.
            rename: whether another name will do.

        Returns:
            What it is called in the extension.

        Raises:
            ExportRefused: it cannot be written down.
        """
        for known, held in self._known.items():
            if held is value and (known == name or rename):
                return known
        name = self._free(name) if rename else name
        if name in self._known:
            raise self._refused(
                f"{needed_by} and another change mean different things by {name!r}",
                "give one of them another name, and make that change again",
            )
        self._known[name] = value
        if isinstance(value, ModuleType):
            self._import_module(name, value, needed_by)
        elif self._is_importable(value, namespace):
            self._import_from(name, value, needed_by)
        elif isinstance(value, FunctionType):
            self._take_function(name, value, needed_by)
        elif isinstance(value, type):
            self._take_class(name, value, namespace, needed_by)
        else:
            self._take_value(name, value, needed_by)
        return name

    def take_callable(self, given: Any, owner: str, about: str) -> str:
        """Take in what a user gave as a function: its source, or where it is imported from.

        Args:
            given: a function, a class, or what else can be called.
            owner: whose change it is: what its own module has is copied, the rest is imported.
            about: what it is for, for people.

        Raises:
            ExportRefused: it has no source and cannot be imported.
        """
        if isinstance(given, (staticmethod, classmethod)):
            given = given.__func__
        if not isinstance(given, (FunctionType, type)) and not leads_to(*home_of(given), given):
            raise self._refused(
                f"{about}: the new code is a {type(given).__name__} ({place(type(given))}), "
                f"which has no source of its own",
                "write a def that calls it, and make the change again with that",
            )
        name = str(getattr(given, "__name__", "change"))
        module, _ = home_of(given)
        is_own = module == owner or _is_users(module)
        loaded = sys.modules.get(module)
        namespace = getattr(given, "__globals__", None) or (vars(loaded) if loaded else {})
        return self.take(name, given, namespace if is_own else {}, about, rename=True)

    def own_text(self, name: str, text: str) -> str:
        """Take in a definition that the exporter itself wrote."""
        self.texts.setdefault(name, text)
        self._known.setdefault(name, text)
        return name

    def _free(self, name: str) -> str:
        name = re.sub(r"\W", "_", name.rpartition(".")[2]).strip("_") or "change"
        if name[:1].isdigit() or keyword.iskeyword(name):
            name = f"_{name}"
        number, free = 1, name
        while free in self._known:
            number += 1
            free = f"{name}_{number}"
        return free

    def _import_module(self, name: str, module: ModuleType, needed_by: str) -> None:
        full = module.__name__
        if module_is_notebooks(full) or sys.modules.get(full) is not module:
            raise self._refused(
                f"{needed_by} uses the module {name!r}, which cannot be imported by a name",
                "use the function that you need of it instead",
            )
        self._check_not_ours(name, full, needed_by)
        self.modules.add(full)
        self.imports[name] = f"import {full}" if full == name else f"import {full} as {name}"

    def _is_importable(self, value: Any, namespace: Mapping[str, Any]) -> bool:
        module, path = home_of(value)
        if _is_users(module) or getattr(value, "__globals__", None) is namespace:
            return False
        found: Any = sys.modules.get(module)
        if found is None or vars(found) is namespace or "/" in module or "\\" in module:
            return False
        return leads_to(module, path, value)

    def _check_not_ours(self, name: str, module: str, needed_by: str) -> None:
        if module.partition(".")[0] == "livepatch" and not module.startswith("livepatch.demo"):
            raise self._refused(
                f"{needed_by} uses {name!r} of livepatch, which is not installed where the export "
                "will run",
                "keep code that uses livepatch in the notebook, outside the changes",
            )

    def _import_from(self, name: str, value: Any, needed_by: str) -> None:
        module, path = home_of(value)
        self._check_not_ours(name, module, needed_by)
        self.modules.add(module)
        first, _, rest = path.partition(".")
        self.taken_from.add((module, first))
        if rest:
            self.imports[f"{name} = "] = f"from {module} import {first} as _{name}_holder"
            self.values[name] = f"_{name}_holder.{rest}"
        elif first == name:
            self.imports[name] = f"from {module} import {first}"
        else:
            self.imports[name] = f"from {module} import {first} as {name}"

    def _take_function(self, name: str, function: FunctionType, needed_by: str) -> None:
        definition = definition_of(function)
        text = text_of_function(function)
        if isinstance(definition, ast.Lambda):
            text = _lambda_as_def(definition, name)
        elif text is None or not isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef)):
            raise self._refused(
                f"the source of {name!r} is not available ({place(function)}); {needed_by} needs "
                "it",
                "write it as a def in a cell or a file, and make the change again",
            )
        elif definition.name != name:
            pattern = rf"^((?:async\s+)?def\s+){re.escape(definition.name)}\b"
            text = re.sub(pattern, rf"\g<1>{name}", text, count=1, flags=re.MULTILINE)
        free = [
            (variable, cell.cell_contents)
            for variable, cell in zip(
                function.__code__.co_freevars, function.__closure__ or (), strict=True
            )
        ]
        used = names_used(text) - {variable for variable, _ in free}
        self._needs(text, used, function.__globals__, f"{name}()")
        arguments = [
            (variable, self._take_variable(variable, value, function, f"{name}()"))
            for variable, value in free
            if value is not function
        ]
        if arguments:
            text = _factory(name, text, dict(arguments))
        self.texts[name] = text

    def _take_variable(
        self, variable: str, value: Any, function: FunctionType, needed_by: str
    ) -> str:
        if isinstance(value, (FunctionType, type, ModuleType)) and variable != "__class__":
            return self.take(variable, value, function.__globals__, needed_by, rename=True)
        if variable == "__class__":
            raise self._refused(
                f"{needed_by} uses super(), and stands in no class of its own",
                "write it in a cell: %%replace package.module.Class.method",
            )
        return self._literal(variable, value, needed_by)

    def _take_class(
        self, name: str, cls: type, namespace: Mapping[str, Any], needed_by: str
    ) -> None:
        text = text_of_class(cls)
        if text is None or "<locals>" in cls.__qualname__ or cls.__name__ != name:
            found = f"the source of the class {name!r} is not available"
            if text is not None:
                found = f"the class {name!r} is {cls.__qualname__}, not a class of the notebook"
            raise self._refused(
                f"{found} ({place(cls)}); {needed_by} needs it",
                "define it at the top level of a cell or a file, and make the change again",
            )
        module = sys.modules.get(cls.__module__)
        around = vars(module) if module is not None else namespace
        self._needs(text, names_used(text), around, f"class {name}")
        self.texts[name] = text

    def _needs(
        self, text: str, used: Collection[str], namespace: Mapping[str, Any], needed_by: str
    ) -> None:
        self.names_of([n for n in used if n in namespace], namespace, needed_by)
        for name in sorted(names_used(text, annotations=True) - set(used)):
            if name in namespace and name not in self._known:
                self._take_for_annotation(name, namespace, needed_by)

    def _take_for_annotation(self, name: str, namespace: Mapping[str, Any], needed_by: str) -> None:
        """Annotations are not evaluated: what they name is a help, and no condition."""
        value = namespace[name]
        if isinstance(value, ModuleType) or self._is_importable(value, namespace):
            self.take(name, value, namespace, needed_by)

    def _take_value(self, name: str, value: Any, needed_by: str) -> None:
        self.values[name] = self._literal(name, value, needed_by)

    def _literal(self, name: str, value: Any, needed_by: str) -> str:
        kind = type(value).__name__
        if name not in self.with_values:
            raise self._refused(
                f"{needed_by} uses the value {name!r} (of type {kind}), and values are not "
                f"written down unless they are named",
                f'lp.export(…, with_values=["{name}"]), or %export … --with-values {name}',
            )
        text = repr(value)
        try:
            same = ast.literal_eval(text) == value and type(ast.literal_eval(text)) is type(value)
        except (ValueError, SyntaxError):
            same = False
        if not same:
            raise self._refused(
                f"the value {name!r} (of type {kind}) is not given back by its repr; "
                f"{needed_by} needs it",
                f"make it inside the function, or by a function: def make_{name}(): …",
            )
        return text

    def _refused(self, found: str, advice: str) -> ExportRefused:
        return ExportRefused(self.asked, found, advice)


def module_is_notebooks(name: str) -> bool:
    """Whether a module is a notebook's."""
    return name in registry.notebook_modules


def _is_users(name: str) -> bool:
    """Whether a module is the user's own: another process of the webui does not have it.

    It is neither installed nor lies in the folder that the webui was started from, or livepatch
    runs it as a watched file.
    """
    if name == "__main__" or module_is_notebooks(name):
        return True
    module = sys.modules.get(name)
    if OWNER in getattr(module, "__dict__", ()):
        return True  # a watched file: livepatch made its module
    file = getattr(module, "__file__", None)
    if module is None or file is None or origin_of(vars(module)).rank <= Rank.PACKAGE:
        return False
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    homes = [Path.cwd(), *([Path(main).absolute().parent] if main else [])]
    path = Path(file).absolute()
    return not any(home in path.parents for home in homes) and name.partition(".")[0] != "livepatch"


def home_of(value: Any) -> tuple[str, str]:
    """The module of a value and its name there; of a method of a C class, as the class has them."""
    holder = getattr(value, "__objclass__", None)
    module = getattr(value, "__module__", None) or getattr(holder, "__module__", "")
    return str(module), str(getattr(value, "__qualname__", ""))


def leads_to(module: str, path: str, value: Any) -> bool:
    """Whether a name in a loaded module leads to a value."""
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None) if part else None
    return found is value and value is not None


def _lambda_as_def(node: ast.Lambda, name: str) -> str:
    definition = ast.parse(f"def {name}(): return None").body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.args, definition.body = node.args, [ast.Return(node.body)]
    return f"{ast.unparse(ast.fix_missing_locations(definition))}\n"


def _factory(name: str, text: str, arguments: Mapping[str, str]) -> str:
    """A function with the variables around it, as a function that makes it."""
    return (
        f"def _make_{name}({', '.join(arguments)}):\n{indented(text, 4)}\n    return {name}\n\n\n"
        f"{name} = _make_{name}({', '.join(arguments.values())})\n"
    )
