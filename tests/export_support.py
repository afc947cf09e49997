"""Exports in tests: what is changed, and the fresh process that loads what was exported."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import textwrap

import livepatch as lp

TESTS = pathlib.Path(__file__).parent
T = "samples.exported"
FACTOR = 3

# Where livepatch cannot be imported; sys.argv: the tests' folder, then the test's own.
BLOCKED = """
import importlib.abc, json, sys
class NoLivepatch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "livepatch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, NoLivepatch())
sys.path.insert(0, sys.argv[1])
import samples.exported as sample
try:
    import livepatch
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("livepatch can be imported")
"""

TEXTS = {
    "plain": '''
        import math as numbers

        def plain(a, b=SCALE):
            """Two
            lines."""
            # A comment stays.
            return ("new", a, b, numbers.floor(SCALE), times(a), whitespace(), "{a}")
    ''',
    "generator": """
        def generator(n):
            for i in range(n):
                yield times(i)
    """,
    "coroutine": """
        async def coroutine(a):
            await asyncio.sleep(0)
            return ("new", times(a))
    """,
    "async_generator": """
        async def async_generator(n):
            for i in range(n):
                yield times(i)
    """,
    "Model.greet": """
        def greet(self):
            return "new " + super().greet()
    """,
    "Model.secret": """
        def secret(self):
            return times(self.__secret)
    """,
    "Model.static": """
        @staticmethod
        def static(a):
            return ("new static", a)
    """,
    "Model.inherited": """
        def inherited(self):
            return ("new inherited", SCALE)
    """,
    "Whole": """
        class Whole:
            def two(self):
                return times(2)
    """,
}


def times(a):
    return a * FACTOR


def whitespace():
    return json.dumps(" ")


def around(original, a):
    return ("around", original(times(a)))


def another(original, a):
    return ("another", original(a))


def made(word):
    def size(self):
        return (word(1), 9)

    return size


def maker(cls, a):
    return ("new maker", cls.__name__, times(a))


def change_everything():
    """Change all of the sample: by texts, functions, lambdas, hooks and values."""
    for name, text in TEXTS.items():
        lp.replace(f"{T}.{name}", textwrap.dedent(text))
    lp.wrap(f"{T}.wrapped", around)
    lp.wrap(f"{T}.wrapped", another, guard=5)
    lp.before(f"{T}.noted", lambda a: sys.modules["samples.exported"].CALLS.append(("before", a)))
    lp.filter_result(f"{T}.noted", str)
    lp.filter_args(
        f"{T}.noted",
        "def more(a):\n    CALLS.append(times(1))\n    return (a + 1,), {}\n",
        name="more",
    )
    lp.replace(f"{T}.Model.size", made(times))
    lp.replace(f"{T}.Model.maker", maker)
    lp.replace(f"{T}.SCALE", 5)
    lp.replace(f"{T}.SETTINGS['steps']", 30)


def fresh(script, *arguments, **environment):
    """Run a script in a fresh process without livepatch; answers what its last line says."""
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", BLOCKED + textwrap.dedent(script), str(TESTS)]
        + [str(argument) for argument in arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        **environment,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1]), done.stderr


# How each flavor loads an extension, without the webui around it: `start()` applies it,
# `switch(on)` is the webui's own switch, `end()` unloads it.
HOSTS = {
    "scripts": """
        import importlib.util, pathlib, types
        path, flavor = pathlib.Path(sys.argv[2]), sys.argv[3]
        root = "livepatch.demo" if flavor == "demo" else "modules"
        if flavor == "demo":  # a webui like any other, whose package happens to be called so
            sys.meta_path.pop(0)
            sys.modules["livepatch"] = types.ModuleType("livepatch")
        modules = types.ModuleType(root)
        sys.modules[root] = modules
        registered = {}
        callbacks = types.ModuleType(f"{root}.script_callbacks")
        def register(name):
            if not name.startswith("on_"):
                raise AttributeError(name)
            return lambda callback: registered.setdefault(name, []).append(callback)
        callbacks.__getattr__ = register
        shared = types.ModuleType(f"{root}.shared")
        class Options:
            def add_option(self, name, option):
                self.name, self.option = name, option
                setattr(self, name, option[0])
        shared.opts = Options()
        shared.OptionInfo = lambda default, label, section, onchange: (default, onchange)
        for module in (callbacks, shared):
            sys.modules[module.__name__] = module
            setattr(modules, module.__name__.rpartition(".")[2], module)
        def load():
            registered.clear()
            file = next(path.glob("scripts/*.py")) if path.is_dir() else path
            if path.is_dir():
                sys.path.insert(0, str(path))
            spec = importlib.util.spec_from_file_location(file.name, file)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            if path.is_dir():
                sys.path.remove(str(path))
            return module
        entry = load()
        loaded = sample.is_original()
        def start():
            for callback in registered.get("on_ui_settings", ()):
                callback()
            for callback in registered["on_app_started"]:
                callback(None, None)
        def switch(on):
            if flavor == "demo":
                extension().switch(on=on)
            else:
                setattr(shared.opts, shared.opts.name, on)
                shared.opts.option[1]()
        def extension():
            found = [v for m in (entry, *sys.modules.values()) if m is not None
                     for v in (vars(m).get("EXTENSION"),) if v is not None]
            return found[0]
        def end():
            for callback in registered["on_script_unloaded"]:
                callback()
        def again():
            global entry
            entry = load()
            start()
    """,
    "textgen": """
        import importlib.util, pathlib
        path = pathlib.Path(sys.argv[2])
        def load():
            spec = importlib.util.spec_from_file_location("user_ext_x", path / "script.py")
            module = importlib.util.module_from_spec(spec)
            sys.modules["user_ext_x"] = module
            spec.loader.exec_module(module)
            return module
        entry = load()
        loaded = sample.is_original()
        def start():
            entry.setup()
        def switch(on):
            entry.switch(on)
        def end():
            entry.EXTENSION.remove()
        def again():
            global entry
            entry = load()
            entry.setup()
    """,
    "comfyui": """
        import asyncio, importlib.util, pathlib, types
        from aiohttp import web
        path = pathlib.Path(sys.argv[2])
        server = sys.modules["server"] = types.ModuleType("server")
        server.PromptServer = type("PromptServer", (), {})
        server.PromptServer.instance = types.SimpleNamespace(app=web.Application())
        app = server.PromptServer.instance.app
        def load(name):
            file = path / "__init__.py" if path.is_dir() else path
            search = [str(path)] if path.is_dir() else None
            spec = importlib.util.spec_from_file_location(
                name, file, submodule_search_locations=search)
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)
            return module
        entry = load("/webui/custom_nodes/one")
        assert entry.NODE_CLASS_MAPPINGS == {}
        loaded = sample.is_original()
        def start():
            asyncio.run(app.on_startup[-1](app))
        def switch(on):
            entry.apply.__self__.switch(on=on)
        def end():
            asyncio.run(app.on_cleanup[-1](app))
        def again():
            load("/webui/custom_nodes/again").apply()
    """,
    "package": """
        import pathlib
        sys.path.insert(0, str(pathlib.Path(sys.argv[2]) / "src"))
        package = __import__(sys.argv[4])
        loaded = sample.is_original()
        start, end, again = package.apply, package.remove, package.apply
        def switch(on):
            package.switch(on=on)
    """,
}

ROUND_TRIP = """
seen = {"loaded": loaded}
start()
seen["applied"] = sample.outputs()
switch(False)
seen["off"] = sample.outputs(), sample.is_original()
switch(True)
seen["on"] = sample.outputs()
end()
seen["removed"] = sample.outputs(), sample.is_original()
again()
seen["again"] = sample.outputs()
print(json.dumps(seen))
"""


def wrap_around():
    return lp.wrap(f"{T}.wrapped", around)


def wrap_another():
    return lp.wrap(f"{T}.wrapped", another)


def host_of(flavor):
    kinds = {"textgen": "textgen", "comfyui": "comfyui"}
    packages = ("starlette", "gradio", "aiohttp", "plain")
    return HOSTS[kinds.get(flavor, "package" if flavor in packages else "scripts")]


def round_trip(exported, flavor, package=""):
    """What a fresh process sees: applied, off, on, removed, loaded again."""
    path = (
        exported.path.parent if flavor == "textgen" and exported.path.is_file() else exported.path
    )
    script = textwrap.dedent(host_of(flavor)) + ROUND_TRIP
    return fresh(script, path, flavor, package)


def check_round_trip(flavor, single, live, folder):
    """What was exported does what was live, off and on, and leaves nothing."""
    original, patched = live
    assert all(original[name] != patched[name] for name in original)
    exported = lp.export(
        folder, name="my-garden", flavor=flavor, single_file=single, with_values=["FACTOR"]
    )
    assert "lints clean" in str(exported)
    seen, told = round_trip(exported, flavor, "my_garden")
    assert told == "", told
    assert seen["loaded"] is True  # nothing happens at import
    assert seen["applied"] == patched
    assert seen["off"] == [original, True]
    assert seen["on"] == patched
    assert seen["removed"] == [original, True]
    assert seen["again"] == patched
