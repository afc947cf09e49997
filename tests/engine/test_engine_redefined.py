"""Modules that are loaded again or edited, and what others put over our layers."""

from __future__ import annotations

import importlib
import pathlib
import sys
import textwrap

import pytest

import livepatch as lp
from livepatch.engine.layers.adopting import heal


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module in a file that the test can edit, and a way to do so."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    path = tmp_path / "livepatch_edited.py"

    def write(word):
        path.write_text(
            textwrap.dedent(f"""
            def greet(name):
                return "{word} " + name

            class Greeter:
                def greet(self, name):
                    return "{word} " + name
            """)
        )
        importlib.invalidate_caches()

    write("hello")
    made = importlib.import_module("livepatch_edited")
    yield made, write
    lp.restore_all()
    del sys.modules["livepatch_edited"]


def loud(original, *args):
    return original(*args).upper()


def test_after_a_reload_a_layer_is_stale_until_it_is_put_on_the_new_definition(module):
    module, write = module
    held = module.greet
    layer = lp.wrap("livepatch_edited.greet", loud)
    write("howdy")
    importlib.reload(module)
    assert module.greet is not held
    assert (module.greet("you"), layer.state) == ("howdy you", "stale")
    (line,) = heal()
    assert "livepatch_edited.greet" in line
    assert (module.greet("you"), held("you"), layer.state) == ("HOWDY YOU", "HOWDY YOU", "active")
    lp.restore("livepatch_edited.greet")
    assert (module.greet("you"), held("you")) == ("howdy you", "hello you")
    lp.undo()
    assert module.greet("you") == "HOWDY YOU"


def test_replacing_after_a_reload_replaces_its_own_layer(module):
    module, write = module
    first = lp.replace("livepatch_edited.greet", lambda name: "first")
    write("howdy")
    importlib.reload(module)
    second = lp.replace("livepatch_edited.greet", lambda name: "second")
    assert (second is first, module.greet("you"), len(lp.patches())) == (True, "second", 1)
    lp.restore("livepatch_edited.greet")
    assert module.greet("you") == "howdy you"


def test_code_that_autoreload_exchanged_becomes_the_base(module):
    module, _write = module
    layer = lp.wrap("livepatch_edited.greet", loud)
    method = lp.wrap("livepatch_edited.Greeter.greet", loud)
    source = pathlib.Path(module.__file__).read_text().replace("hello", "howdy")
    names = {"__name__": "livepatch_edited"}
    exec(compile(source, module.__file__, "exec"), names)
    # What IPython's autoreload does with what it finds under the same name.
    module.greet.__code__ = names["greet"].__code__
    module.Greeter.greet.__code__ = names["Greeter"].greet.__code__
    assert (layer.state, method.state, module.greet("you")) == ("stale", "stale", "howdy you")
    assert len(heal()) == 2
    assert (layer.state, module.greet("you")) == ("active", "HOWDY YOU")
    assert module.Greeter().greet("you") == "HOWDY YOU"
    assert not heal()
    layer.remove()
    assert module.greet("you") == "howdy you"
    method.remove()
    assert module.Greeter().greet("you") == "howdy you"


def test_restore_after_an_edit_gives_back_the_new_original(module):
    module, _write = module
    lp.replace("livepatch_edited.greet", lambda name: "ours")
    source = pathlib.Path(module.__file__).read_text().replace("hello", "howdy")
    names = {"__name__": "livepatch_edited"}
    exec(compile(source, module.__file__, "exec"), names)
    module.greet.__code__ = names["greet"].__code__
    lp.restore("livepatch_edited.greet")
    assert module.greet("you") == "howdy you"
    assert len(lp.patches()) == 0


def test_autoreload_itself(module):
    pytest.importorskip("IPython")
    from IPython.extensions.autoreload import superreload

    module, write = module
    held, layer = module.greet, lp.wrap("livepatch_edited.greet", loud)
    greeter = module.Greeter()
    lp.wrap("livepatch_edited.Greeter.greet", loud)
    objects = {}
    superreload(module, old_objects=objects)
    write("howdy")
    superreload(module, old_objects=objects)
    heal()
    assert (module.greet("you"), held("you")) == ("HOWDY YOU", "HOWDY YOU")
    assert (greeter.greet("you"), module.Greeter().greet("you")) == ("HOWDY YOU", "HOWDY YOU")
    lp.restore_all()
    assert (module.greet("you"), greeter.greet("you")) == ("howdy you", "howdy you")
    assert layer.state == "removed"


