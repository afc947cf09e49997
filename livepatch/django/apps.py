"""The AppConfig of ``INSTALLED_APPS += ["livepatch.django"]``."""

from __future__ import annotations

import sys

from django.apps import AppConfig


class LivepatchConfig(AppConfig):
    """Attaches a kernel to a process that serves; to no other command's."""

    name = "livepatch.django"
    label = "livepatch"
    verbose_name = "livepatch"

    def ready(self) -> None:
        """Attach, where this process is one that serves."""
        # Django has imported this module as `livepatch.django.apps`: the name of a verb.
        vars(sys.modules["livepatch.django"]).pop("apps", None)
        from .serving import attach_where_it_serves

        attach_where_it_serves()
