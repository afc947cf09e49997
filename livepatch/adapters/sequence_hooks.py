"""Lists of callables that transformers keeps for a generation: processors and criteria."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livepatch.registries.store import ListStore

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = {
    "LogitsProcessorList": "logits_processor",
    "StoppingCriteriaList": "stopping_criteria",
}
"""Classes of transformers, told by their names: it is never imported."""


def stores_of_lists(holders: Mapping[str, Any]) -> list[ListStore]:
    """The lists of processors and criteria that some things have as attributes.

    Those that a webui makes for one generation are gone when it has ended: they are reached by the
    webui's own hook for them.

    Args:
        holders: modules, models and pipelines, by a name for people.
    """
    stores = []
    for holder_name, holder in holders.items():
        namespace = getattr(holder, "__dict__", None)
        if not isinstance(namespace, dict):
            continue
        for name, value in list(namespace.items()):
            kind = KINDS.get(type(value).__name__)
            if kind is not None and isinstance(value, list):
                path = f"{kind} {holder_name}.{name}"
                stores.append(ListStore(path, path, namespace, name))
    return stores
