"""Who else patched what: every mechanism is found, and what a module did itself is not."""

from __future__ import annotations

import functools
import importlib.util
import os
import py_compile
import sys
import types
from importlib.machinery import ModuleSpec

import pytest

import livepatch as lp
from livepatch.looking.foreign import foreign_patches

WEBUI = """\
import contextlib
import functools
from fakelib.tools import tool, spare, Thing
from fakelib.stars import *
try:
    from fakelib.tools import fast as maybe
except ImportError:
    def maybe():
        return "slow"


def deco(f):
    @functools.wraps(f)
    def inner(*a):
        return f(*a)
    return inner


def plain(a):
    return ("plain", a)


@deco
def decorated(a):
    return a


@contextlib.contextmanager
def context():
    yield


def rebound():
    return 1


rebound = functools.lru_cache(rebound)


def hook():
    return None


def set_hook(f):
    global hook
    hook = f


def shadowed_by_star():
    return "own"


class Model:
    handler = None

    def forward(self, x):
        return x

    @staticmethod
    def static(x):
        return x

    @property
    def size(self):
        return 1


class Child(Model):
    pass


class Derived(Thing):
    pass
"""
LIBRARY = {
    "__init__": "",
    "tools": """\
def tool(): return "tool"
def spare(): return "spare"
def fast(): return "fast"
class Thing:
    def run(self): return "run"
""",
    "stars": "def starred(): return 1\n",
}
EXTENSION = """\
import functools
import types


def new(*args):
    return "new"


def wrap(f, label=None):
    @functools.wraps(f)
    def wrapper(*args):
        return ("wrapped", f(*args))
    return wrapper


def wrap_without_wraps(plain):
    def wrapper(*args):
        return ("wrapped", plain(*args))
    return wrapper


class Hijack:
    def __init__(self, f):
        self.f = f

    def lead(self):
        return lambda *args: self.f(*args)


class Model:
    def forward(self, x):
        return "another class"
"""


def load(name, path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    places = [str(path.parent)] if path.stem == "__init__" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=places)
    module = importlib.util.module_from_spec(spec)
    if not name.endswith("script.py"):  # A1111 keeps the scripts of extensions out of sys.modules
        sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def world(tmp_path):
    """A library, a webui that uses it, and an extension of the webui: loaded, nothing patched."""
    library = tmp_path / "lib" / "site-packages" / "fakelib"
    loaded = ["fakelib", "fakelib.tools", "fakelib.stars", "fakewebui"]
    for name, text in LIBRARY.items():
        load(f"fakelib.{name}".removesuffix(".__init__"), library / f"{name}.py", text)
    webui = load("fakewebui", tmp_path / "webui" / "fakewebui.py", WEBUI)
    path = tmp_path / "webui" / "extensions" / "loud" / "scripts" / "script.py"
    extension = load("script.py", path, EXTENSION)
    tools, folder = sys.modules["fakelib.tools"], tmp_path / "webui"
    yield types.SimpleNamespace(webui=webui, tools=tools, extension=extension, folder=folder)
    for name in loaded:
        del sys.modules[name]


def found(prefix="fake"):
    return {patch.target: patch for patch in foreign_patches() if patch.target.startswith(prefix)}


def line_of(module, text):
    with open(module.__file__) as file:
        number = next(n for n, line in enumerate(file, 1) if text in line)
    return f"{module.__file__}:{number}"


def test_a_webui_that_nobody_patched_has_nothing_foreign(world):
    assert found() == {}


def test_a_replaced_function_is_told_with_who_did_it_and_the_originals_place(world):
    world.webui.plain = world.extension.new
    patch = found()["fakewebui.plain"]
    assert patch.what == "function replaced"
    assert patch.by == line_of(world.extension, "def new(")
    assert patch.whose == "extensions/loud"
    assert patch.original == line_of(world.webui, "def plain(")


def test_a_function_of_a_library_that_the_webui_took_by_from_import(world):
    world.webui.tool = world.extension.new
    assert found().keys() == {"fakewebui.tool"}


def test_a_function_of_the_library_itself_replaced_by_the_webui(world):
    world.tools.tool = world.webui.plain
    patch = found()["fakelib.tools.tool"]
    assert (patch.what, patch.whose) == ("function replaced", "fakewebui")


@pytest.mark.parametrize("wrap", ["wrap", "wrap_without_wraps"])
def test_a_wrapper_names_itself_and_the_function_below(world, wrap):
    original = world.webui.plain
    world.webui.plain = getattr(world.extension, wrap)(original)
    assert world.webui.plain(1) == ("wrapped", ("plain", 1))
    patch = found()["fakewebui.plain"]
    assert patch.what == "wrapper"
    assert patch.original == line_of(world.webui, "def plain(")
    assert patch.by.startswith(world.extension.__file__)


