"""The AppConfig of ``INSTALLED_APPS += ["livepatch.django"]``."""

from __future__ import annotations

from django.apps import AppConfig


class LivepatchConfig(AppConfig):
    """Attaches a kernel to a process that serves; to no other command's."""

    name = "livepatch.django"
    label = "livepatch"
    verbose_name = "livepatch"

    def ready(self) -> None:
        """Attach, where this process is one that serves."""
        from .serving import attach_where_it_serves

        attach_where_it_serves()
