"""What ComfyUI calls while a prompt runs: the functions of nodes, the hooks of loaded models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livepatch.adapters.runtime import attribute_of
from livepatch.looking.callables import name_of
from livepatch.registries.store import AttributeStore, Method, Store

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping, Sequence

EXECUTE = "execute"


def node_classes() -> dict[str, Any]:
    """The classes of the nodes, by the type that prompts name."""
    found = attribute_of("nodes", "NODE_CLASS_MAPPINGS")
    return dict(found) if isinstance(found, dict) else {}


class NodeStore(AttributeStore):
    """The function of every node: what runs when a prompt comes to it."""

    verbs = frozenset({"replace"})
    folded = True

    def __init__(self) -> None:
        super().__init__("FUNCTION", "functions of nodes", node_classes, "comfyui")

    def attribute_of(self, holder: Any) -> str:
        """The method that the class names; of a node of the third version its ``execute``."""
        if hasattr(holder, "define_schema") and hasattr(holder, EXECUTE):
            return EXECUTE
        return str(getattr(holder, "FUNCTION", EXECUTE))

    def make(self, callback: Callable[..., Any], name: str, like: Any) -> Any:
        """The function as the class has its own: a class method stays one."""
        item = super().make(callback, name, like)
        if isinstance(getattr(like, "value", None), (classmethod, staticmethod)):
            kind = type(like.value)
            return Method(item.holder, callback if isinstance(callback, kind) else kind(callback))
        return item

    def name_of(self, item: Any) -> str:
        """The type that prompts name."""
        names = (name for name, cls in self.holders().items() if cls is item.holder)
        return next(names, name_of(item.holder))


class PatcherStore(Store):
    """Callbacks or wrappers of one kind at a loaded model.

    Args:
        event: the kind and the model, in words.
        registry: ``patcher.callbacks`` or ``patcher.wrappers``: lists by kind, then by key.
        kind: the kind.
        key: the key.
    """

    note = "clones of the model take copies"

    def __init__(self, event: str, registry: MutableMapping[str, Any], kind: str, key: Any) -> None:
        super().__init__(event, f"{event}", ("patcher", id(registry), kind, key))
        self.registry = registry
        self.kind = kind
        self.list_key = key
        self.made = False

    def read(self) -> list[Any]:
        """The callables of that kind."""
        return list((self.registry.get(self.kind) or {}).get(self.list_key) or ())

    def write(self, items: Sequence[Any]) -> None:
        """Put them into the model's own list; one that was made for them goes with them."""
        lists = self.registry.get(self.kind)
        if lists is None or self.list_key not in lists:
            self.made = True
            lists = self.registry.setdefault(self.kind, {})
        lists.setdefault(self.list_key, [])[:] = list(items)
        if self.made and not items:
            self.made = False
            del lists[self.list_key]
            if not lists:
                del self.registry[self.kind]

    def make(self, callback: Callable[..., Any], name: str, like: Any) -> Any:  # noqa: ARG002
        """The callable itself."""
        return callback


def patcher_stores(model: str, patcher: Any) -> list[PatcherStore]:
    """The stores of a loaded model's callbacks and wrappers, in the order of a run.

    Args:
        model: its name.
        patcher: the ``ModelPatcher``.
    """
    stores = []
    for attribute, word, names in (
        ("callbacks", "callback", "CallbacksMP"),
        ("wrappers", "wrapper", "WrappersMP"),
    ):
        registry = getattr(patcher, attribute, None)
        if not isinstance(registry, dict):
            continue
        for kind in dict.fromkeys([*_kinds(names), *registry]):
            for key in dict.fromkeys([None, *(registry.get(kind) or ())]):
                of_key = f" ({key})" if key is not None else ""
                event = f"{word} {kind} of {model}{of_key}"
                stores.append(PatcherStore(event, registry, kind, key))
    return stores


def _kinds(class_name: str) -> list[str]:
    """The kinds that ComfyUI names as constants of a class."""
    cls = attribute_of("comfy.patcher_extension", class_name)
    constants = vars(cls) if isinstance(cls, type) else {}
    return [v for name, v in constants.items() if name.isupper() and isinstance(v, str)]
