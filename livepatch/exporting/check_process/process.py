"""Loads an export as the webui does, looks at what it changes, and takes it back."""

from __future__ import annotations

import ast
import contextlib
import gc
import importlib
import importlib.util
import io
import json
import os
import shutil
import sys
import types
from pathlib import Path
from typing import Any

from .apps import app_of, callback, middleware_of
from .looking import ABSENT, Picture, facts_of, function_of, thing_at
from .outputs import differences, live_from
from .stand_ins import Anything, Thing, Webui


class Check:
    """One check.

    Args:
        request: what ``checking`` asks for.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        self.notes: list[str] = []
        self.wrong: list[str] = []
        self.left_out: list[str] = []
        self.applied = 0
        self.compared: set[str] = set()
        self.answered: set[str] = set()
        self.webui = Webui(Path.cwd(), request["modules"], request["roots"])
        self.app = app_of(request["app"], request["middleware"]["base"])
        self.names: dict[str, Any] = {}

    def run(self) -> dict[str, Any]:
        """Check it, in each of the ways in which the webui may load it."""
        self.webui.begin()
        self._stand_in()
        self.webui.build(self.names.get("place", _nowhere))
        for target in self.request["targets"]:
            self._build_target(target)
        for way in self.names.get("WAYS", (self.load,)):
            self._check(way)
        notes = list(dict.fromkeys([*self.notes, *self._of_definitions()]))
        answer = {"notes": notes, "wrong": list(dict.fromkeys(self.wrong))}
        counts = {"compared": len(self.compared), "answered": len(self.answered)}
        left_out = list(dict.fromkeys(self.left_out))
        return {**answer, "left_out": left_out, "applied": self.applied, **counts}

    def _stand_in(self) -> None:
        """Run what the adapter says of the webui, before anything is loaded."""
        self.names.update(
            Anything=Anything,
            Thing=Thing,
            app=self.app,
            callback=callback,
            events=[tuple(event) for event in self.request["events"]],
            execute=execute,
            folder=Path.cwd(),
            load=self.load,
            name=self.request["name"],
            path=Path(self.request["path"]),
            put=self.put,
            stand_in_module=self.webui.module,
            sys=sys,
            types=types,
        )
        exec(compile(self.request["webui"], "<webui>", "exec"), self.names)

    def put(self, where: str) -> Path:
        """Put the export into a folder of the webui's; answers its own folder or file there."""
        path = Path(self.request["path"])
        home = Path.cwd() / where
        home.mkdir(parents=True, exist_ok=True)
        for former in [p for p in home.iterdir() if p.name == path.name]:
            shutil.rmtree(former) if former.is_dir() else former.unlink()
        copy = shutil.copytree if path.is_dir() else shutil.copy2
        return Path(copy(path, home / path.name))

    def load(self) -> Any:
        """Execute its entry file, as a webui does of which nothing else is known."""
        path = self.put("exported")
        file, name = path, "check_of_export"
        if path.is_dir():
            file = path / self.request["entry"]
            sys.path.insert(0, str(path))
            if file.parent.name == self.request["package"]:
                name = self.request["package"]
        return execute(name, file)

    def _build_target(self, target: dict[str, Any]) -> None:
        """See that a target is there: as a definition, else as something of its kind."""
        is_made = self._thing(target) is not ABSENT
        if target["base"] is not None and target["watched"]:
            target = {**target, "stand_in": f"{{name}} = {target['base']}"}
        elif is_made or not target["stand_in"]:
            return
        with contextlib.suppress(Exception):
            self._make(target)
            if target["kind"] != "value":
                self.notes.append(f"{target['path']} is no definition in the webui's source")
        if self._thing(target) is ABSENT:
            self.notes.append(f"{target['path']} cannot be made outside the webui")

    def _make(self, target: dict[str, Any]) -> None:
        parts = target["parts"]
        holder = self._module(target["module"])
        for name, is_key in parts[:-1]:
            found = thing_at(holder, [(name, is_key)])
            if found is ABSENT or isinstance(found, Thing):
                made: Any = type(name, (), {"__module__": holder.__name__})
                made = {} if parts[-1][1] else made
                setattr(holder, name, made)
                found = made
            holder = found
        name, is_key = parts[-1]
        names: dict[str, Any] = {"__name__": target["module"]}
        exec(target["stand_in"].format(name="made_value" if is_key else name), names)
        if is_key:
            holder[ast.literal_eval(name)] = names["made_value"]
            return
        if isinstance(names[name], type):
            names[name].__module__ = target["module"]
        setattr(holder, name, names[name])

    def _module(self, name: str) -> Any:
        if name in self.webui.made:
            return self.webui.made[name]
        if self.webui.is_its(name):
            return self.webui.module(name)
        return importlib.import_module(name)

    def _thing(self, target: dict[str, Any]) -> Any:
        try:
            return thing_at(self._module(target["module"]), target["parts"])
        except ImportError:
            return ABSENT

    def _check(self, way: Any) -> None:
        before = self._picture()
        facts = [facts_of(self._thing(target)) for target in self.request["targets"]]
        order = middleware_of(self.app)
        called = self._called()
        entry = way()
        extension = self._extension(entry)
        self.left_out += list(extension.warnings)
        self.names.get("start", lambda _: extension.apply(self.app))(entry)
        self.left_out += list(extension.warnings)
        self.applied = max(self.applied, len(extension.applied))
        self._compare(before, entry)
        for on in (False, True):
            if extension.is_on is not on:
                extension.switch(on=on)
            self._compare_switched(before, is_on=on, switch=extension)
        extension.warnings.clear()
        self.names.get("stop", lambda _: extension.remove())(entry)
        self.wrong += list(extension.warnings)
        self._compare_taken_back(before, facts)
        if middleware_of(self.app) != order:
            self.wrong.append("the middleware is not as it was after it was taken back")
        if self._called() != called:
            self.wrong.append("the callbacks are not as they were after it was taken back")
        for name in [n for n in sys.modules if n.partition(".")[0] == self.request["package"]]:
            del sys.modules[name]

    def _extension(self, entry: Any) -> Any:
        package = self.request["package"]
        names = (f"{getattr(entry, '__name__', '')}.{package}", package)
        homes = [entry, *(sys.modules.get(name) for name in names)]
        return next(
            vars(m)["EXTENSION"] for m in homes if "EXTENSION" in getattr(m, "__dict__", ())
        )

    def _compare(self, before: Picture, entry: Any) -> None:
        changed = self._picture().changed_since(before)
        left_out = " ".join(self.left_out)
        for target in self.request["targets"]:
            path = target["path"]
            if f" {path}: " in left_out:
                continue
            found, live = facts_of(self._thing(target)), target["facts"]
            if target["watched"] and not any(_is_of(one, path) for one in changed):
                self.wrong.append(f"{path} is not changed by it")
            elif live is not None and found != live and live["is"] != "callable":
                self.wrong.append(f"{path}: {_difference(found, live)}")
            else:
                self.compared.add(path)
            self._compare_outputs(target)
        paths = [target["path"] for target in self.request["targets"]]
        for one in sorted(changed):
            if not any(_is_of(one, path) for path in paths):
                self.wrong.append(f"{one} is changed too, which is not changed live")
        self._compare_others(entry)

    def _compare_outputs(self, target: dict[str, Any]) -> None:
        if not target["live"]:
            return
        function = function_of(self._thing(target))
        if function is None:
            return
        difference, answered = differences(function, live_from(target["live"]), target["arguments"])
        if answered:
            self.answered.add(target["path"])
        if difference:
            self.wrong.append(f"{target['path']}{difference}")

    def _compare_others(self, entry: Any) -> None:
        """The middleware, the callbacks and the hooks."""
        wanted = self.request["middleware"]["live"]
        if wanted is not None and not self.left_out:
            found = middleware_of(self.app)
            if found is None:
                self.notes.append("the middleware: its framework is not here")
            elif found != wanted:
                self.wrong.append(f"the middleware is {_listed(found)}, live {_listed(wanted)}")
        called = self._called()
        for event, live in self.request["callbacks"].items():
            if event in called and called[event] != live and not self.left_out:
                own = _listed(called[event])
                self.wrong.append(f"callbacks of {event}: {own}, live {_listed(live)}")
        for hook, live in self.request["hooks"].items():
            facts = facts_of(vars(entry).get(hook, ABSENT))
            if facts.get("signature") != live.get("signature"):
                self.wrong.append(f"hook {hook}: {_difference(facts, live)}")

    def _called(self) -> dict[str, list[str]]:
        """The callbacks of the events that are changed, by their names; those of the export too."""
        names = self.names.get("called")
        if names is None:
            return {}
        own = [self.request["package"], self.request["name"], "check_of_export"]
        return {
            event: [_label(one, own) for one in names(event) or ()]
            for event in self.request["callbacks"]
        }

    def _compare_switched(self, before: Picture, *, is_on: bool, switch: Any) -> None:
        changed = self._picture().changed_since(before)
        if not is_on and changed:
            self.wrong.append(f"switched off, {_listed(sorted(changed))} stays changed")
        if is_on and len(switch.applied) < self.applied:
            self.wrong.append("switched off and on again, it does not make all of its changes")

    def _compare_taken_back(self, before: Picture, facts: list[Any]) -> None:
        changed = self._picture().changed_since(before)
        for target, fact in zip(self.request["targets"], facts, strict=True):
            if facts_of(self._thing(target)) != fact:
                changed.add(target["path"])
        if changed:
            self.wrong.append(f"taken back, {_listed(sorted(changed))} is not as it was")

    def _picture(self) -> Picture:
        functions = [one for one in gc.get_objects() if isinstance(one, types.FunctionType)]
        return Picture(self.webui.made, functions)

    def _of_definitions(self) -> list[str]:
        """What of the targets could not be made as its definition stands in the source."""
        notes = []
        for target in self.request["targets"]:
            first = f"{target['module']}.{target['parts'][0][0]}"
            if first in self.webui.notes:
                notes.append(f"{target['path']} as it is defined ({self.webui.notes[first]})")
        return notes


