"""The webui's modules as the check of an export has them: definitions, taken from their source.

Of a module only those statements are executed there that the definition of a target needs: the
definition itself, its decorators, bases and default values, and what these name. Nothing of the
webui is started or imported for it: what only the webui can make, an app say, is a thing of no
kind there.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.engine.reading.parsing import parse
from livepatch.engine.reading.sources import lines_of
from livepatch.looking.origins import Rank, main_program, origin_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import ModuleType

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (*FUNCTIONS, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)
# What a call of theirs makes is a matter of types and definitions.
_MAKERS = frozenset({"typing", "typing_extensions", "collections", "functools", "re", "enum"})
_EAGER = sys.version_info < (3, 14)
"""Whether annotations are evaluated with the definition."""
_FOLDERS = ("extensions", "extensions-builtin", "custom_nodes", "scripts")


@dataclass
class HostModule:
    """A module of the webui.

    Attributes:
        name: what paths call it.
        key: its name in ``sys.modules``; what paths call it where it has none.
        module: it.
        file: where its text is put, below the folder that stands for the webui's.
        text: the text of its file; None: it has none.
        wanted: the first lines of the statements that are needed.
        things: names of what only the webui can make.
    """

    name: str
    key: str
    module: ModuleType
    file: str = ""
    text: str | None = None
    wanted: set[int] = field(default_factory=set)
    things: set[str] = field(default_factory=set)
    bound: dict[str, list[ast.stmt]] = field(default_factory=dict, repr=False)
    is_future: bool = False
    _seen: set[tuple[str, bool]] = field(default_factory=set, repr=False)

    def as_asked(self) -> dict[str, Any]:
        """As the check wants it."""
        given: dict[str, Any] = {
            "name": self.name,
            "key": self.key,
            "file": self.file,
            "called": self.module.__name__,
            "things": sorted(self.things),
        }
        if self.text is not None:
            package = hasattr(self.module, "__path__")
            given |= {"text": self.text, "package": package, "wanted": sorted(self.wanted)}
        return given


class HostModules:
    """Collects what of the webui's modules a check needs.

    Args:
        named: modules that no name in ``sys.modules`` leads to as paths do, by such names.
        app: the webui's app: the packages that have it are the webui's.
    """

    def __init__(self, named: Mapping[str, ModuleType], app: Any = None) -> None:
        self._named = dict(named)
        self._modules: dict[str, HostModule] = {}
        self._main = main_program()
        self.roots = self._own_roots(app)

    def asked(self) -> list[dict[str, Any]]:
        """All of them, as the check wants them."""
        return [module.as_asked() for module in self._modules.values()]

    def is_its(self, name: str) -> bool:
        """Whether a module is the webui's, so that it is not imported in the check."""
        if name in self._named or name == "__main__":
            return True
        return any(name == root or name.startswith(f"{root}.") for root in self.roots)

    def need(self, module: str, name: str, *, body: bool = False) -> None:
        """Take in what the definition of a name needs.

        Args:
            module: the name of its module.
            name: the first part of its name there.
            body: whether what it names while it runs is needed as well.
        """
        if not self.is_its(module):
            return
        found = self._module(module)
        if found is None or (name, body) in found._seen:
            return
        found._seen.add((name, body))
        if name not in found.bound:
            if name in vars(found.module):
                found.things.add(name)
            return
        for statement in found.bound[name]:
            self._take(found, statement, name, body=body)

    def name_of(self, namespace: dict[str, Any]) -> str | None:
        """The name of the webui's module that has a namespace; None where none has."""
        named = (name for name, module in self._named.items() if vars(module) is namespace)
        name = next(named, None) or str(namespace.get("__name__"))
        module = self._named.get(name) or sys.modules.get(name)
        is_its = module is not None and vars(module) is namespace and self.is_its(name)
        return name if is_its else None

    def _own_roots(self, app: Any) -> set[str]:
        roots: set[str] = set()
        for name, module in sys.modules.copy().items():
            names = getattr(module, "__dict__", None)
            if not isinstance(names, dict) or name == "__main__" or "/" in name or "\\" in name:
                continue
            root = name.partition(".")[0]
            if root in roots or root in sys.stdlib_module_names or root == "livepatch":
                continue
            rank = origin_of(names, self._main).rank
            is_host = rank in (Rank.WEBUI, Rank.EXTENSION)
            if is_host or (app is not None and any(value is app for value in [*names.values()])):
                roots.add(root)
        return roots | {"livepatch.demo"}

    def _module(self, name: str) -> HostModule | None:
        if name in self._modules:
            return self._modules[name]
        module = self._named.get(name) or sys.modules.get(name)
        if module is None:
            return None
        key = name
        if sys.modules.get(name) is not module:
            keys = (k for k, m in sys.modules.copy().items() if m is module)
            key = next(keys, "") or f"<{name}>"
        made = HostModule(name, key, module)
        self._modules[name] = made
        self._read(made)
        return made

    def _read(self, module: HostModule) -> None:
        file = getattr(module.module, "__file__", None)
        if not isinstance(file, str) or not file.endswith(".py"):
            return
        text = "".join(lines_of(file))
        try:
            body = parse(text).body
        except (SyntaxError, ValueError):
            return
        module.text, module.file = text, self._place_of(Path(file), module)
        for statement in body:
            if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
                module.is_future |= any(a.name == "annotations" for a in statement.names)
            for name in bound_by(statement):
                module.bound.setdefault(name, []).append(statement)

    def _place_of(self, file: Path, module: HostModule) -> str:
        """Where a file is put: where the webui has it."""
        parts = file.parts
        for number in range(len(parts) - 2, 0, -1):
            if parts[number] in _FOLDERS and parts[number - 1] != "site-packages":
                if number > 1 and parts[number - 1] not in _FOLDERS and parts[number] == "scripts":
                    continue  # of an extension: the folder that it lies in says more
                return "/".join(parts[number:])
        inner = module.key.split(".") if module.key == module.name else [module.name]
        if file.name == "__init__.py":
            return "/".join([*inner, file.name])
        return "/".join([*inner[:-1], file.name])

    def _take(self, module: HostModule, statement: ast.stmt, name: str, *, body: bool) -> None:
        if isinstance(statement, IMPORTS):
            module.wanted.add(statement.lineno)
            self._follow(module, statement, name, body=body)
            return
        if isinstance(statement, DEFINITIONS):
            module.wanted.add(statement.lineno)
            run = list(statement.decorator_list)
            if isinstance(statement, ast.ClassDef):
                run += statement.bases
            for one in run:
                self._need_all(module, _reads([one]), body=True)
                self._need_attributes(module, one)
            self._need_all(module, set(self._with_definition(module, statement)), body=False)
            if body:
                self._need_all(module, _reads([statement]), body=True)
            return
        if all(_is_harmless(one, module) for one in ast.walk(statement)):
            module.wanted.add(statement.lineno)
            self._need_all(module, _reads([statement]), body=body)
        else:
            module.things.add(name)

    def _need_all(self, module: HostModule, names: Iterable[str], *, body: bool) -> None:
        for name in names:
            if name in module.bound or name in vars(module.module):
                self.need(module.name, name, body=body)

    def _need_attributes(self, module: HostModule, expression: ast.expr) -> None:
        """Of ``package.decorator`` what the decorator needs."""
        for node in ast.walk(expression):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                held = vars(module.module).get(node.value.id)
                name = getattr(held, "__name__", None)
                if isinstance(name, str) and sys.modules.get(name) is held:
                    self.need(name, node.attr, body=True)

    def _follow(self, module: HostModule, statement: ast.stmt, name: str, *, body: bool) -> None:
        """Take in what an import of a name gives."""
        if not isinstance(statement, ast.ImportFrom):
            return
        source = statement.module or ""
        if statement.level:
            around = (getattr(module.module, "__package__", "") or "").split(".")
            around = around[: len(around) - statement.level + 1]
            source = ".".join([*around, *([source] if source else [])])
        for alias in statement.names:
            if (alias.asname or alias.name) == name and alias.name != "*":
                self.need(source, alias.name, body=body)

    def _with_definition(self, module: HostModule, statement: ast.stmt) -> Iterator[str]:
        """The names that are read when a definition is executed."""
        if isinstance(statement, FUNCTIONS):
            given = statement.args
            yield from _reads([*statement.decorator_list, *given.defaults])
            yield from _reads([one for one in given.kw_defaults if one is not None])
            if _EAGER and not module.is_future:
                every = [*given.posonlyargs, *given.args, *given.kwonlyargs]
                rest = [one for one in (given.vararg, given.kwarg) if one is not None]
                notes = [one.annotation for one in [*every, *rest]]
                yield from _reads([one for one in (*notes, statement.returns) if one is not None])
        elif isinstance(statement, ast.ClassDef):
            keywords = [one.value for one in statement.keywords]
            yield from _reads([*statement.decorator_list, *statement.bases, *keywords])
            for one in statement.body:
                yield from self._with_definition(module, one)
        else:
            yield from _reads([statement])