def test_a_foreign_code_is_adopted_as_the_base_and_undone(module):
    module, _ = module
    layer = lp.wrap("livepatch_edited.greet", loud)
    foreign = (lambda name: "foreign " + name).__code__
    module.greet.__code__ = foreign
    assert layer.state == "stale"
    with pytest.raises(lp.ForeignChange, match="adopt"):
        layer.remove()
    assert "adopted livepatch_edited.greet" in lp.adopt("livepatch_edited.greet")
    assert (module.greet("you"), layer.state) == ("FOREIGN YOU", "active")
    lp.undo()
    assert module.greet.__code__ is foreign
    lp.redo()
    layer.remove()
    assert module.greet("you") == "foreign you"


def test_what_a_layer_left_beside_foreign_code_is_not_adopted(module):
    """Who exchanges the code alone leaves the defaults, doc and signature of our layer behind."""
    module, _ = module
    greet = module.greet
    own = (greet.__defaults__, greet.__doc__, dict(greet.__dict__))

    def other(name="of the layer"):
        """Of the layer."""
        return name

    def foreign(name):
        return f"foreign {name}"

    lp.replace("livepatch_edited.greet", other)
    lp.wrap("livepatch_edited.greet", lambda original, *args: original(*args), name="around")
    greet.__code__ = foreign.__code__
    lp.adopt("livepatch_edited.greet")
    lp.restore("livepatch_edited.greet")
    assert (greet.__defaults__, greet.__doc__, greet.__dict__) == own
    assert greet("x") == "foreign x"


def test_a_foreign_assignment_stays_on_top_and_can_be_adopted(module):
    module, _ = module
    held = module.greet
    layer = lp.wrap("livepatch_edited.greet", loud)
    module.greet = theirs = lambda name: f"theirs({held(name)})"
    assert module.greet("you") == "theirs(HELLO YOU)"
    assert heal() == []
    assert module.greet is theirs
    layer.remove()
    assert module.greet("you") == "theirs(hello you)"
    assert module.greet is theirs


def test_a_layer_moves_to_what_someone_else_assigned(module):
    module, _ = module
    held = module.greet
    layer = lp.wrap("livepatch_edited.greet", loud)
    module.greet = theirs = lambda name: f"theirs {name}"
    assert (module.greet("you"), layer.state) == ("theirs you", "stale")
    lp.adopt("livepatch_edited.greet")
    assert (module.greet("you"), held("you")) == ("THEIRS YOU", "hello you")
    assert (layer.state, lp.patches()[0] is layer) == ("active", True)
    lp.undo()
    assert (module.greet("you"), held("you")) == ("theirs you", "HELLO YOU")
    layer.remove()
    assert (held("you"), module.greet) == ("hello you", theirs)


def test_a_method_with_super_is_adopted_into_the_class_that_was_loaded_again(module):
    module, _ = module

    def greet(self, name):
        return super().__repr__()[:1] + name

    layer = lp.replace("livepatch_edited.Greeter.greet", greet)
    importlib.reload(module)
    assert (heal(), layer.state) == ([], "stale")
    lp.adopt("livepatch_edited.Greeter.greet")
    assert (module.Greeter().greet("you"), layer.state) == ("<you", "active")


def test_nothing_to_adopt_is_said(module):
    with pytest.raises(lp.PatchRefused, match="no foreign change"):
        lp.adopt("livepatch_edited.greet")


def test_a_refused_change_after_a_reload_does_not_hide_that_the_layer_is_stale(module):
    made, write = module
    layer = lp.replace("livepatch_edited.greet", lambda name: "patched")
    write("moin")
    importlib.reload(made)
    with pytest.raises(lp.PatchRefused):
        lp.replace("livepatch_edited.greet", "def greet(name):\n    yield name")
    assert (layer.state, made.greet("you")) == ("stale", "moin you")
    assert "kept the layers on livepatch_edited.greet" in str(heal()[0])
    assert (layer.state, made.greet("you")) == ("active", "patched")
