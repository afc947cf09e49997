"""A Django project behind whatever server it has."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.adapters.base import Host
from livepatch.adapters.runtime import attribute_of
from livepatch.addresses import url_text
from livepatch.engine.answers import counted
from livepatch.registries.extension import Extension

from . import hooks as django_stores
from .layout import DjangoLayout
from .stack import django_handler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livepatch.registries import Store


class DjangoHost(Host):
    """A process that serves a Django project; its apps are its extensions."""

    flavor = "django"
    specificity = 15
    layout = DjangoLayout()

    @classmethod
    def is_detected(cls) -> bool:
        """Django is set up, and a module has a request handler."""
        return bool(attribute_of("django.apps", "apps", "ready")) and django_handler() is not None

    @property
    def version(self) -> str | None:
        """Django's own."""
        found = attribute_of("django", "__version__")
        return None if found is None else str(found)

    @property
    def address(self) -> str | None:
        """Where it serves: uvicorn's or gunicorn's socket, runserver's argument."""
        return super().address or _address_of_runserver()

    @property
    def extension_folder(self) -> Path | None:
        """The project's folder: the one that has its settings package."""
        settings = attribute_of("django.conf", "settings")
        module = sys.modules.get(str(getattr(settings, "SETTINGS_MODULE", "")).partition(".")[0])
        file = getattr(module, "__file__", None)
        if file is None:
            return None
        return Path(file).parent.parent if hasattr(module, "__path__") else Path(file).parent

    @property
    def supports(self) -> frozenset[str]:
        """What every webui's adapter tells, and the verbs of apps."""
        return super().supports | {"django_app"}

    def app(self) -> Any:
        """The request handler."""
        return django_handler()

    def callback_stores(self) -> Sequence[Store]:
        """The signals with their receivers."""
        return django_stores.signal_stores()

    def hook_stores(self) -> Sequence[Store]:
        """What is called around views, template tags and filters, checks."""
        handler = django_handler()
        around = django_stores.middleware_stores(handler) if handler is not None else []
        return [*around, *django_stores.template_stores(), *django_stores.check_stores()]

    def extensions(self) -> Sequence[Extension]:
        """The apps."""
        configs = attribute_of("django.apps", "apps", "app_configs") or {}
        return [_extension(label, config) for label, config in list(configs.items())]


def _extension(label: str, config: Any) -> Extension:
    name = str(config.name)
    modules = {
        found: module
        for found, module in list(sys.modules.items())
        if module is not None and (found == name or found.startswith(f"{name}."))
    }
    version = getattr(config, "version", None) or getattr(config.module, "__version__", "")
    return Extension(
        label,
        Path(config.path),
        builtin=name.startswith("django."),
        version=str(version),
        modules=modules,
        facts=(counted(len(config.models or ()), "model"),),
    )


def _address_of_runserver() -> str | None:
    if sys.argv[1:2] != ["runserver"]:
        return None
    given = next((word for word in sys.argv[2:] if not word.startswith("-")), "127.0.0.1:8000")
    host, _, port = given.rpartition(":")
    return url_text(host, port)