def bound_by(statement: ast.stmt) -> set[str]:
    r"""The names that a statement binds where it stands, what is inside functions aside.

    Example:
        >>> sorted(bound_by(ast.parse("if 1:\n    a, b = 1, 2").body[0]))
        ['a', 'b']
    """
    if isinstance(statement, DEFINITIONS):
        return {statement.name}
    found: set[str] = set()
    for node in ast.iter_child_nodes(statement):
        if isinstance(node, ast.stmt):
            found |= bound_by(node)
        elif isinstance(node, ast.ExceptHandler):
            for inner in node.body:
                found |= bound_by(inner)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        else:
            stored = (n for n in ast.walk(node) if isinstance(n, ast.Name))
            found |= {n.id for n in stored if isinstance(n.ctx, ast.Store)}
    return found


def _reads(nodes: Iterable[ast.AST]) -> set[str]:
    return {
        node.id
        for one in nodes
        for node in ast.walk(one)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


_QUIET = (
    *(ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Starred),
    *(ast.Tuple, ast.List, ast.Dict, ast.Set, ast.JoinedStr, ast.FormattedValue),
    *(ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Lambda),
    *(ast.Assign, ast.AnnAssign, ast.If, ast.Try, ast.ExceptHandler, ast.Pass),
    *(*IMPORTS, *DEFINITIONS, ast.alias, ast.keyword, ast.arguments, ast.arg, ast.Return),
    *(ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
)


def _is_harmless(node: ast.AST, module: HostModule) -> bool:
    """Whether executing a part of a statement does nothing but name, take together and define."""
    if isinstance(node, ast.Call):
        root: ast.expr = node.func
        while isinstance(root, ast.Attribute):
            root = root.value
        name = root.id if isinstance(root, ast.Name) else ""
        for statement in module.bound.get(name, ()):
            if isinstance(statement, ast.ImportFrom) and statement.module in _MAKERS:
                return True
            if isinstance(statement, ast.Import) and name in _MAKERS:
                return True
        return False
    return isinstance(node, _QUIET)
