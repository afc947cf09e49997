"""``load``, ``reload`` and ``unload`` of extensions while the webui runs."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any, NoReturn

from livepatch.adapters.loader import Loading
from livepatch.engine import LivepatchError, live_layers, transaction
from livepatch.engine.answers import AnswerLine, answer, counted
from livepatch.engine.changing.change import apply, taken_back
from livepatch.engine.changing.masking import certainly
from livepatch.engine.naming.slots import ABSENT
from livepatch.errors import HostUnsupported, PatchRefused
from livepatch.registries.containers import InAttribute, InDict, InList, InSet, Snapshot
from livepatch.registries.loaded import ExtensionChange, LoadedExtension, in_words

from .detect import host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livepatch.adapters.loader import Loader
    from livepatch.engine.changing.change import Change
    from livepatch.registries import Extension
    from livepatch.registries.containers import Put

_loaded: dict[str, LoadedExtension] = {}


def loaded_extension(name: str) -> LoadedExtension | None:
    """What is known of an extension that livepatch has loaded; None of others."""
    return _loaded.get(name)


def load(path: str | Path, known: Sequence[Extension]) -> AnswerLine:
    """Load an extension into the running webui.

    Args:
        path: its folder or file.
        known: the extensions that the webui has.

    Raises:
        PatchRefused: there is none, it is loaded already, or it raised while it loaded: then
            nothing has changed.
    """
    asked = f"load the extension {path}"
    loader = _loader(asked)
    loading = loader.find(asked, Path(os.path.abspath(os.path.expanduser(path))))
    present = next((e for e in known if e.name == loading.name), None)
    is_there = loading.name in _loaded or (present is not None and _has_something(loader, present))
    if is_there:
        raise PatchRefused(
            asked,
            f"an extension called {loading.name} is loaded already",
            f"lp.extensions().reload({loading.name!r})",
        )
    loaded, ours = _brought_in(asked, loader, loading)
    return _answer("loaded", loaded, _counts(loaded, ours))


def unload(extension: Extension) -> AnswerLine:
    """Take out everything that an extension has registered.

    Args:
        extension: the extension.
    """
    asked = f"unload the extension {extension.name}"
    loader = _loader(asked)
    begun = time.perf_counter()
    left = loader.left(extension)
    with transaction():
        loaded = _taken_out(loader, extension)
    words = [*in_words(loaded.puts), *_layers_in_words(loaded.changes)]
    milliseconds = f"{(time.perf_counter() - begun) * 1000:.0f} ms"
    stays = [] if loaded.is_whole else ["what it assigned to the webui's names at start stays"]
    return answer(
        f"unloaded {extension.name}",
        *(words or ["it had registered nothing"]),
        *left,
        *stays,
        milliseconds,
    )


def reload(extension: Extension) -> AnswerLine:
    """Load an extension anew; when that fails the old one runs on, as if nothing had been.

    Args:
        extension: the extension.
    """
    asked = f"reload the extension {extension.name}"
    loader = _loader(asked)
    if extension.path is None:
        raise PatchRefused(asked, "its folder is not known", "lp.extensions().load(PATH)")
    loading = loader.find(asked, extension.path)
    loading.name = extension.name
    left = loader.left(extension)
    with transaction():
        _taken_out(loader, extension)
        loaded, ours = _brought_in(asked, loader, loading)
    loaded.facts += [fact for fact in left if fact not in loaded.facts]
    return _answer("reloaded", loaded, _counts(loaded, ours))


def _loader(asked: str) -> Loader:
    found = host()
    loader = found.loader()
    if loader is None:
        raise HostUnsupported(
            asked,
            f"a webui of the flavor {found.flavor} has no extensions that livepatch can load",
            "lp.replace, lp.middleware and lp.routes work without one",
        )
    return loader


def _brought_in(
    asked: str, loader: Loader, loading: Loading
) -> tuple[LoadedExtension, Sequence[Change]]:
    begun = time.perf_counter()
    threads = {*threading.enumerate()}
    before = Snapshot(loader.containers())
    loaded = LoadedExtension(loading.name, loading.path, facts=loading.facts)

    def take_back() -> None:
        if loaded.is_there:  # an interrupt came when it was all in, and in the journal
            return
        for put in reversed(before.differences(loading.belongs)):
            put.take_out()
        loader.forget_orders({id(c) for c in loader.containers().values()})

    try:
        with transaction() as step:
            loader.load(loading)
            made = tuple(step.changes)
            loaded.puts = _of_others(before.differences(loading.belongs))
            loaded.changes = list(made)
            loaded.milliseconds = (time.perf_counter() - begun) * 1000
            loader.forget_orders(loaded.touched())
            apply(ExtensionChange(loaded, comes=True, on_change=_know_by(loader)))
            loaded.exports = _exports_of(loading)
    except BaseException as error:  # an end of the process or of the cell, too, leaves no half
        certainly(take_back)
        if isinstance(error, (Exception, SystemExit)):
            _refuse(asked, loading, error)
        raise
    new = [t.name for t in threading.enumerate() if t not in threads and _is_its(t, loading)]
    if new:
        loaded.facts.append(f"started {', '.join(new)}: livepatch cannot end threads")
    return loaded, made


def _refuse(asked: str, loading: Loading, error: Exception | SystemExit) -> NoReturn:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if loading.belongs(frame.filename)]
    where = f" ({own[-1].filename}:{own[-1].lineno})" if own else ""
    if isinstance(error, SyntaxError) and error.filename:
        where = f" ({error.filename}:{error.lineno})"
    said = ": ".join(filter(None, [type(error).__name__, str(error)]))
    found = error.found if isinstance(error, LivepatchError) else said
    raise PatchRefused(
        asked,
        f"it raised {found}{where}; all that it registered was taken back",
        "fix it and load it again; what was loaded before keeps running",
    ) from error


def _taken_out(loader: Loader, extension: Extension) -> LoadedExtension:
    """Take an extension out; inside a transaction."""
    loaded = _loaded.get(extension.name)
    exports = _exports_of(Loading(extension.name, extension.path or Path("/nowhere")))
    loader.on_unload(extension)
    if loaded is None:
        loaded = LoadedExtension(
            extension.name, extension.path or Path(), _puts_of(loader, extension), is_whole=False
        )
    loaded.exports = exports or loaded.exports
    apply(
        ExtensionChange(loaded, comes=False, on_change=_know_by(loader)),
        *(taken_back(change) for change in reversed(loaded.changes)),
    )
    return loaded


def _know_by(loader: Loader) -> Any:
    def know(loaded: LoadedExtension) -> None:
        if loaded.is_there and loaded.is_whole:
            _loaded[loaded.name] = loaded
        elif _loaded.get(loaded.name) is loaded:
            del _loaded[loaded.name]
        _switch_exports(loaded)
        loader.forget_orders(loaded.touched())

    return know


def _switch_exports(loaded: LoadedExtension) -> None:
    """Have an export of ours take its changes back as it goes, and make them as it comes again.

    They are no part of the step: an export changes the webui by what it carries. Most webuis have
    no word for an extension that goes, which would leave them there.
    """
    for exported in loaded.exports:
        if loaded.is_there:
            exported.apply()
        else:
            exported.remove()


def _exports_of(own: Loading) -> list[Any]:
    """What of an extension livepatch has exported once."""
    found = {id(e): e for e in map(_export_in, _modules_of(own)) if e is not None}
    return [*found.values()]


def _export_in(name: str) -> Any:
    exported = getattr(sys.modules.get(name), "EXTENSION", None)
    is_ours = all(hasattr(exported, part) for part in ("applied", "apply", "remove"))
    return exported if is_ours else None


def _of_others(puts: list[Put]) -> list[Put]:
    """Without what livepatch itself put there for the extension: that has changes of its own."""
    ours = {id(getattr(layer, "item", layer)) for layer in live_layers()}
    return [put for put in puts if id(put.item) not in ours and not _is_a_trampoline(put)]


def _is_a_trampoline(put: Put) -> bool:
    return isinstance(put, InAttribute) and hasattr(put.item, "__livepatch__")


def _puts_of(loader: Loader, extension: Extension) -> list[Put]:
    """What an extension that the webui itself loaded has in the webui's data, by its files."""
    own = Loading(extension.name, extension.path or Path("/nowhere"))
    puts: list[Put] = []

    def is_its(item: Any, key: Any = None) -> bool:
        return _is_of(loader.own_thing(item), own, key)

    for where, container in loader.containers().items():
        if isinstance(container, dict):
            puts += [
                InDict(where, item, container, key)
                for key, item in list(container.items())
                if is_its(item, key)
            ]
        elif isinstance(container, list):
            previous: Any = ABSENT
            for item in list(container):
                if is_its(item):
                    puts.append(InList(where, item, container, previous))
                previous = item
        else:
            puts += [InSet(where, item, container) for item in container if is_its(item)]
    return puts


