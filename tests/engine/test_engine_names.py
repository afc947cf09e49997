"""A text means the same in the target's place as in a module that has all of the names."""

from __future__ import annotations

import random
import sys
import textwrap
import types
from contextlib import contextmanager

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from livepatch.engine import replace, restore

MODULE = {"in_module": 1, "in_both": 2, "_Foo__private": 3}
NOTEBOOK = {"in_notebook": 10, "in_both": 20, "_Foo__notes": 30, "other": 40, "len": None}
# Private names are not also written mangled: 3.12 takes them for two in an inlined comprehension.
FOUND = ["in_module", "in_both", "in_notebook", "other", "len", "__private", "__notes"]
NAMES = [*FOUND, "local", "another", "nowhere", "argument"]


class Writer:
    """Writes a small function at random."""

    def __init__(self, random):
        self.random = random

    def name(self):
        return self.random.choice(NAMES if self.random.random() < 0.3 else FOUND)

    def bindable(self):
        often = ["local", "another", "__private", "in_notebook"]
        return self.random.choice(NAMES if self.random.random() < 0.5 else often)

    def value(self, depth=2):
        """An expression."""
        if depth == 0 or self.random.random() < 0.4:
            return self.name() if self.random.random() < 0.8 else "5"
        v = lambda: self.value(depth - 1)  # noqa: E731
        comprehensions = [
            lambda: f"[{v()} for {self.bindable()} in ({v()}, {v()})]",
            lambda: f"[{v()} for {self.bindable()} in ({v()},) if {v()}]",
            lambda: f"{{{self.bindable()!r}: {v()} for {self.bindable()} in [{v()}]}}",
            lambda: f"[({self.bindable()} := {v()}) for _ in (1, 2)]",
        ]
        expressions = [
            lambda: f"({v()}, {v()})",
            lambda: f"list({v()} for {self.bindable()} in (1,) for local in ({v()},))",
            lambda: f"({self.bindable()} := {v()})",
            lambda: f"(lambda {self.bindable()}={v()}: {v()})()",
            lambda: f"(lambda *{self.bindable()}: {v()})({v()})",
            lambda: f"({v()} if {v()} else {v()})",
            lambda: f"f'{{{v()}}}'",
        ]
        # 3.12 loses names in some of the comprehensions that it inlines, in plain modules as well.
        if sys.version_info[:2] != (3, 12):
            expressions += comprehensions
        return self.random.choice(expressions)()

    def block(self, depth, *, in_class=False):
        count = self.random.randint(1, 3)
        lines = [self.statement(depth, in_class=in_class) for _ in range(count)]
        if self.random.random() < 0.5:
            lines = [
                f"try:\n{textwrap.indent(line, '    ')}\nexcept Exception: pass" for line in lines
            ]
        return textwrap.indent("\n".join(lines), "    ")

    def statement(self, depth, *, in_class=False):
        v, b = self.value, self.bindable
        simple = [
            lambda: f"{b()} = {v()}",
            lambda: f"{b()}: {v(0)} = {v()}",
            lambda: f"{b()} += {v()}",
            lambda: f"seen.append({v()})",
            lambda: f"import math as {b()}",
            lambda: f"del {b()}",
        ]
        if not in_class:
            simple.append(lambda: f"return {v()}")
        if depth == 0:
            return self.random.choice(simple)()
        d, inner = depth - 1, {"in_class": in_class}
        return self.random.choice(
            [
                *simple,
                lambda: f"if {v()}:\n{self.block(d, **inner)}\nelse:\n{self.block(d, **inner)}",
                lambda: f"for {b()} in ({v()}, {v()}):\n{self.block(d, **inner)}",
                lambda: f"try:\n{self.block(d, **inner)}\nexcept Exception as {b()}:\n    pass",
                lambda: f"match {v()}:\n    case [{b()}, *_]: pass\n    case {b()}: pass",
                lambda: (
                    f"def inner({b()}, other={v()}):\n{self.block(d)}\nseen.append(inner({v()}))"
                ),
                lambda: f"class {b()}:\n{self.block(d, in_class=True)}",
                lambda: (
                    f"class Nested:\n{self.block(d, in_class=True)}\n"
                    f"    def method(self, k={v()}):\n{textwrap.indent(self.block(d), '    ')}\n"
                    f"seen.append(Nested().method())"
                ),
            ]
        )()

    def function(self):
        return (
            f"def made(argument=0, *, keyword={self.name()}):\n"
            f"    seen = SEEN\n{self.block(2)}\n    return {self.value()}"
        )


@contextmanager
def loaded_module():
    module = types.ModuleType("random_webui")
    sys.modules[module.__name__] = module
    module.__dict__.update(MODULE, SEEN=[])
    exec("def target(*a, **k): pass\nclass Foo:\n    def target(*a, **k): pass", module.__dict__)
    try:
        yield module
    finally:
        del sys.modules[module.__name__]


def outcome(call, seen):
    """What a call did, without the addresses of objects."""
    seen.clear()
    try:
        result = repr(call())
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
    told = f"{result} {seen!r}"
    return "\n".join(word for word in told.split() if "0x" not in word)


@pytest.mark.parametrize("in_class", [False, True], ids=["function", "method"])
@settings(max_examples=250, deadline=None, database=None, phases=[Phase.generate])
@given(seed=st.integers(0, 2**32))
def test_a_text_means_what_it_means_in_a_module_with_all_names(in_class, seed):
    text = Writer(random.Random(seed)).function()
    together = {**NOTEBOOK, **MODULE, "SEEN": [], "__name__": "random_webui"}
    indented = textwrap.indent(text, "    ")
    try:
        exec(f"class Foo:\n{indented}" if in_class else text, together)
    except (SyntaxError, NameError, TypeError):
        return  # a default value raised
    expected = outcome(together["Foo"]().made if in_class else together["made"], together["SEEN"])

    with loaded_module() as module:
        target = "random_webui.Foo.target" if in_class else "random_webui.target"
        notebook = dict(NOTEBOOK, __name__="livepatch_notebook", replace=replace)
        exec(f"replace({target!r}, {text!r})", notebook)
        patched = module.Foo().target if in_class else module.target
        found = outcome(patched, module.SEEN)
        restore(target)
        assert outcome(patched, module.SEEN) == "None\n[]"
    renamed = found.replace("target", "made")
    assert renamed == expected.replace("target", "made"), text
