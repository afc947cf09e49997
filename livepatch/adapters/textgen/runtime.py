"""text-generation-webui, as far as an export has to know it."""

from __future__ import annotations

from typing import Any

from livepatch.adapters.runtime import WebuiRuntime, attribute_of


class TextgenRuntime(WebuiRuntime):
    """text-generation-webui; it does not say its version."""

    def app(self) -> Any:
        """The app of its page."""
        gradio = attribute_of("modules.shared", "gradio")
        page = gradio.get("interface") if isinstance(gradio, dict) else None
        return getattr(page, "server_app", None) or getattr(page, "app", None)
