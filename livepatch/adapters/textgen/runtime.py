"""text-generation-webui, as far as an export has to know it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livepatch.adapters.runtime import WebuiRuntime, attribute_of, identifier

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

FOLDER = "extensions"


class TextgenRuntime(WebuiRuntime):
    """text-generation-webui; it does not say its version."""

    def app(self) -> Any:
        """The app of its page."""
        gradio = attribute_of("modules.shared", "gradio")
        page = gradio.get("interface") if isinstance(gradio, dict) else None
        return getattr(page, "server_app", None) or getattr(page, "app", None)

    def named_modules(self, name: str | None) -> Mapping[str, ModuleType]:
        """Its extensions: one of the user's folder is loaded by another name."""
        if name is not None and name.partition(".")[0] != FOLDER:
            return {}
        return named_extensions()


def named_extensions() -> dict[str, ModuleType]:
    """The modules of extensions as ``extensions.NAME.script``, from whichever folder they are."""
    state = attribute_of("modules.extensions", "state")
    known = dict(state) if isinstance(state, dict) else {}
    return {
        f"{FOLDER}.{identifier(str(name))}.script": one[2]
        for name, one in known.items()
        if isinstance(one, (list, tuple)) and len(one) == 3
    }
