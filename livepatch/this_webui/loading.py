"""``load``, ``reload`` and ``unload`` of extensions while the webui runs."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from livepatch.adapters.loader import Loading, check_syntax, raised, told
from livepatch.engine import LivepatchError, live_layers, transaction
from livepatch.engine.answers import AnswerLine, answer, counted
from livepatch.engine.changing.change import apply, taken_back
from livepatch.engine.changing.locks import Lock
from livepatch.engine.changing.masking import certainly
from livepatch.engine.changing.registry import registry
from livepatch.errors import HostUnsupported, PatchRefused
from livepatch.registries import Registration
from livepatch.registries.containers import Snapshot, in_place_of
from livepatch.registries.loaded import (
    ChangedExtension,
    ExtensionChange,
    LoadedExtension,
    in_words,
)

from .belongings import belongings, modules_of, without_ours
from .detect import host
from .rebuilt import page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livepatch.adapters.loader import Loader
    from livepatch.engine.changing.change import Change
    from livepatch.registries import Extension
    from livepatch.registries.containers import Contents, Put

_loaded: dict[str, LoadedExtension] = {}


def loaded_extension(name: str) -> LoadedExtension | None:
    """What is known of an extension that livepatch has loaded; None of others."""
    loaded = _loaded.get(name)
    return None if loaded is None or loaded.is_outdated() else loaded


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
    if _is_loaded(loader, loading, known):
        raise PatchRefused(
            asked,
            f"an extension called {loading.name} is loaded already",
            f"lp.extensions().reload({loading.name!r})",
        )
    _forget_what_was(loading.name)
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
    own = _own(extension)
    with transaction() as step:
        _unmute(extension)
        before = len(step.changes)
        loaded = _taken_out(loader, extension, own)
        made = step.changes[before:]
    routes = [change for change in made if not isinstance(change, ExtensionChange)]
    words = [*in_words(loaded.puts), *_layers_in_words(routes)]
    milliseconds = f"{(time.perf_counter() - begun) * 1000:.0f} ms"
    stays = [] if loaded.is_whole else ["what it assigned to the webui's names at start stays"]
    middleware = [layer.name for layer in getattr(extension, "middleware", ())]
    if middleware and not loaded.is_whole:
        stays.append(f"its middleware stays: {', '.join(middleware)}")
    return answer(
        f"unloaded {extension.name}",
        *(words or ["nothing of it was there"]),
        *own.facts,
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
    try:
        check_syntax(loader.entries(loading))
    except (SyntaxError, ImportError) as error:
        _refuse(asked, loading, error)
    left = loader.left(extension)
    lists = {w: [*held] for w, held in loader.containers().items() if isinstance(held, list)}
    with transaction():
        loading.old = _taken_out(loader, extension, loading).puts
        loaded, ours = _brought_in(asked, loader, loading, lists)
    loaded.facts += [fact for fact in left if fact not in loaded.facts]
    return _answer("reloaded", loaded, _counts(loaded, ours))


_following = Lock()  # two at once would load what was dropped twice


def follow_reload() -> list[str]:
    """Make loads and unloads true again, when a reload of the webui's page has ended.

    Call it once the webui has registered everything and has started its app: without
    ``registry.lock``, as it executes extensions. What the webui has loaded itself is its own by
    now. What it does not know is loaded again, what was unloaded is taken out again. None of it is
    a step of the journal, and records stay the same objects.

    Returns:
        What could not be made true, for people.
    """
    with _following:
        return _follow_reload()


def _follow_reload() -> list[str]:
    said: list[str] = []
    records = _records()
    for loaded in records:
        try:
            if loaded.is_there and loaded.is_outdated():
                for same in records:
                    if same.name == loaded.name:
                        _forget(same)
            elif loaded.is_dropped():
                _again(loaded)
        except LivepatchError as error:
            said.append(f"{loaded.target} is not loaded again: {error.found}")
    for loaded in _records():
        if not loaded.is_there and loaded.is_outdated():
            _out_again(loaded)
    return said


def _again(loaded: LoadedExtension) -> None:
    asked = f"load the extension {loaded.name} again"
    loader = _loader(asked)
    loading = loader.find(asked, loaded.path)
    loading.name = loaded.name
    with transaction(recorded=False):
        _brought_in(asked, loader, loading, record=loaded)


def _out_again(loaded: LoadedExtension) -> None:
    loader = _loader(f"unload the extension {loaded.name} again")
    own = Loading(loaded.name, loaded.path)
    extension = next((e for e in host().extensions() if e.name == loaded.name), None)
    loaded.facts = _told(loader, extension, own) if extension is not None else []
    loaded.puts, loaded.is_there = belongings(loader, own), True
    with transaction(recorded=False):
        loader.unroute(own)
        apply(ExtensionChange(loaded, comes=False, registries=_Registries(loader)))


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


def _own(extension: Extension) -> Loading:
    return Loading(extension.name, extension.path or Path("/nowhere"))


def _is_loaded(loader: Loader, loading: Loading, known: Sequence[Extension]) -> bool:
    loaded = loaded_extension(loading.name)
    if loaded is not None and loaded.is_there and not loaded.is_dropped():
        return True
    present = next((e for e in known if e.name == loading.name), None)
    has = belongings(loader, _own(present)) if present is not None else []
    return any(not put.where.startswith("_") for put in has)


class _Registries:
    """What records of loaded extensions ask the webui; see ``registries/loaded.py``."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def contents(self) -> Contents:
        return self.loader.containers()

    def built(self) -> object:
        return host().built()

    def found(self, loaded: LoadedExtension) -> list[Put]:
        other = _loaded.get(loaded.name)
        if other is not None and other is not loaded and not other.is_outdated():
            return []  # it is all the other's
        return belongings(self.loader, Loading(loaded.name, loaded.path))

    def changed(self, loaded: LoadedExtension) -> None:
        if loaded.is_there and loaded.is_whole:
            _loaded[loaded.name] = loaded
        elif _loaded.get(loaded.name) is loaded:
            del _loaded[loaded.name]
        _switch_exports(loaded)
        self.loader.forget_orders(loaded.touched(self.contents()))

    def forget(self, loaded: LoadedExtension) -> None:
        _forget(loaded)


