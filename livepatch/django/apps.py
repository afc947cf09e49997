"""The AppConfig of ``INSTALLED_APPS += ["livepatch.django"]``."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from livepatch.reports import Report

    from .report import AppRow


class LivepatchConfig(AppConfig):
    """Attaches a kernel to a process that serves; to no other command's."""

    name = "livepatch.django"
    label = "livepatch"
    verbose_name = "livepatch"

    def ready(self) -> None:
        """Attach, where this process is one that serves."""
        from .serving import attach_where_it_serves

        attach_where_it_serves()


class _Verb(ModuleType):
    """This module is the verb of its name as well.

    Django looks for an AppConfig in a module called ``apps``, and whoever imports that puts it
    where ``lp.django.apps`` is.
    """

    def __call__(self) -> Report[AppRow]:
        """See :func:`livepatch.django.listing.apps`."""
        from .listing import apps

        return apps()


sys.modules[__name__].__class__ = _Verb
