"""The front door: every name comes when it is asked for, and what takes back comes with the first.

An import needs files, descriptors and locks: at a restore there may be none of them.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import livepatch

PACKAGE = Path(livepatch.__file__).parent
APP = """
import os, sys, types
import livepatch as lp
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

module = types.ModuleType("webui")
sys.modules["webui"] = module
exec('''
STEPS = 20
TABLE = {"steps": 20}
def f(x): return ["own", x]
def g(x): return ["own", x]
class Base:
    def run(self): return "own"
class Sub(Base):
    def stop(self): return "own"
''', vars(module))

async def home(request):
    return PlainTextResponse(str(module.f(1)))

class Mark:
    def __init__(self, app):
        self.app = app
    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)

app = Starlette()
app.add_route("/", home)
client = TestClient(app)
client.get("/")

def looks():
    routes = [route.path for route in app.routes]
    layers = [layer.name for layer in lp.middleware(app)]
    client.get("/")
    instance = module.Sub()
    return [module.f(1), module.g(1), module.STEPS, module.TABLE, instance.run(), instance.stop(),
            routes, layers]

def change():
    lp.replace("webui.f", "def f(x): return ['new', x]")
    lp.wrap("webui.g", lambda original, x: [*original(x), "wrapped"], guard=True)
    lp.replace("webui.STEPS", 30)
    lp.replace("webui.TABLE['steps']", 30)
    lp.replace("webui.Sub", "class Sub(Base):\\n    def stop(self): return 'new'")
    lp.replace("webui.Sub.run", lambda self: "new")
    lp.middleware(app).add(Mark)
    lp.routes(app).add("/new", home)

class NoImports:
    def find_spec(self, name, path=None, target=None):
        print("imported", name)
        raise ImportError(name)

own = looks()
"""
DONE = {
    "restored": "change(); refuse(); lp.restore_all(); assert looks() == own, looks()",
    "one by one": (
        "change(); refuse()\n"
        "for name in ('f', 'g', 'STEPS', \"TABLE['steps']\", 'Sub.stop', 'Sub.run'):\n"
        "    lp.restore(f'webui.{name}')\n"
        "[layer.remove() for layer in [*lp.middleware(app)] if layer.name == 'Mark']\n"
        "lp.routes(app).remove('/new'); assert looks() == own, looks()"
    ),
    "undone and redone": (
        "change(); new = looks(); assert new != own; refuse()\n"
        "steps = len(lp.journal)\n"
        "[lp.undo() for _ in range(8)]; assert looks() == own, looks()\n"
        "[lp.redo() for _ in range(8)]; assert looks() == new, looks()"
    ),
    "in a forked child": (
        "change(); refuse()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    lp.restore_all(); assert looks() == own, looks()\n"
        "    os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0"
    ),
    "detached": "end = lp.detach; change(); refuse(); end(); assert looks() == own, looks()",
    "unloaded from a notebook": (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "shell.extension_manager.load_extension('livepatch')\n"
        "change(); refuse()\n"
        "shell.extension_manager.unload_extension('livepatch')\n"
        "assert looks() == own, looks()"
    ),
    "without descriptors": (
        "import resource; change(); refuse()\n"
        "files = resource.RLIMIT_NOFILE\n"
        "resource.setrlimit(files, (0, resource.getrlimit(files)[1]))\n"
        "lp.restore_all(); assert (module.f(1), module.STEPS) == (['own', 1], 20)"
    ),
}


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def home_of(module):
    return {name: home for home, names in module._HOMES.items() for name in names}


def test_importing_it_imports_nothing_of_it():
    loaded = run("import sys, livepatch; print(*sys.modules)").split()
    ours = [name for name in loaded if name.startswith("livepatch")]
    few = ["livepatch.engine", "livepatch.engine.on_demand", "livepatch.own_version"]
    assert sorted(ours) == ["livepatch", *few]
    loaded = run("import sys, livepatch; livepatch.PatchRefused; print(*sys.modules)").split()
    assert "livepatch.engine.verbs" not in loaded
    assert "IPython" not in loaded


def test_with_a_verb_come_the_engine_and_its_journal():
    loaded = run("import sys, livepatch; livepatch.replace; print(*sys.modules)").split()
    assert {"livepatch.engine.verbs", "livepatch.history.journal"} <= {*loaded}
    assert not {"IPython", "starlette", "gradio", "asyncio"} & {*loaded}


def test_a_notebook_that_replaces_a_function_loads_no_more_than_that_takes():
    code = """
        import sys, types
        from IPython.core.interactiveshell import InteractiveShell
        app = sys.modules["app"] = types.ModuleType("app")
        exec("def f(): return 'own'", vars(app))
        shell = InteractiveShell.instance()
        shell.run_line_magic("load_ext", "livepatch")
        shell.run_cell_magic("replace", "app.f", "def f(): return 'new'")
        assert app.f() == "new"
        print(*sys.modules)
    """
    loaded = run(textwrap.dedent(code)).split()
    rooms = {".".join(name.split(".")[:2]) for name in loaded if name.startswith("livepatch.")}
    assert "livepatch.engine" in rooms
    dear = ("adapters", "exporting", "linting", "reach", "registries", "web", "webui")
    assert not rooms & {f"livepatch.{room}" for room in dear}


def test_every_public_name_is_what_its_home_has():
    homes = home_of(livepatch)
    assert sorted(homes) == sorted(livepatch.__all__) == livepatch.__all__
    for name, home in homes.items():
        assert getattr(livepatch, name) is getattr(importlib.import_module(home), name)
    assert {*livepatch.__all__} <= {*dir(livepatch)}


@pytest.mark.parametrize("package", ["", "engine", "reports"])
def test_who_checks_types_sees_the_same_names(package):
    """Type checkers read the imports under TYPE_CHECKING, the interpreter the table."""
    module = importlib.import_module(f"livepatch.{package}".rstrip("."))
    tree = ast.parse((PACKAGE / package / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: "." * one.level + (one.module or "")
        for one in block.body
        for alias in one.names
    }
    assert seen == home_of(module)
    inside = {one.name for one in pkgutil.iter_modules(module.__path__)}
    assert inside.isdisjoint({*seen} - {"django"})


@pytest.mark.parametrize("name", ["errors", "engine", "reach", "history"])
def test_a_room_of_the_package_is_there_by_its_name(name):
    assert run(f"import livepatch; print(livepatch.{name}.__name__)").strip() == f"livepatch.{name}"


@pytest.mark.parametrize("name", ["nothing_such", "_repr_html_", "__main__"])
def test_what_it_has_not_is_an_attribute_error(name):
    with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
        getattr(livepatch, name)


@pytest.mark.parametrize("done", DONE)
def test_nothing_is_imported_to_give_things_back(done):
    pytest.importorskip("starlette")
    if done in ("in a forked child", "without descriptors") and sys.platform == "win32":
        pytest.skip("Windows has neither")
    code = textwrap.dedent(APP) + (
        "\ndef refuse(): sys.meta_path.insert(0, NoImports())\n" + DONE[done]
    )
    assert "imported" not in run(code)
