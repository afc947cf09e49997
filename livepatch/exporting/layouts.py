"""How an extension of each flavor is laid out on disk, and what the webui calls in it."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from livepatch.errors import ExportRefused

from . import package as parts
from .carrying import FOLDER
from .flavors import ONE_FILE, PACKAGES, SCRIPTS
from .runtime.webui import ROOTS

if TYPE_CHECKING:
    from .found import Live


@dataclass(frozen=True)
class Names:
    """What an extension is called.

    Attributes:
        name: the extension, and its folder.
        package: its Python package.
        flavor: the webui that it is for.
    """

    name: str
    package: str
    flavor: str

    @property
    def about(self) -> str:
        """One line for people."""
        return f"{self.name}: changes of a {self.flavor} webui, exported by livepatch."


def layout(names: Names, live: Live) -> dict[str, str]:
    """The files of the extension's folder, by their paths in it."""
    inner = _inner_files(names, live)
    if names.flavor in SCRIPTS:
        files = {
            f"scripts/{names.name}.py": _scripts_entry(names, live),
            "metadata.ini": _metadata(names),
            **{f"{names.package}/{path}": text for path, text in inner.items()},
        }
    elif names.flavor == "textgen":
        files = {
            "script.py": _textgen_entry(names, live, _TEXTGEN_IMPORT.format(package=names.package)),
            **{f"{names.package}/{path}": text for path, text in inner.items()},
        }
    elif names.flavor == "comfyui":
        files = {
            "__init__.py": f'"""{names.about}"""\n\nfrom __future__ import annotations\n\n'
            f"import sys\n\nfrom .{names.package} import apply, remove\n\n{_COMFYUI_ENTRY}",
            "pyproject.toml": _comfyui_project(names),
            **{f"{names.package}/{path}": text for path, text in inner.items()},
        }
    else:
        files = {
            "pyproject.toml": _package_project(names),
            **{f"src/{names.package}/{path}": text for path, text in inner.items()},
        }
    if names.flavor == "django":
        files[f"src/{names.package}/apps.py"] = _django_config(names)
    return {**files, "README.md": _readme(names, live)}


def one_file(names: Names, live: Live, asked: str) -> tuple[str, str]:
    """The name and the text of the one file.

    Raises:
        ExportRefused: this flavor takes folders only.
    """
    if names.flavor not in ONE_FILE:
        raise ExportRefused(
            asked,
            f"a {names.flavor} app takes packages, not single files",
            f"leave --single-file out; it is for: {', '.join(ONE_FILE)}",
        )
    if names.flavor == "textgen":
        entry, path = _textgen_entry(names, live, ""), f"{names.name}/script.py"
        entry = entry.partition("\n\nimport sys\n")[2] or entry
        extra = ""
    elif names.flavor == "comfyui":
        entry, path, extra = _COMFYUI_ENTRY, f"{names.name}.py", ""
    else:
        entry = _registrations(names, live, "", "")
        path, extra = f"{names.name}.py", _scripts_extra(names)
        entry = f"from {_root(names)} import script_callbacks  # noqa: E402\n\n{entry}"
    text = parts.single_file(
        names.name,
        names.package,
        names.flavor,
        live,
        about=names.about,
        extra=extra,
        entry=entry,
    )
    return path, text


def _inner_files(names: Names, live: Live) -> dict[str, str]:
    changes = (
        f'"""What {names.name} changes, and what each change was made against."""\n\n'
        f"from __future__ import annotations\n\n{parts.changes_imports(live, f'.{FOLDER}')}\n"
        f"{parts.changes_text(live)}\n{parts.values_text(parts.made_with(names.flavor))}"
    )
    extra = _scripts_extra(names) if names.flavor in SCRIPTS else ""
    return {
        "__init__.py": parts.init_file(names.name, names.flavor, live, extra),
        "changes.py": changes,
        "names.py": parts.names_file(live, f"The functions and classes of {names.name}."),
        "layers.py": parts.layers_file(live, f"What {names.name} runs in the webui's own places."),
        **parts.carried_by(names.flavor, live),
    }


def _root(names: Names) -> str:
    return ROOTS.get(names.flavor, "modules")


def _scripts_entry(names: Names, live: Live) -> str:
    return (
        f'"""{names.about}"""\n\nfrom __future__ import annotations\n\nimport {names.package}\n'
        f"from {_root(names)} import script_callbacks\n\n"
        f"{_registrations(names, live, f'{names.package}.', '')}"
    )