def _brought_in(
    asked: str,
    loader: Loader,
    loading: Loading,
    lists: Contents | None = None,
    record: LoadedExtension | None = None,
) -> tuple[LoadedExtension, Sequence[Change]]:
    """Load an extension.

    Args:
        asked: the user's request, in words.
        loader: the flavor's.
        loading: the extension.
        lists: of one that is reloaded, the webui's lists with the old one in them.
        record: of one that the webui has dropped, what is known of it.
    """
    begun = time.perf_counter()
    threads = {*threading.enumerate()}
    before = Snapshot(loader.containers())
    loaded = record or LoadedExtension(loading.name, loading.path)
    was = loaded.puts, loaded.changes, loaded.is_there
    loaded.facts = loading.facts
    change = ExtensionChange(loaded, comes=True, registries=_Registries(loader))

    def take_back() -> None:
        if change.is_made:
            return  # an interrupt came when it was all in, and in the journal
        loaded.puts, loaded.changes, loaded.is_there = was
        contents = loader.containers()
        for put in reversed(_puts(before, loading, contents)):
            put.take_out(contents)
        loader.forget_orders({id(c) for c in contents.values()})

    try:
        with transaction() as step:
            loader.load(loading)
            made = tuple(step.changes)
            contents = loader.containers()
            loaded.puts = without_ours(_puts(before, loading, contents))
            in_place_of(loading.old, loaded.puts, lists or {}, contents)
            loaded.changes = list(made)
            loaded.milliseconds = (time.perf_counter() - begun) * 1000
            loader.forget_orders(loaded.touched(contents))
            apply(change)
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


def _puts(before: Snapshot, loading: Loading, contents: Contents) -> list[Put]:
    return [*before.differences(loading.belongs, contents), *loading.puts]


def _refuse(asked: str, loading: Loading, error: Exception | SystemExit) -> NoReturn:
    said = raised(error, loading)
    if isinstance(error, LivepatchError):
        said = said.replace(f"{type(error).__name__}: {error}", error.found)
    raise PatchRefused(
        asked,
        f"it raised {said}; all that it registered was taken back",
        "fix it and load it again; what was loaded before keeps running",
    ) from error


def _taken_out(loader: Loader, extension: Extension, own: Loading) -> LoadedExtension:
    """Take an extension out; inside a transaction. What has to be said goes to its facts."""
    _forget_what_was(own.name)
    loaded = _loaded.get(own.name)
    exports = _exports_of(own)
    own.facts += _told(loader, extension, own)
    if loaded is None:
        puts = belongings(loader, own)
        loaded = LoadedExtension(own.name, own.path, puts, is_whole=False, is_there=True)
        loader.unroute(own)
    loaded.exports = exports or loaded.exports
    apply(
        ExtensionChange(loaded, comes=False, registries=_Registries(loader)),
        *(taken_back(change) for change in reversed(loaded.changes)),
    )
    return loaded


def _told(loader: Loader, extension: Extension, own: Loading) -> list[str]:
    """Tell an extension that it goes; what has to be said of that."""
    said: list[str] = []
    raises = told(lambda: said.extend(loader.on_unload(extension) or ()), "end", own)
    return [*said, *raises]


def _unmute(extension: Extension) -> None:
    """Have what is muted of an extension go with it: it would come back when it is unmuted."""
    mine = f"extension {extension.name}"
    for layer in live_layers():
        if isinstance(layer, Registration) and layer.owner == mine and layer.state == "off":
            layer.unmute()


def _forget_what_was(name: str) -> None:
    """Forget what livepatch did with an extension before the webui's page was reloaded."""
    for loaded in _records():
        if loaded.name == name and (loaded.is_outdated() or loaded.is_dropped()):
            _forget(loaded)


def _forget(loaded: LoadedExtension) -> None:
    registry.changed.pop(id(loaded), None)
    if _loaded.get(loaded.name) is loaded:
        del _loaded[loaded.name]


def _records() -> list[LoadedExtension]:
    """What livepatch has loaded, and what of the webui's own it has unloaded."""
    changed = list(registry.changed.values())
    found = [thing.loaded for thing in changed if isinstance(thing, ChangedExtension)]
    return [*found, *(loaded for loaded in _loaded.values() if loaded not in found)]


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
    found = {id(e): e for e in map(_export_in, modules_of(own)) if e is not None}
    return [*found.values()]


def _export_in(name: str) -> Any:
    exported = getattr(sys.modules.get(name), "EXTENSION", None)
    is_ours = all(hasattr(exported, part) for part in ("applied", "apply", "remove"))
    return exported if is_ours else None


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


page.when_rebuilt.append(follow_reload)
