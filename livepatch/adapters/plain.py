"""Any Python process: the adapter of last resort."""

from __future__ import annotations

import platform

from .base import Host


class PlainHost(Host):
    """A process without a server that we know; functions can be replaced all the same."""

    flavor = "plain"

    @property
    def version(self) -> str:
        """The version of Python."""
        return platform.python_version()