def _registrations(names: Names, live: Live, prefix: str, indent: str) -> str:
    lines = [
        f"script_callbacks.on_app_started({prefix}when_started)",
        f"script_callbacks.on_script_unloaded({prefix}when_unloaded)",
    ]
    if names.flavor != "demo":
        lines[:0] = [
            'if hasattr(script_callbacks, "on_ui_settings"):',
            f"    script_callbacks.on_ui_settings({prefix}add_settings)",
        ]
    lines += [
        f'{prefix}EXTENSION.register(script_callbacks, "{event}", {prefix}{function})'
        for event, function, _ in parts.called_by_webui(live)
    ]
    return "".join(f"{indent}{line}\n" for line in lines)


def _scripts_extra(names: Names) -> str:
    setting = f"{names.package}_enabled"
    started = (
        "def when_started(demo, app):\n"
        '    """The webui has started, or has loaded its page again: make the changes."""\n'
        "{read}    if not EXTENSION.is_on:\n        return\n    apply(app)\n"
    )
    unloaded = (
        "def when_unloaded():\n"
        '    """The webui unloads its scripts: take the changes back, and leave nothing."""\n'
        "    if EXTENSION.applied:\n        remove()\n"
        "    for module in [*sys.modules]:\n"
        f'        if module.partition(".")[0] == "{names.package}":\n'
        "            del sys.modules[module]\n"
    )
    if names.flavor == "demo":
        return f"{started.format(read='')}\n\n{unloaded}"
    settings = (
        "def add_settings():\n"
        '    """The switch on the settings page."""\n'
        "    if EXTENSION.is_on is None:\n        return\n"
        "    from modules import shared\n\n"
        f'    section = ("{names.package}", "{names.name}")\n'
        f'    option = shared.OptionInfo(True, "Enable {names.name}", section=section, '
        "onchange=when_switched)\n"
        f'    shared.opts.add_option("{setting}", option)\n\n\n'
        "def is_wanted():\n"
        '    """What the settings page says; on where it says nothing."""\n'
        '    opts = getattr(sys.modules.get("modules.shared"), "opts", None)\n'
        f'    return bool(getattr(opts, "{setting}", True))\n\n\n'
        "def when_switched():\n"
        '    """The switch was used."""\n'
        "    if EXTENSION.is_on != is_wanted():\n"
        "        switch(on=is_wanted())\n"
    )
    settings = settings.replace("    if EXTENSION.is_on is None:\n        return\n", "")
    read = "    EXTENSION.is_on = is_wanted()\n"
    return f"{settings}\n\n{started.format(read=read)}\n\n{unloaded}"


def _metadata(names: Names) -> str:
    return (
        f"[Extension]\nName = {names.name}\nVersion = 1.0\n"
        f"Description = Changes made with livepatch.\n"
    )


_TEXTGEN_IMPORT = """\
import importlib.util
import sys
from pathlib import Path


def _load():
    \"\"\"The package beside this file, whatever folder the webui has extensions in.\"\"\"
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
"""


def _textgen_entry(names: Names, live: Live, load: str) -> str:
    hooks = [
        _textgen_hook(hook, name, live.gatherer.texts.get(name, ""))
        for hook, name in live.hooks.items()
    ]
    listed = ", ".join(f'"{hook}": {hook}' for hook in live.hooks)
    head = (
        f'"""{names.about}"""\n\nfrom __future__ import annotations\n\n{load}\n'
        if load
        else "\n\nimport sys\n"
    )
    body = (
        f'params = {{"display_name": "{names.name}", "is_tab": False, "activate": True}}\n\n\n'
        + "\n\n".join(hooks)
        + ("\n\n" if hooks else "")
        + f"HOOKS = {{{listed}}}\n\n\n{_TEXTGEN_SWITCH}"
    )
    return f"{head}\n{body}"


def _textgen_hook(hook: str, name: str, text: str) -> str:
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


_TEXTGEN_SWITCH = '''\
def setup():
    """The webui has loaded this file: make the changes, unless it is switched off."""
    switch(params["activate"])


def ui():
    """The switch on the page."""
    import gradio as gr

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
    if EXTENSION.is_on != on or not EXTENSION.applied:
        EXTENSION.switch(on=on)
'''

_COMFYUI_ENTRY = '''\
NODE_CLASS_MAPPINGS = {}
NODE_DISPLAY_NAME_MAPPINGS = {}


async def start(app):
    """The server has all nodes now, and begins to serve: make the changes."""
    apply(app)


async def stop(app):
    """The server ends, or this extension is unloaded: take the changes back."""
    remove()


def register():
    """Have the server say when it begins; where it runs already, begin at once."""
    server = getattr(sys.modules.get("server"), "PromptServer", None)
    app = getattr(getattr(server, "instance", None), "app", None)
    if app is None or app.on_startup.frozen:
        apply(app)
    else:
        app.on_startup.append(start)
        app.on_cleanup.append(stop)


register()
'''


