"""The apps of this server with their states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps as django_apps

from livepatch.engine.changing.registry import registry as engine_registry

from . import dependencies
from .live import live
from .report import AppRow, apps_table
from .verbs import layers
from .versions import version_of

if TYPE_CHECKING:
    from livepatch.reports import Report


def apps() -> Report[AppRow]:
    """The apps of this server with their states.

    Returns:
        A sequence of rows, each with ``label``, ``name``, ``state`` (``loaded``, ``disabled``,
        ``unloaded``), ``version``, ``url_prefix``, ``tables``, ``needs``, ``needed_by``, ``owner``.

    Example:
        >>> import livepatch as lp
        >>> {app.label: app.state for app in lp.django.apps()}  # doctest: +SKIP
        {'auth': 'loaded', 'notes': 'disabled'}
    """
    with engine_registry.lock:
        configs = django_apps.app_configs
        rows = [_row(config, configs) for config in configs.values()]
        rows += _unloaded(configs)
    return apps_table(rows)


def _unloaded(configs: Any) -> list[AppRow]:
    return [
        AppRow(label, "", "unloaded", "", None, (), (), (), layer.owner)
        for label, layer in layers.items()
        if label not in configs
    ]


def _row(config: Any, configs: Any) -> AppRow:
    placement = live.placements.get(config.label)
    layer = layers.get(config.label)
    is_ours = config.label in live.placements and placement is not live.start.get(config.label)
    return AppRow(
        config.label,
        config.name,
        "disabled" if placement is not None and not placement.on else "loaded",
        version_of(config),
        placement.version.prefix if placement is not None else None,
        tuple(model._meta.db_table for model in config.get_models(include_auto_created=True)),
        tuple(str(requirement) for requirement in dependencies.needs(config)),
        tuple(dependencies.dependents(config.label, configs)),
        layer.owner if layer is not None and is_ours else "the project",
    )
