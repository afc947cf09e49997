"""The forward hooks of torch modules, told by their attributes: torch is never imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livepatch.registries.store import DictStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KINDS = {
    "_forward_pre_hooks": "forward_pre",
    "_forward_hooks": "forward",
}
# A model has some thousand modules; whatever has more is none that one would read hook by hook.
MOST = 50_000


def torch_modules(named: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some named things that are torch modules.

    Args:
        named: things by their names, such as the names of a program's top level.
    """
    return {name: thing for name, thing in named.items() if is_torch_module(thing)}


def is_torch_module(thing: object) -> bool:
    """Whether something is a ``torch.nn.Module``, by its class."""
    return any(c.__name__ == "Module" and c.__module__.startswith("torch.") for c in _mro(thing))


def stores_of_modules(models: Mapping[str, Any]) -> list[DictStore]:
    """The hooks of models and of every module inside them, one store for each kind and module.

    Those without hooks are left out, except of the models themselves, to which one can be added.
    """
    stores = []
    for model_name, model in models.items():
        for path, module in _walk(model):
            name = f"{model_name}{path}"
            for attribute, kind in KINDS.items():
                hooks = vars(module).get(attribute)
                if isinstance(hooks, dict) and (hooks or module is model):
                    stores.append(DictStore(f"{kind} {name}", f"{kind} hooks of {name}", hooks))
    return stores


def _walk(model: Any) -> Iterator[tuple[str, Any]]:
    """A module and those inside it, with the path that leads there, each once."""
    seen: set[int] = set()
    stack = [("", model)]
    while stack and len(seen) < MOST:
        path, module = stack.pop()
        if id(module) in seen or not is_torch_module(module):
            continue
        seen.add(id(module))
        yield path, module
        inner = list((vars(module).get("_modules") or {}).items())
        stack.extend((f"{path}.{name}", child) for name, child in reversed(inner))


def _mro(thing: object) -> tuple[type, ...]:
    return type(thing).__mro__