def test_two_wrappers_are_two_findings(world):
    world.webui.plain = world.extension.wrap(world.extension.wrap_without_wraps(world.webui.plain))
    world.extension.wrap_without_wraps.__name__ = "other"
    patches = [patch for patch in foreign_patches() if patch.target == "fakewebui.plain"]
    assert [patch.what for patch in patches] == ["wrapper", "wrapper"]
    assert len({patch.by for patch in patches}) == 2


def test_a_wrapper_that_keeps_the_original_in_an_instance(world):
    world.webui.plain = world.extension.Hijack(world.webui.plain).lead()
    assert world.webui.plain(1) == ("plain", 1)
    assert found()["fakewebui.plain"].what == "wrapper"


def test_what_the_webuis_own_tool_put_there_for_an_extension_is_the_extensions(world):
    original = world.webui.plain
    text = "def lead(f, below):\n    return lambda *args: f(below, *args)\n"
    tool = load("fakewebui.tool", world.folder / "tool.py", text)
    try:
        world.webui.plain = tool.lead(world.extension.new, original)
        patch = found()["fakewebui.plain"]
    finally:
        del sys.modules["fakewebui.tool"]
    assert (patch.what, patch.whose) == ("wrapper", "extensions/loud")
    assert patch.by == line_of(world.extension, "def new(")


def test_a_wrapper_around_a_decorated_function_of_the_webui(world):
    world.webui.decorated = world.extension.wrap(world.webui.decorated)
    assert found()["fakewebui.decorated"].what == "wrapper"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("forward", lambda new: new),
        ("static", staticmethod),
        ("size", property),
    ],
)
def test_an_attribute_of_a_class(world, name, value):
    setattr(world.webui.Model, name, value(world.extension.new))
    patch = found()[f"fakewebui.Model.{name}"]
    assert patch.what == "class attribute replaced"
    assert patch.original == line_of(
        world.webui, f"def {name}(self" if name != "static" else "def static"
    )


def test_an_inherited_method_overridden_by_an_extension(world):
    world.webui.Child.forward = world.extension.new
    patch = found()["fakewebui.Child.forward"]
    assert patch.what == "inherited method overridden"
    assert patch.original == line_of(world.webui, "def forward(")


def test_a_copy_of_a_module_is_named_by_the_name_that_leads_to_it(world, monkeypatch):
    copy = load("fakewebui", world.folder / "fakewebui.py", WEBUI)
    monkeypatch.setitem(sys.modules, "fakewebui", world.webui)
    monkeypatch.setitem(sys.modules, "fakecopy", copy)
    copy.plain = world.extension.new
    assert found().keys() == {"fakecopy.plain"}


def test_a_class_replaced_by_another(world):
    world.webui.Model = world.extension.Model
    world.extension.Model.__module__ = "fakelib.tools"  # what it says of itself decides nothing
    world.webui.Child.__module__ = "fakewebui"
    assert found()["fakewebui.Model"].what == "class replaced"


def test_code_that_was_exchanged(world):
    world.webui.plain.__code__ = world.extension.new.__code__
    patch = found()["fakewebui.plain"]
    assert patch.what == "code exchanged"
    assert patch.by == line_of(world.extension, "def new(")
    assert patch.whose == "extensions/loud"
    assert patch.original == line_of(world.webui, "def plain(")


def test_our_own_layers_are_not_foreign_but_what_comes_over_them_is(world):
    layer = lp.replace("fakewebui.plain", "def new(a):\n    return 'ours'")
    method = lp.replace("fakewebui.Model.forward", lambda self, x: "ours")
    assert found() == {}
    ours = world.webui.plain.__code__
    world.webui.plain.__code__ = world.extension.new.__code__
    assert found()["fakewebui.plain"].what == "code replaced, over livepatch's layers"
    world.webui.plain.__code__ = ours
    layer.remove()
    method.remove()
    assert found() == {}


def test_what_modules_patches_has_registered(world, monkeypatch):
    original = world.webui.plain
    registry = types.ModuleType("modules.patches")
    registry.originals = {"script.py": {(world.webui, "plain"): original}}
    monkeypatch.setitem(sys.modules, "modules.patches", registry)
    world.webui.plain = world.extension.new
    patch = found()["fakewebui.plain"]
    assert patch.what == "registered in modules.patches"
    assert (patch.by, patch.whose) == (line_of(world.extension, "def new("), "extensions/loud")
    assert patch.original == line_of(world.webui, "def plain(")
    world.webui.plain = original
    assert "taken back" in found()["fakewebui.plain"].what