def _has_something(loader: Loader, extension: Extension) -> bool:
    registered = _puts_of(loader, extension)
    return any(not put.where.startswith("_") for put in registered)


def _is_of(item: Any, own: Loading, key: Any = None) -> bool:
    """Whether something in the webui's data is of an extension's files."""
    for name in ("script", "path", "filename", "__file__"):
        file = getattr(item, name, None)
        if isinstance(file, (str, Path)) and str(file):
            return own.belongs(str(file))
    module = getattr(item, "__module__", None)
    if isinstance(item, type) and module in _modules_of(own):
        return True
    if isinstance(item, str) and isinstance(key, str) and Path(item).is_absolute():
        return own.belongs(item)
    code = getattr(getattr(item, "endpoint", item), "__code__", None)
    return isinstance(code, CodeType) and own.belongs(code.co_filename)


def _modules_of(own: Loading) -> set[str]:
    found = set()
    for name, module in sys.modules.copy().items():
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and own.belongs(file):
            found.add(name)
    return found


def _is_its(thread: threading.Thread, loading: Loading) -> bool:
    target = getattr(thread, "_target", None)
    code = getattr(target, "__code__", None)
    return code is not None and loading.belongs(code.co_filename)


def _counts(loaded: LoadedExtension, changes: Sequence[Change]) -> list[str]:
    return [*in_words(loaded.puts), *_layers_in_words(changes)]


def _layers_in_words(changes: Sequence[Change]) -> list[str]:
    count = len(changes)
    return [f"{counted(count, 'change')} of livepatch"] if count else []


def _answer(done: str, loaded: LoadedExtension, counts: list[str]) -> AnswerLine:
    words = counts or ["it registered nothing"]
    return answer(f"{done} {loaded.name}", *words, *loaded.facts, f"{loaded.milliseconds:.0f} ms")