def execute(name: str, file: Path) -> Any:
    """Execute a file as a module of that name, a package where its name is that of one."""
    search = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=search)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _nowhere(given: Any, module: Any) -> None:
    sys.modules[str(given.get("key") or given["name"])] = module


def _is_of(changed: str, path: str) -> bool:
    """Whether a change of one name is the change of a target."""
    base = path.partition("[")[0]
    for end in (".fget", ".fset", ".fdel"):
        base = base.removesuffix(end)
    return changed in (path, base) or changed.startswith((f"{base}.", f"{base}["))


def _difference(found: dict[str, Any], live: dict[str, Any]) -> str:
    if found.get("is") != live.get("is"):
        return f"it is a {found.get('is')}, live a {live.get('is')}"
    for key in ("signature", "text"):
        if found.get(key) != live.get(key):
            return f"it is {found.get(key)}, live {live.get(key)}"
    return f"its methods are {found.get('members')}, live {live.get('members')}"


def _listed(names: Any) -> str:
    return ", ".join(map(str, names)) or "none"


def _label(entry: Any, own: list[str]) -> str:
    called = getattr(entry, "callback", entry)
    home = str(getattr(called, "__module__", ""))
    name = getattr(entry, "name", None)
    if name is None and any(one in home for one in own):
        return "*"
    if name is None or name == "unnamed":
        name = getattr(called, "__qualname__", None) or type(called).__qualname__
    return str(name)


def main() -> None:
    """Check what the file named on the command line asks for; the answer is its last line."""
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.chdir(request["folder"])
    said = io.StringIO()
    answers = sys.stdout
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        answer = Check(request).run()
    print(json.dumps(answer), file=answers)
    answers.flush()
    os._exit(0)  # threads of what was loaded do not hold it
