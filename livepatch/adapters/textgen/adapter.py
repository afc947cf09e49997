"""text-generation-webui: hooks are functions of extension modules, looked up at every call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.adapters.base import WEBUI
from livepatch.adapters.checkout import Checkout
from livepatch.adapters.gradio import GradioHost
from livepatch.adapters.runtime import attribute_of
from livepatch.errors import HostUnsupported
from livepatch.registries.extension import Extension
from livepatch.registries.store import AttributeStore
from livepatch.web.gradio.pages import page_of

from .layout import TextgenLayout
from .loader import TextgenLoader, came_along
from .runtime import FOLDER, TextgenRuntime, named_extensions
from .settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from livepatch.adapters.loader import Loader
    from livepatch.registries import Store

EXTENSIONS = "modules.extensions"
SHARED = "modules.shared"

HOOKS = (
    *("history_modifier", "state_modifier", "chat_input_modifier", "input_modifier"),
    *("custom_generate_chat_prompt", "custom_tokenized_length", "tokenizer_modifier"),
    *("custom_generate_reply", "logits_processor_modifier", "output_modifier"),
    *("bot_prefix_modifier", "custom_css", "custom_js", "ui"),
)
"""In the order of a chat; those that make the page come last."""

FIRST_ONLY = frozenset(
    {"custom_generate_chat_prompt", "custom_tokenized_length", "custom_generate_reply"}
)
AT_START = frozenset({"custom_css", "custom_js", "ui"})


class HookStore(AttributeStore):
    """One hook of the extensions that are switched on."""

    def __init__(self, hook: str) -> None:
        super().__init__(hook, f"{hook} of extensions", active_extensions, "textgen")
        if hook in FIRST_ONLY:
            self.note = "only the first is called"
        elif hook in AT_START:
            self.note = "called when the page is built"


class TextgenHost(GradioHost):
    """text-generation-webui (oobabooga)."""

    flavor = "textgen"
    specificity = WEBUI
    module = EXTENSIONS
    names = (FOLDER,)
    checkout = Checkout(
        ("extensions", "server.py", "modules/text_generation.py"),
        "extensions",
        "script.py",
        pythons=("installer_files/env/bin/python", "installer_files/env/python.exe"),
        requirements=("requirements/full/requirements.txt", "requirements.txt"),
        settings=SETTINGS,
    )
    runtime = TextgenRuntime()
    layout = TextgenLayout()
    api_only = True

    @classmethod
    def is_detected(cls) -> bool:
        """Its registry of extensions is loaded; A1111 has a module of that name as well."""
        return isinstance(attribute_of(EXTENSIONS, "EXTENSION_MAP"), dict)

    @property
    def extension_folder(self) -> Path | None:
        """The user's own folder, which wins over the one that came along."""
        folder = attribute_of(SHARED, "user_data_dir")
        return Path(str(folder)).absolute() / "extensions" if folder else None

    def is_idle(self) -> bool | None:
        """Whether the lock that serialises generations is free."""
        locked = getattr(attribute_of(SHARED, "generation_lock"), "locked", None)
        return None if locked is None else not locked()

    def running(self) -> str | None:
        """Whether a generation runs; how far it is, it does not say."""
        is_idle = self.is_idle()
        return None if is_idle is None else "" if is_idle else "a generation"

    def interrupt(self) -> str:
        """Set the flag that every generator looks at."""
        shared = sys.modules.get(SHARED)
        if shared is None or not hasattr(shared, "stop_everything"):
            return super().interrupt()
        shared.stop_everything = True  # type: ignore[attr-defined]
        return "shared.stop_everything = True"

    def blocks(self) -> Any:
        """Its page; None while it is built, and when only the API runs."""
        gradio = attribute_of(SHARED, "gradio")
        page = gradio.get("interface") if isinstance(gradio, dict) else None
        return page if page is not None else super().blocks()

    def app(self) -> Any:
        """The app of the page; where there is none, that of the API."""
        page = self.blocks()
        app = getattr(page, "server_app", None) or getattr(page, "app", None)
        if app is not None and page_of(app) is not None:
            return app
        return super().app() or attribute_of("modules.api.script", "app")

    def built(self) -> object:
        """The app that its page has once it is launched, and launched again."""
        gradio = attribute_of(SHARED, "gradio")
        page = gradio.get("interface") if isinstance(gradio, dict) else None
        return getattr(page, "app", None)

    def hook_stores(self) -> Sequence[Store]:
        """The hooks of extensions in the order of a chat, then the model's forward hooks."""
        state = attribute_of(EXTENSIONS, "state")
        if not isinstance(state, dict):
            raise HostUnsupported(
                "look at the hooks",
                f"{EXTENSIONS}.state is a {type(state).__name__}: livepatch knows a dictionary of "
                "[active, order, module] there",
                f"lp.middleware() and lp.routes() may work; look at {EXTENSIONS} yourself",
            )
        return [*(HookStore(hook) for hook in HOOKS), *super().hook_stores()]

    def models(self) -> Mapping[str, Any]:
        """The model that is loaded."""
        model = attribute_of(SHARED, "model")
        return {"model": model} if model is not None else {}

    def path_elsewhere(self, path: str) -> str:
        """The name that extensions have from whichever of the two folders they were loaded."""
        for stable, module in named_extensions().items():
            if path.startswith(f"{module.__name__}."):
                return f"{stable}{path.removeprefix(module.__name__)}"
        return path

    def loader(self) -> Loader | None:
        """Executes ``script.py`` as its start does."""
        return TextgenLoader(self)

    def extensions(self) -> Sequence[Extension]:
        """The extensions that it found, those loaded first in their order."""
        loaded, odd = states()
        found = list(attribute_of(EXTENSIONS, "available_extensions") or ())
        names = dict.fromkeys([*loaded, *odd, *found])
        return [self._extension(name, loaded.get(name), odd) for name in names]

    def _extension(self, name: str, state: Any, odd: Sequence[str]) -> Extension:
        module: ModuleType | None = state[2] if state else None
        file = getattr(module, "__file__", None)
        path = Path(file).absolute().parent if file else self._folder(name)
        builtin = path is None or path.parent == came_along()
        modules = {module.__name__: module} if module is not None else None
        facts = ("its state has an unknown shape",) if name in odd else ()
        return Extension(name, path, bool(state and state[0]), builtin, "", modules, facts)

    def _folder(self, name: str) -> Path | None:
        own = self.extension_folder
        candidates = [own / name] if own else []
        candidates.append(came_along() / name)
        return next((path for path in candidates if path.is_dir()), None)


def states() -> tuple[dict[str, Any], list[str]]:
    """``[active, order, module]`` of each extension, in the order of the calls.

    Returns:
        The states by name, and the names of those that have another shape.
    """
    state = attribute_of(EXTENSIONS, "state")  # rebound whenever they are loaded
    known = dict(state) if isinstance(state, dict) else {}
    good = {n: s for n, s in known.items() if isinstance(s, (list, tuple)) and len(s) == 3}
    in_order = sorted(good, key=lambda name: good[name][1])
    return {name: good[name] for name in in_order}, [name for name in known if name not in good]


def active_extensions() -> dict[str, Any]:
    """The modules of the extensions that are switched on, in the order in which they are called."""
    return {name: state[2] for name, state in states()[0].items() if state[0]}
