"""Random sequences of everything one can do to some functions, against a simple model.

Two plain functions, two closures that share a qualname, a method, and the same method inherited by
a class that can be locked: then nothing can be put into it or taken out of it.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import itertools
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import livepatch as lp
from livepatch.engine.layers.adopting import heal

if TYPE_CHECKING:
    from collections.abc import Iterable

MACHINES = itertools.count(1)
TARGETS = ("f", "g", "a", "b", "C.m", "D.m")
ANY = st.sampled_from(TARGETS)
IN_MODULE = st.sampled_from(TARGETS[:4])
PLAIN = st.sampled_from(["f", "g", "C.m"])  # whose code others may exchange as they like
NAMES = {
    "replace": st.sampled_from(["r0", "r1"]),
    "wrap": st.sampled_from(["w0", "w1"]),
    "before": st.sampled_from(["b0", "b1"]),
}
FORMS = st.sampled_from(["function", "text"])
WHICH = st.integers(0, 5)
OPERATIONS = st.one_of(
    st.tuples(st.just("replace"), ANY, NAMES["replace"], FORMS),
    st.tuples(st.just("wrap"), ANY, NAMES["wrap"], FORMS),
    st.tuples(st.just("before"), ANY, NAMES["before"], FORMS),
    st.tuples(st.sampled_from(["off", "on", "remove", "restore name"]), ANY, WHICH, FORMS),
    st.tuples(st.just("restore"), ANY, WHICH, FORMS),
)


@dataclass(frozen=True)
class Placed:
    """A layer in the model: each word is used once, so a result names all that ran."""

    name: str
    verb: str
    word: str
    on: bool = True


class Abandoned(Exception):
    """Ends the body of a transaction."""


class States(RuleBasedStateMachine):
    """What livepatch does, and beside it what the model expects."""

    def __init__(self) -> None:
        super().__init__()
        self.module = f"livepatch_states_{next(MACHINES)}"
        self.words = (f"word{number}" for number in itertools.count())
        self.log: list[str] = []
        self.folder = tempfile.TemporaryDirectory()
        sys.path.insert(0, self.folder.name)
        self.bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        self.base: dict[str, str] = {}
        self._write()
        self.app = importlib.import_module(self.module)
        self._hold()
        self.layers: dict[str, tuple[Placed, ...]] = dict.fromkeys(TARGETS, ())
        self.found: dict[tuple[str, str], lp.Layer] = {}
        self.foreign_code: dict[str, str] = {}
        self.taken_over: dict[str, object] = {}
        self.foreign_name: dict[str, str] = {}
        self.strange: set[str] = set()  # whose base is what someone else made of it
        self.undoable: list[tuple[dict, dict]] = []
        self.redoable: list[tuple[dict, dict]] = []
        self.inside = False

    def _hold(self) -> None:
        """What is there without us: functions, their code, and instances of the classes."""
        app = self.app
        self.held = {name: getattr(app, name) for name in "fgab"} | {"C.m": app.C.m}
        self.own_code = {name: function.__code__ for name, function in self.held.items()}
        self.calls = {
            **{name: self.held[name] for name in "fgab"},
            "C.m": app.C().m,
            "D.m": app.D().m,
        }

    def _call(self, name: str) -> object:
        if name in ("C.m", "D.m"):  # looked up anew: a method belongs to its class
            return self.calls[name].__self__.m(1)
        return self.calls[name](1)

    def _write(self) -> None:
        self.base = {name: next(self.words) for name in TARGETS[:5]}
        base = dict(self.base)
        text = _MODULE.format(
            f=_definition("f", base["f"]),
            g=_definition("g", base["g"]),
            a=base["a"],
            b=base["b"],
            m=base["C.m"],
        )
        path = Path(self.folder.name, f"{self.module}.py")
        path.write_text(text, encoding="utf-8")
        importlib.invalidate_caches()

    def teardown(self) -> None:
        """Everything comes back: the very same code, and nothing left behind."""
        try:
            for name in list(self.taken_over):
                self._take_back_code(name)
            for name in list(self.foreign_name):
                self._take_back_name(name)
            self.app.Meta.locked = False
            lp.restore_all()
            assert [str(layer.target) for layer in lp.patches()] == []
            for name, function in self.held.items():
                assert function.__code__ is self.own_code[name]
                assert self._call(name) == (self.base[name],)
                assert function.__dict__ == {}
                assert function.__defaults__ is None
            assert "m" not in vars(self.app.D)
        finally:
            for layer in lp.patches():  # after a failure: the next machine begins afresh
                with contextlib.suppress(lp.LivepatchError):
                    lp.adopt(layer.target)
                with contextlib.suppress(lp.LivepatchError):
                    layer.remove()
            sys.path.remove(self.folder.name)
            sys.dont_write_bytecode = self.bytecode
            del sys.modules[self.module]
            self.folder.cleanup()

    # What a call gives, and what hooks note while it runs.
    def _expected(self, name: str) -> tuple[tuple[str, ...], list[str]]:
        if name in self.foreign_code:
            return (self.foreign_code[name],), []
        result, log = [], []
        for layer in reversed(self.layers[name]):
            if not layer.on:
                continue
            if layer.verb == "before":
                log.append(layer.word)
                continue
            result.append(layer.word)
            if layer.verb == "replace":
                return tuple(result), log
        if name != "D.m":
            return (*result, self.base[name]), log
        below, noted = self._expected("C.m")
        return (*result, *below), log + noted

    def _signature(self, name: str) -> str:
        replaced = [p for p in self.layers[name] if p.on and p.verb == "replace"]
        own = self.base[name] if name in "fg" else "rest"
        return f"(a, *{replaced[-1].word if replaced else own})"

    @invariant()
    def calls_agree(self) -> None:
        for name in TARGETS:
            expected, noted = self._expected(name)
            self.log.clear()
            assert self._call(name) == expected, name
            assert self.log == noted, name
        for name, function in self.held.items():
            if "." not in name:
                expected, _ = self._expected(name)
                if name in self.foreign_name:
                    expected = (self.foreign_name[name], *expected)
                assert getattr(self.app, name)(1) == expected, name
                if name not in self.foreign_code:
                    assert str(inspect.signature(function)) == self._signature(name)

    @invariant()
    def patches_agree(self) -> None:
        expected = []
        for name, placed in self.layers.items():
            # What someone else put over the name calls on: calls still reach our layers. Of a
            # closure it cannot be told that the name has ever been its own.
            stale = name in self.foreign_code or (name in self.foreign_name and name in "ab")
            for layer in placed:
                state = "off" if not layer.on else "stale" if stale else "active"
                expected.append((f"{self.module}.{name}", layer.name, state))
        assert [(p.target, p.name, p.state) for p in lp.patches()] == sorted(expected, key=_path)

    # One operation, on livepatch and on the model; a foreign change refuses it.
    def _operate(self, verb: str, name: str, which: object, form: str) -> None:
        path = f"{self.module}.{name}"
        layers = self.layers[name]
        if verb in ("replace", "wrap", "before"):
            if name in self.foreign_name:
                return  # the path leads to what someone else put there
            self._lay(verb, name, str(which), form)
            return
        if not layers or (name in self.foreign_name and verb.startswith("restore")):
            return
        chosen = layers[int(str(which)) % len(layers)]
        found = self.found[name, chosen.name]
        if verb == "restore":
            self._change(name, (), lambda: lp.restore(path))
            return
        kept = tuple(p for p in layers if p is not chosen)
        if verb == "restore name":
            self._change(name, kept, lambda: lp.restore(path, name=chosen.name))
        elif verb == "remove":
            self._change(name, kept, found.remove)
        elif chosen.on is not (verb == "on"):
            switched = replace(chosen, on=verb == "on")
            after = tuple(switched if p is chosen else p for p in layers)
            self._change(name, after, getattr(found, verb))

    def _lay(self, verb: str, name: str, layer: str, form: str) -> None:
        word = next(self.words)
        is_method = "." in name
        new: object = _new(verb, word, self.log, is_method)
        if verb == "replace" and form == "text":
            new = _definition("new", word, is_method)
        placed = Placed(layer, verb, word)
        present = self.layers[name]
        after = tuple(placed if p.name == layer else p for p in present)
        if placed not in after:
            after = (*present, placed)

        def act() -> None:
            self.found[name, layer] = getattr(lp, verb)(f"{self.module}.{name}", new, name=layer)

        self._change(name, after, act)

    def _change(self, name: str, after: tuple[Placed, ...], act: object) -> None:
        before = dict(self.layers)
        if name in self.foreign_code and any(p.on for p in (*before[name], *after)):
            try:
                act()  # type: ignore[operator]
            except lp.ForeignChange:
                return
            raise AssertionError("a foreign change was not noticed")
        act()  # type: ignore[operator]
        self.layers = {**self.layers, name: after}
        if not self.inside:
            self._step(before)
        self._take_foreign_code_for_its_own()

    def _take_foreign_code_for_its_own(self) -> None:
        """Where no layer lies any more on what someone else made of a function."""
        for name in [name for name in self.foreign_code if not self.layers[name]]:
            self.base[name] = self.foreign_code.pop(name)
            self.own_code[name] = self.held[name].__code__
            self.strange.add(name)
            del self.taken_over[name]

    def _step(self, before: dict) -> None:
        self.undoable.append((before, dict(self.layers)))
        self.redoable.clear()

    @rule(operation=OPERATIONS)
    def operate(self, operation: tuple) -> None:
        self._operate(*operation)

    @rule(operations=st.lists(OPERATIONS, min_size=1, max_size=4))
    def transaction_that_cannot_commit(self, operations: list) -> None:
        """One of its changes fails: none of them is true, and the journal is as it was."""
        if not self._untouched() or self.layers["D.m"]:
            return
        before, found, journal = dict(self.layers), dict(self.found), list(lp.journal)
        self.inside = True
        try:
            with lp.transaction():
                self._all(one for one in operations if one[1] != "D.m")
                self.app.Meta.locked = True
                self._lay("replace", "D.m", "barred", "function")
        except lp.PatchRefused:
            self.layers, self.found = before, found
        else:
            raise AssertionError("a locked class was changed")
        finally:
            self.inside = self.app.Meta.locked = False
        assert list(lp.journal) == journal

    @rule(operations=st.lists(OPERATIONS, max_size=3), more=st.lists(OPERATIONS, max_size=3))
    def transaction_that_cannot_go_back(self, operations: list, more: list) -> None:
        """What stays is listed, all else is gone; the next restore takes it away."""
        if not self._untouched() or self.layers["D.m"]:
            return
        before, found, journal = dict(self.layers), dict(self.found), list(lp.journal)
        self.inside = True
        try:
            with lp.transaction():
                self._all(operations)
                self._lay("replace", "D.m", "stuck", "function")
                self._all(one for one in more if one[1] != "D.m")
                self.app.Meta.locked = True
                raise Abandoned
        except lp.PatchRefused:
            self.layers, self.found = before, found
        finally:
            self.inside = self.app.Meta.locked = False
        assert list(lp.journal) == journal
        assert any(layer.target.endswith("D.m") for layer in lp.patches())
        lp.restore(f"{self.module}.D.m")
        self._forget_history()

    @precondition(lambda self: self._untouched() and any(p.on for p in self.layers["D.m"]))
    @rule()
    def restore_all_is_barred(self) -> None:
        """What can be restored is; the rest stays whole."""
        before = dict(self.layers)
        self.app.Meta.locked = True
        try:
            lp.restore_all()
        except lp.PatchRefused:
            pass
        else:
            raise AssertionError("a locked class was changed")
        finally:
            self.app.Meta.locked = False
        after = {name: layers if name == "D.m" else () for name, layers in before.items()}
        if after != before:
            self.layers = after
            self._step(before)

    @precondition(lambda self: self.undoable and self._untouched())
    @rule()
    def undo_is_barred(self) -> None:
        """All of a step is undone or nothing; what writes nothing to the class may be."""
        before, _ = self.undoable[-1]
        self.app.Meta.locked = True
        try:
            lp.undo()
        except lp.PatchRefused:
            pass  # nothing is undone
        else:
            self.redoable.append(self.undoable.pop())
            self.layers = dict(before)
        finally:
            self.app.Meta.locked = False

    def _all(self, operations: Iterable[tuple]) -> None:
        for operation in operations:
            self._operate(*operation)

    @rule(operations=st.lists(OPERATIONS, max_size=4), fails=st.booleans())
    def transaction(self, operations: list, fails: bool) -> None:
        if self.foreign_code or self.foreign_name:
            return
        before, found = dict(self.layers), dict(self.found)
        self.inside = True
        journal = lp.journal[-1] if len(lp.journal) else None
        try:
            with lp.transaction():
                for operation in operations:
                    self._operate(*operation)
                    self.calls_agree()
                if fails:
                    raise Abandoned
        except Abandoned:
            self.layers, self.found = before, found
        else:
            if len(lp.journal) and lp.journal[-1] is not journal:
                self._step(before)
        finally:
            self.inside = False

    @rule()
    def restore_all(self) -> None:
        before = dict(self.layers)
        refused = [name for name in self.foreign_code if any(p.on for p in self.layers[name])]
        try:
            lp.restore_all()
        except lp.ForeignChange:
            assert refused
        else:
            assert not refused
        after = {name: placed if name in refused else () for name, placed in before.items()}
        if after != before:
            self.layers = after
            self._step(before)
        self._take_foreign_code_for_its_own()

    def _untouched(self) -> bool:
        return not (self.foreign_code or self.foreign_name)

    @precondition(lambda self: self.undoable and self._untouched())
    @rule()
    def undo(self) -> None:
        lp.undo()
        self.redoable.append(self.undoable.pop())
        self.layers = dict(self.redoable[-1][0])

    @precondition(lambda self: self.redoable and self._untouched())
    @rule()
    def redo(self) -> None:
        lp.redo()
        self.undoable.append(self.redoable.pop())
        self.layers = dict(self.undoable[-1][1])

    @precondition(lambda self: self._untouched())
    @rule(name=PLAIN)
    def foreign_code_comes(self, name: str) -> None:
        word, function = next(self.words), self.held[name]
        scope: dict = {}
        # From a place of its own: code from where the base came from is an edit of the module.
        text = _definition("foreign", word, name == "C.m")
        exec(compile(text, f"<{word}>", "exec"), scope)
        before, function.__code__ = function.__code__, scope["foreign"].__code__
        if self.layers[name]:
            self.foreign_code[name], self.taken_over[name] = word, before
        else:  # nothing of ours is there: it is the webui's own by now
            self.base[name], self.own_code[name] = word, function.__code__
            self.strange.add(name)

    @precondition(lambda self: self.foreign_code)
    @rule()
    def foreign_code_goes(self) -> None:
        self._take_back_code(next(iter(self.foreign_code)))

    def _take_back_code(self, name: str) -> None:
        self.held[name].__code__ = self.taken_over.pop(name)
        del self.foreign_code[name]

    @precondition(lambda self: self.foreign_code)
    @rule()
    def foreign_code_is_adopted(self) -> None:
        name = next(iter(self.foreign_code))
        self.own_code[name] = self.held[name].__code__
        lp.adopt(f"{self.module}.{name}")
        self.base[name] = self.foreign_code.pop(name)
        self.strange.add(name)
        del self.taken_over[name]
        self._forget_history()

    def _forget_history(self) -> None:
        """The model does not follow undo through what changed the base."""
        self.undoable.clear()
        self.redoable.clear()

    @precondition(lambda self: self._untouched())
    @rule(name=IN_MODULE)
    def foreign_name_comes(self, name: str) -> None:
        word, below = next(self.words), self.held[name]
        self.foreign_name[name] = word
        setattr(self.app, name, lambda a: (word, *below(a)))

    @precondition(lambda self: self.foreign_name)
    @rule()
    def foreign_name_goes(self) -> None:
        self._take_back_name(next(iter(self.foreign_name)))

    def _take_back_name(self, name: str) -> None:
        setattr(self.app, name, self.held[name])
        del self.foreign_name[name]

    # A definition made anew is known by the file that the base came from; on a base that came from
    # somebody's hand the layers stay with the old function, and show as stale. So do those in the
    # place of an inherited method: the class made anew has a place of its own.
    @precondition(lambda self: self._untouched() and not self.strange and not self.layers["D.m"])
    @rule()
    def module_is_loaded_again(self) -> None:
        self._write()
        importlib.reload(self.app)
        self._hold()
        heal()
        self._forget_history()


_MODULE = """
class Meta(type):
    locked = False
    def __setattr__(cls, name, value):
        if Meta.locked:
            raise AttributeError("locked")
        super().__setattr__(name, value)
    def __delattr__(cls, name):
        if Meta.locked:
            raise AttributeError("locked")
        super().__delattr__(name)

def factory(word):
    def made(a, *rest):
        return (word,)
    return made

{f}
{g}
a, b = factory("{a}"), factory("{b}")

class C:
    def m(self, a, *rest):
        return ("{m}",)

class D(C, metaclass=Meta):
    pass
"""


def _definition(name: str, word: str, is_method: bool = False) -> str:
    this = "self, " * is_method
    return f"def {name}({this}a, *{word}):\n    return ('{word}',)\n"


def _new(verb: str, word: str, log: list[str], is_method: bool) -> object:
    """New code of another module, which gives or notes its word."""
    this = "self, " * is_method
    texts = {
        "replace": _definition("new", word, is_method),
        "wrap": f"def new(original, {this}a, *{word}):\n"
        f"    return ('{word}', *original({this}a))\n",
        "before": f"def new(*arguments):\n    log.append('{word}')\n",
    }
    scope: dict = {"log": log}
    exec(texts[verb], scope)
    return scope["new"]


def _path(row: tuple[str, str, str]) -> str:
    return row[0]
