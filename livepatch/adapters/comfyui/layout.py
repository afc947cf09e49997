"""How a package of custom nodes is laid out on disk: one without nodes, which makes changes."""

from __future__ import annotations

from dataclasses import dataclass

from livepatch.adapters.layout import ExportedCode, Layout

ENTRY = '''\
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
PROJECT = """\
[project]
name = "{lower}"
version = "1.0.0"
description = "Changes made with livepatch."
dependencies = []

[tool.comfy]
PublisherId = ""
DisplayName = "{name}"
"""
CHECK = """
import asyncio

prompts = stand_in_module("server")
prompts.PromptServer = type("PromptServer", (), {})
server = prompts.PromptServer.instance = types.SimpleNamespace(on_prompt_handlers=[])
if app is not None:
    server.app = app
for event, label in events:
    server.on_prompt_handlers.append(callback(label))


def called(event):
    return server.on_prompt_handlers


def place(given, module):
    home = given["name"].partition(".")[0]
    inner = given["key"].replace("\\\\", "/").rpartition(f"/{home}/")[2]
    sys.modules[f"{folder.as_posix()}/{home}/{inner}"] = module


def load_nodes():
    home = put("custom_nodes")
    if home.is_dir():
        entry = execute(str(home).replace(".", "_x_"), home / "__init__.py")
    else:
        entry = execute(str(home.with_suffix("")), home)
    assert entry.NODE_CLASS_MAPPINGS == {}
    return entry


WAYS = (load_nodes,)


async def tell(hooks):
    for hook in hooks:
        await hook(app)


def start(entry):
    if app is not None:
        asyncio.run(tell([*app.on_startup]))


def stop(entry):
    if app is not None:
        asyncio.run(tell([*app.on_cleanup][::-1]))
    else:
        entry.remove()
"""


@dataclass(frozen=True)
class ComfyuiLayout(Layout):
    """A folder in ``custom_nodes`` whose ``__init__.py`` has empty mappings."""

    app: str = "aiohttp"
    entry = "__init__.py"
    single_file = "{name}.py"
    folder = ""
    check = CHECK
    how_to = "Put this folder into `custom_nodes`. Rename it to `{name}.disabled` to switch it off."

    def files(self, code: ExportedCode) -> dict[str, str]:
        """The entry file, what the registry of nodes asks for, and the package."""
        entry = (
            f'"""{code.about}"""\n\nfrom __future__ import annotations\n\n'
            f"import sys\n\nfrom .{code.package} import apply, remove\n\n{ENTRY}"
        )
        return {
            self.entry: entry,
            "pyproject.toml": PROJECT.format(name=code.name, lower=code.name.lower()),
            **code.package_in(),
        }

    def end_of_file(self, code: ExportedCode) -> str:  # noqa: ARG002
        """What the entry file has."""
        return ENTRY