@pytest.mark.skipif(sys.platform == "emscripten", reason="Pyodide replaces time.sleep itself")
def test_a_builtin_is_called_replaced_where_the_patch_kept_the_original(world, monkeypatch):
    import time

    def loud_sleep(seconds, original=time.sleep):
        return kept(seconds)

    kept = time.sleep
    monkeypatch.setattr(time, "sleep", loud_sleep)
    assert found("time.")["time.sleep"].what == "builtin replaced"
    monkeypatch.setattr(time, "sleep", world.extension.new)
    assert "cannot tell whether" in found("time.")["time.sleep"].what


def test_what_the_module_did_itself_is_not_foreign(world):
    world.webui.set_hook(world.extension.new)  # its own way of being given a function
    world.webui.Model.handler = world.extension.new  # a place made for it
    world.webui.rebound = world.extension.new  # it rebinds this name itself
    world.webui.maybe = world.tools.spare  # a conditional import
    world.webui.extra = world.extension.new  # nothing of that name was there
    world.webui.Model.extra = world.extension.new
    world.tools.fast.__module__ = "elsewhere"
    assert found() == {}


def test_a_file_edited_since_it_was_loaded_proves_nothing(world):
    path = world.folder / "fakewebui.py"
    compiled = world.folder / "cached.pyc"
    world.webui.__spec__ = ModuleSpec("fakewebui", None)
    world.webui.__spec__.cached = py_compile.compile(str(path), cfile=str(compiled))
    world.webui.plain = world.webui.added = world.extension.new
    assert found().keys() == {"fakewebui.plain"}
    path.write_text(f"{WEBUI}\n\ndef added(a):\n    return a\n")
    os.utime(path, (1, 1))
    assert found() == {}


def test_a_file_that_was_edited_and_loaded_again_is_read_again(world):
    world.webui.plain = world.extension.new
    assert found().keys() == {"fakewebui.plain"}
    path = world.folder / "fakewebui.py"
    path.write_text(f"{WEBUI}\n\ndef added(a):\n    return a\n\n\nclass Added:\n    pass\n")
    exec(compile(path.read_text(), str(path), "exec"), vars(world.webui))
    world.webui.added.__code__ = world.extension.new.__code__
    world.webui.Added = world.extension.Model
    world.extension.Model.__module__ = "fakelib.tools"
    assert found().keys() == {"fakewebui.added", "fakewebui.Added"}


MARGIN = '''\
def first(): ...


class Model:
    TEXT = """
at the margin
"""

    def forward(self): ...
'''


def test_a_text_at_the_margin_does_not_end_a_class(world):
    module = load("fakewebui.margin", world.folder / "margin.py", MARGIN)
    try:
        module.Model.forward.__code__ = world.extension.new.__code__
        assert found()["fakewebui.margin.Model.forward"].what == "code exchanged"
    finally:
        del sys.modules["fakewebui.margin"]


def test_layers_in_the_place_of_inherited_and_builtin_functions_are_ours(world):
    layers = [
        lp.replace("fakewebui.Child.forward", lambda self, x: "ours"),
        lp.replace("fakewebui.Derived.run", lambda self: "ours"),
        lp.replace("time.sleep", lambda seconds: None),
    ]
    assert found() == {}
    assert found("time.") == {}
    for layer in layers:
        layer.remove()


def test_nothing_is_computed_or_imported_on_the_way(world):
    class Lazy(types.ModuleType):
        def __getattr__(self, name):
            raise AssertionError(name)

    class Proxy:
        @property
        def __class__(self):
            raise AssertionError

        def __getattr__(self, name):
            raise AssertionError(name)

    sys.modules["lazy_module"], sys.modules["proxy_module"] = Lazy("lazy_module"), Proxy()
    world.webui.proxy = Proxy()

    class Unhashable(type):
        def __eq__(cls, other):
            raise AssertionError

        __hash__ = None

    world.webui.Unhashable = Unhashable("Class", (), {"__module__": "fakelib.tools"})
    world.webui.unhashable = world.webui.Unhashable()
    world.webui.partial = functools.partial(world.extension.new)
    vars(world.webui)[("no", "name")] = world.extension.new
    before = set(sys.modules)
    try:
        assert found() == {}
    finally:
        del sys.modules["lazy_module"], sys.modules["proxy_module"]
    assert before - {"lazy_module", "proxy_module"} == set(sys.modules)


def test_the_report_has_both_forms_and_can_be_limited(world):
    world.webui.plain = world.extension.new
    report = lp.foreign("fakewebui.plain")
    assert [patch.whose for patch in report] == ["extensions/loud"]
    assert "function replaced" in str(report)
    assert "<td" in report._repr_mimebundle_()["text/html"]
    assert "none that can be proved" in str(lp.foreign("fakewebui.Model"))
