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
server = stand_in_module("server")
server.PromptServer = type("PromptServer", (), {})
server.PromptServer.instance = types.SimpleNamespace(on_prompt_handlers=[])
if app is not None:
    server.PromptServer.instance.app = app
for event, label in events:
    server.PromptServer.instance.on_prompt_handlers.append(callback(label))
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