def _comfyui_project(names: Names) -> str:
    return (
        f'[project]\nname = "{names.name.lower()}"\nversion = "1.0.0"\n'
        'description = "Changes made with livepatch."\ndependencies = []\n\n'
        f'[tool.comfy]\nPublisherId = ""\nDisplayName = "{names.name}"\n'
    )


def _django_config(names: Names) -> str:
    return (
        f'"""{names.about}"""\n\nfrom __future__ import annotations\n\n'
        "from django.apps import AppConfig\n\nfrom . import EXTENSION, apply, remove\n\n\n"
        "class ExportedConfig(AppConfig):\n"
        '    """Makes the changes when Django is set up; in a running server, when it is loaded."""'
        f'\n\n    name = "{names.package}"\n    verbose_name = "{names.name}"\n'
        '    default_auto_field = "django.db.models.BigAutoField"\n\n'
        "    def ready(self):\n"
        '        """Make them; of modules that come later, such as views, when they come."""\n'
        "        apply()\n\n"
        "    def unready(self):\n"
        '        """Take them back: lp.django.unload_app and disable_app call it."""\n'
        "        if EXTENSION.applied:\n            remove()\n"
    )


def _package_project(names: Names) -> str:
    return (
        '[build-system]\nrequires = ["setuptools>=61"]\n'
        'build-backend = "setuptools.build_meta"\n\n'
        f'[project]\nname = "{names.name.lower()}"\nversion = "1.0.0"\n'
        'description = "Changes made with livepatch."\nrequires-python = ">=3.10"\n\n'
        f'[project.entry-points."livepatch.extensions"]\n{names.name} = "{names.package}"\n\n'
        '[tool.setuptools.packages.find]\nwhere = ["src"]\n'
    )


_HOW_TO = {
    "scripts": "Put this folder into the webui's `extensions` folder. The switch is on the "
    "settings page; the webui's own list of extensions switches it off as well.",
    "demo": "Start the webui with `--extensions-dir` and the folder that this one is in; "
    "`--disable-extension {name}` leaves it out.",
    "textgen": "Put this folder into `user_data/extensions` and start the webui with "
    "`--extensions {name}`. The switch is on its page.",
    "comfyui": "Put this folder into `custom_nodes`. Rename it to `{name}.disabled` to switch it "
    "off.",
    "django": '`pip install` this folder, then `INSTALLED_APPS += ["{package}"]`; in a running '
    "server `%django_app load {package}` makes the changes, and `%django_app unload {package}` "
    "takes them back.",
    "package": "`pip install` this folder. `import {package}; {package}.apply(app)` makes the "
    "changes, `{package}.remove()` takes them back; the entry point is in the group "
    "`livepatch.extensions`.",
}


def _readme(names: Names, live: Live) -> str:
    kind = names.flavor if names.flavor in _HOW_TO else "scripts"
    is_package = names.flavor in PACKAGES and names.flavor not in _HOW_TO
    kind = "package" if is_package else kind
    made = parts.made_with(names.flavor)
    rows = [f"- {change.about}" for change in live.changes]
    rows += [f"- callback at {event}" for event in live.callbacks]
    rows += [f"- hook {hook}" for hook in live.hooks]
    listed = "\n".join(rows)
    how = _HOW_TO[kind].format(name=names.name, package=names.package)
    where = "src/" if names.flavor in PACKAGES else ""
    return (
        f"# {names.name}\n\nChanges of a running {names.flavor} webui "
        f"(version {made['version'] or 'unknown'}), exported by livepatch {made['livepatch']}.\n\n"
        f"{how}\n\n{listed}\n\n"
        f"The code is in `{where}{names.package}/layers.py` and `{where}{names.package}/names.py`, "
        f"what it changes in `{where}{names.package}/changes.py`. Livepatch is not needed: "
        f"`{FOLDER}` there is all that is used of it. "
        "A function of the webui that is not what it was when this was made is left alone, with a "
        "warning that names it.\n"
    )


def manifest(names: Names, digests: dict[str, str]) -> str:
    """``livepatch.json``: tells an export of ours, and whether somebody changed it."""
    told = {"made_by": "livepatch export", "name": names.name, "flavor": names.flavor}
    return json.dumps({**told, "files": digests}, indent=1) + "\n"
