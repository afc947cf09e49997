"""A restart from the front end: a fresh session in the same process; patches stay."""

from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class PristineShell:
    """What a shell had registered right after it was made, and the way back to it.

    In a process of its own a restart forgets every magic, hook and formatter that extensions
    registered. The same is done here without unloading the extensions (unloading livepatch would
    restore the webui's functions), so that ``%load_ext`` loads them into the fresh session as it
    would into a new process.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._lists = [(kept, list(kept)) for kept in _lists(shell)]
        self._sets = [(kept, set(kept)) for kept in [shell.extension_manager.loaded]]
        self._dicts = [(kept, dict(kept)) for kept in _dicts(shell)]
        self._magics = [(kept, dict(kept)) for kept in _magics(shell)]

    def put_back(self) -> None:
        """Forget what was registered since, but for IPython's own (some register when used)."""
        for registered, pristine in self._lists:
            registered[:] = pristine
        for names, pristine_names in self._sets:
            names.intersection_update(pristine_names)
        for table, pristine_table in self._dicts:
            _refill(table, pristine_table)
        for magics, pristine_magics in self._magics:
            ipythons = {name: magic for name, magic in magics.items() if _is_ipythons(magic)}
            _refill(magics, {**pristine_magics, **ipythons})
        self._shell.configurables[:] = filter(_is_ipythons, self._shell.configurables)
        self._shell.set_custom_exc((), None)


def _lists(shell: Any) -> Iterator[list[Any]]:
    yield from shell.events.callbacks.values()
    yield shell.input_transformers_post
    yield shell.ast_transformers
    yield shell.input_transformer_manager.cleanup_transforms
    yield shell.input_transformer_manager.line_transforms
    yield shell.Completer.custom_matchers


def _dicts(shell: Any) -> Iterator[dict[Any, Any]]:
    for dispatcher in shell.strdispatchers.values():
        yield dispatcher.strs
        yield dispatcher.regexs
    for formatter in shell.display_formatter.formatters.values():
        yield formatter.type_printers
        yield formatter.deferred_printers
        yield formatter.singleton_printers


def _magics(shell: Any) -> Iterator[dict[str, Any]]:
    yield shell.magics_manager.magics["line"]
    yield shell.magics_manager.magics["cell"]
    yield shell.magics_manager.registry


def _refill(now: dict[Any, Any], then: dict[Any, Any]) -> None:
    for name in [name for name in now if name not in then]:
        del now[name]
    now.update(then)


def _is_ipythons(registered: object) -> bool:
    # A magic is a bound method of its Magics, or IPython's placeholder of one that is yet to be
    # imported: asked for its __self__, the placeholder would be imported here, and be void later.
    owner = registered.__self__ if isinstance(registered, MethodType) else registered
    module = getattr(owner, "__module__", None) or type(owner).__module__
    return module.partition(".")[0] in ("IPython", "ipykernel") or (
        module.startswith("livepatch.kernel")
    )
