"""How an extension of text-generation-webui is laid out on disk."""

from __future__ import annotations

import ast
from typing import Any

from livepatch.adapters.layout import ExportedCode, Layout

LOAD = '''\
import importlib.util
import sys
from pathlib import Path


def _load():
    """The package beside this file, whatever folder the webui has extensions in."""
    folder = Path(__file__).parent / "{package}"
    if "{package}" not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            "{package}", folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules["{package}"] = module
        spec.loader.exec_module(module)
    return sys.modules["{package}"]


EXTENSION = _load().EXTENSION
'''
SWITCH = '''\
def setup():
    """The webui has loaded this file: make the changes, unless it is switched off."""
    switch(params["activate"])
    late = {name.split(".")[1] for name in EXTENSION.waits_for if name.startswith("extensions.")}
    for name in sorted(late):
        print(f"{EXTENSION.name}: name {name} before {EXTENSION.name} behind --extensions")


def ui():
    """The switch on the page; all extensions are loaded by now."""
    import gradio as gr

    if EXTENSION.waits_for:
        EXTENSION.apply()
    switched = gr.Checkbox(value=params["activate"], label=params["display_name"])
    switched.change(switch, switched, None)


def switch(on):
    """Make the changes, or take them back; the webui looks its hooks up at every call."""
    params["activate"] = bool(on)
    for name, hook in HOOKS.items():
        if on:
            globals()[name] = hook
        else:
            globals().pop(name, None)
    if EXTENSION.is_on != bool(on) or not EXTENSION.applied:
        EXTENSION.switch(on=on)
'''


CHECK = """
import importlib

known = stand_in_module("modules.extensions")
known.state = {}
stand_in_module("extensions")
home = "" if path.is_dir() else f"/{name}"


def place(given, module):
    sys.modules[given["key"]] = module
    extension = given["name"].split(".")[1]
    known.state[extension] = [True, len(known.state), module]


def of_the_user():
    put(f"user_data/extensions{home}")
    return execute(f"user_ext_{name}", folder / "user_data/extensions" / name / "script.py")


def of_the_webui():
    put(f"extensions{home}")
    sys.modules.pop(f"extensions.{name}.script", None)
    return importlib.import_module(f"extensions.{name}.script")


WAYS = (of_the_user, of_the_webui)


def start(entry):
    entry.setup()


def stop(entry):
    entry.switch(False)
"""


class TextgenLayout(Layout):
    """A folder with ``script.py``, whose functions the webui looks up by the names of its hooks."""

    check = CHECK
    entry = "script.py"
    single_file = "{name}/script.py"
    has_hooks = True
    folder = ""
    unreachable_app = (
        "text-generation-webui makes its app after it has loaded its extensions: they cannot "
        "reach it"
    )
    how_to = (
        "Put this folder into `user_data/extensions` and start the webui with "
        "`--extensions {name}`, behind the extensions that it changes. The switch is on its page."
    )

    def files(self, code: ExportedCode) -> dict[str, str]:
        """``script.py``, and the package."""
        head = f'"""{code.about}"""\n\nfrom __future__ import annotations\n\n'
        load = LOAD.replace("{package}", code.package)
        return {self.entry: f"{head}{load}\n\n{self.end_of_file(code)}", **code.package_in()}

    def end_of_file(self, code: ExportedCode) -> str:
        """What the webui reads, the hooks, and the switch."""
        params = f'{{"display_name": "{code.name}", "is_tab": False, "activate": True}}'
        hooks = [_hook(hook, *own) for hook, own in dict(code.hooks).items()]
        listed = ", ".join(f'"{hook}": {hook}' for hook in code.hooks)
        parts = [f"params = {params}\n", *hooks, f"HOOKS = {{{listed}}}\n", SWITCH]
        return "\n\n".join(parts)


def _hook(hook: str, name: str, text: str) -> str:
    """A hook with the parameters of the function: the webui counts them."""
    node = ast.parse(text).body[0] if text else None
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return (
            f"def {hook}(*args, **kwargs):\n"
            f'    """A hook of the webui."""\n    return EXTENSION.own("{name}")(*args, **kwargs)\n'
        )
    for argument in [*node.args.args, *node.args.kwonlyargs, *node.args.posonlyargs]:
        argument.annotation = None
    node.args.defaults = [ast.Constant(_simple(d)) for d in node.args.defaults]
    passed = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
    passed += [f"*{node.args.vararg.arg}"] if node.args.vararg else []
    passed += [f"{a.arg}={a.arg}" for a in node.args.kwonlyargs]
    passed += [f"**{node.args.kwarg.arg}"] if node.args.kwarg else []
    return (
        f"def {hook}({ast.unparse(node.args)}):\n"
        f'    """A hook of the webui."""\n    return EXTENSION.own("{name}")({", ".join(passed)})\n'
    )


def _simple(node: object) -> Any:
    return node.value if isinstance(node, ast.Constant) else None
