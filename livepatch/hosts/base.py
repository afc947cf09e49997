"""What an adapter of 0.1 imports: ``from livepatch.hosts.base import WEBUI, Host``."""

from __future__ import annotations

from livepatch.adapters import WEBUI, Host, attribute_of

__all__ = ["WEBUI", "Host", "attribute_of"]
