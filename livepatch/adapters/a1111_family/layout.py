"""How extensions of A1111, its forks and the demo are laid out on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from livepatch.adapters.layout import ExportedCode, Layout

CHECK = '''
import collections

Entry = collections.namedtuple("Entry", "script callback name")


class Callbacks(Anything):
    """Keeps what is registered."""

    def __getattr__(self, name):
        if not name.startswith("on_"):
            raise AttributeError(name)
        entries = self.callback_map.setdefault(f"callbacks_{name[3:]}", [])
        return lambda callback, **_: entries.append(Entry("", callback, None))


callbacks = stand_in_module("ROOT.script_callbacks")
callbacks.__class__ = Callbacks
callbacks.callback_map = {}
for event, label in events:
    callbacks.callback_map.setdefault(f"callbacks_{event}", []).append(Entry("", print, label))
loading = stand_in_module("ROOT.script_loading")
known = stand_in_module("ROOT.extensions")
loading.loaded_scripts, known.extensions = {}, []


def called(event):
    return callbacks.callback_map.get(f"callbacks_{event}")


def place(given, module):
    file = folder / given["file"]
    loading.loaded_scripts[str(file)] = module
    homes = ("extensions", "extensions-builtin")
    home = next((one for one in file.parents if one.parent.name in homes), None)
    if home is not None and all(one.path != str(home) for one in known.extensions):
        known.extensions.append(types.SimpleNamespace(name=home.name, path=str(home)))


def load_script():
    if path.is_dir():
        home = put("extensions")
        file = home / "scripts" / f"{name}.py"
    else:
        file = put("scripts")
        home = folder
    sys.path.insert(0, str(home))
    try:
        return execute(file.name, file)
    finally:
        sys.path.remove(str(home))


WAYS = (load_script,)


def start(entry):
    for event, given in (("ui_settings", ()), ("app_started", (None, app))):
        for one in called(event) or ():
            one.callback(*given)


def stop(entry):
    for one in reversed(called("script_unloaded") or ()):
        one.callback()
    for entries in callbacks.callback_map.values():
        entries[:] = [one for one in entries if one.name is not None]
'''

STARTED = '''\
def when_started(demo, app):
    """The webui has started, or has loaded its page again: make the changes, unless it is off."""
{read}    apply(app)
'''
UNLOADED = '''\
def when_unloaded():
    """The webui unloads its scripts: take the changes back, and leave nothing."""
    if EXTENSION.applied:
        remove()
    for module in [*sys.modules]:
        if module.partition(".")[0] == "{package}":
            del sys.modules[module]
'''
SETTINGS = '''\
def add_settings():
    """The switch on the settings page."""
    from modules import shared

    section = ("{package}", "{name}")
    option = shared.OptionInfo(True, "Enable {name}", section=section, onchange=when_switched)
    shared.opts.add_option("{package}_enabled", option)


def is_wanted():
    """What the settings page says; on where it says nothing."""
    opts = getattr(sys.modules.get("modules.shared"), "opts", None)
    return bool(getattr(opts, "{package}_enabled", True))


def when_switched():
    """The switch was used."""
    if EXTENSION.is_on != is_wanted():
        switch(on=is_wanted())
'''
METADATA = """\
[Extension]
Name = {name}
Version = 1.0
Description = Changes made with livepatch.
"""


@dataclass(frozen=True)
class ScriptsLayout(Layout):
    """One file in ``scripts``, which registers callbacks; all else in a package beside it.

    Attributes:
        root: the package that has ``script_callbacks`` and the like.
    """

    root: str = "modules"
    entry = "scripts/{name}.py"
    single_file = "{name}.py"
    registers = True
    folder = ""
    how_to = (
        "Put this folder into the webui's `extensions` folder. The switch is on the settings page; "
        "the webui's own list of extensions switches it off as well."
    )
    lines: ClassVar[tuple[str, ...]] = (
        'if hasattr(script_callbacks, "on_ui_settings"):',
        "    script_callbacks.on_ui_settings({prefix}add_settings)",
    )
    """What the entry file does first: the demo has no page of settings."""

    @property
    def check(self) -> str:  # type: ignore[override]
        """Modules of the webui, of which ``script_callbacks`` takes registrations."""
        return CHECK.replace("ROOT", self.root)

    def files(self, code: ExportedCode) -> dict[str, str]:
        """The script, what the webui's list of extensions shows, and the package."""
        entry = (
            f'"""{code.about}"""\n\nfrom __future__ import annotations\n\nimport {code.package}\n'
            f"from {self.root} import script_callbacks\n\n"
            f"{self._registrations(code, f'{code.package}.')}"
        )
        return {
            self.entry.format(name=code.name): entry,
            "metadata.ini": METADATA.format(name=code.name),
            **code.package_in(),
        }

    def beside(self, code: ExportedCode) -> str:
        """What the webui calls when it has started and when it unloads, and the switch."""
        names = {"name": code.name, "package": code.package}
        read = "    EXTENSION.is_on = is_wanted()\n" if self.lines else ""
        parts = [SETTINGS] if self.lines else []
        parts += [STARTED, UNLOADED]
        return "\n\n".join(part.format(read=read, **names) for part in parts)

    def end_of_file(self, code: ExportedCode) -> str:
        """The registrations."""
        head = f"from {self.root} import script_callbacks  # noqa: E402\n\n"
        return f"{head}{self._registrations(code, '')}"

    def _registrations(self, code: ExportedCode, prefix: str) -> str:
        lines = [
            *(line.format(prefix=prefix) for line in self.lines),
            f"script_callbacks.on_app_started({prefix}when_started)",
            f"script_callbacks.on_script_unloaded({prefix}when_unloaded)",
            *(
                f'{prefix}EXTENSION.register(script_callbacks, "{event}", {prefix}{function})'
                for event, function in code.called
            ),
        ]
        return "".join(f"{line}\n" for line in lines)


class DemoLayout(ScriptsLayout):
    """The demo's, whose command line switches extensions off."""

    lines = ()
    how_to = (
        "Start the webui with `--extensions-dir` and the folder that this one is in; "
        "`--disable-extension {name}` leaves it out."
    )
