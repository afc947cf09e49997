"""The dialect of A1111 and its forks: callbacks by event, script classes, extension folders.

The demo webui speaks it too. What differs from fork to fork is told by the module objects
themselves: an entry with a name or without, an order that is cached or none.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepatch.adapters.runtime import attribute_of, identifier
from livepatch.errors import HostUnsupported
from livepatch.looking.callables import file_of
from livepatch.registries.extension import Extension
from livepatch.registries.registering import Registering
from livepatch.registries.store import AttributeStore, ListStore, UnknownStore

from .runtime import PREFIX, forget_methods

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping, Sequence
    from types import ModuleType


class CallbackStore(ListStore):
    """The callbacks of one event, in ``script_callbacks.callback_map``.

    Args:
        module: the webui's ``script_callbacks``.
        event: the name of the event.
        backwards: whether the last one registered is called first.
        walked: whether the webui walks along the list itself.
        registering: tells when the webui has dropped all callbacks and registers them anew.
    """

    def __init__(
        self,
        module: ModuleType,
        event: str,
        *,
        backwards: bool = False,
        walked: bool = False,
        registering: Registering | None = None,
    ) -> None:
        super().__init__(
            event,
            f"callbacks of {event}",
            vars(module)["callback_map"],
            f"{PREFIX}{event}",
            backwards=backwards,
            walked=walked,
            registering=registering,
        )
        self.entry = vars(module).get("ScriptCallback")

    def make(self, callback: Callable[..., Any], name: str, like: Any) -> Any:
        """An entry of the webui's own kind, under the file of the code."""
        if like is not None:
            return _exchanged(like, callback)
        assert self.entry is not None
        file = file_of(callback) or "livepatch"
        fields: Any = getattr(self.entry, "_fields", None)
        fields = fields or getattr(self.entry, "__dataclass_fields__", ())
        return self.entry(file, callback, name) if "name" in fields else self.entry(file, callback)

    def exchanged(self, item: Any, around: Callable[[Any], Any]) -> Any:
        """The same entry with another function, which is equal to the first.

        Extensions take callbacks out by their functions, some of them in every generation.
        """
        callback = item.callback
        return _exchanged(item, EqualCallable(around(callback), callback))

    def callback_of(self, item: Any) -> Any:
        """The function of an entry."""
        return getattr(item, "callback", item)

    def name_of(self, item: Any) -> str:
        """The name that the webui gave the entry; else the function's own."""
        name = getattr(item, "name", None)
        return name if isinstance(name, str) and name != "unnamed" else super().name_of(item)

    def file_of(self, item: Any) -> str | None:
        """The script that registered it."""
        script = getattr(item, "script", None)
        return str(script) if script else super().file_of(item)


class EqualCallable:
    """Calls one function and is equal to another."""

    __slots__ = ("__wrapped__", "call")

    def __init__(self, call: Any, equal: Any) -> None:
        self.call = call
        self.__wrapped__ = equal

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the one."""
        return self.call(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        return bool(other == self.__wrapped__)

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)


class OrderedCallbackStore(CallbackStore):
    """Callbacks that A1111 sorts, by metadata.ini and by the user's priorities, and then caches.

    The cached order serves for as long as the list keeps its length, so an entry replaced in place
    would have no effect.
    """

    def __init__(
        self,
        module: ModuleType,
        event: str,
        *,
        backwards: bool = False,
        walked: bool = False,  # noqa: ARG002 - what it walks along is the cached order
        registering: Registering | None = None,
    ) -> None:
        super().__init__(module, event, backwards=backwards, registering=registering)
        self.cache: MutableMapping[str, Any] = vars(module)["ordered_callbacks_map"]
        self.sort: Callable[[str, list[Any]], list[Any]] = vars(module)["sort_callbacks"]
        self.registered: list[Any] = []
        self.is_ours_to_sort = False

    def read(self) -> list[Any]:
        """The entries in the order in which they are called."""
        listed = list(self.mapping.get(self.list_key) or ())
        self._remember(listed)
        cached = self.cache.get(self.event)
        if cached is None or len(cached) != len(listed):
            cached = self.sort(self.event, listed)
        return self.turned(cached)

    def write(self, items: Sequence[Any]) -> None:
        """Register these entries, and have the webui forget the order that it had worked out.

        Where they shall be called in another order than the webui would sort them into, that order
        is put where the webui keeps its own.
        """
        wanted = self.turned(items)
        present, known = {*map(id, wanted)}, {*map(id, self.registered)}
        new = [item for item in wanted if id(item) not in known]
        listed = [item for item in self.registered if id(item) in present] + new
        self.is_ours_to_sort = not _alike(self.sort(self.event, listed), wanted) and _alike(
            self.sort(self.event, wanted), wanted
        )
        if self.is_ours_to_sort:
            listed = wanted
        self._remember(listed)
        self.cache.pop(self.event, None)
        self.mapping[self.list_key][:] = listed
        if not _alike(self.sort(self.event, listed), wanted):
            self.cache[self.event] = list(wanted)

    def own_items(self) -> list[Any] | None:
        """What was registered anew, and nothing known of the places of what was before."""
        if self.registering is None or self.registering.times == self._times:
            return None
        self.registered, self.is_ours_to_sort = [], False
        return super().own_items()

    def _remember(self, listed: list[Any]) -> None:
        """Keep the places of entries in the list, also of those that are not in it now."""
        places = {id(item): position for position, item in enumerate(self.registered)}
        for position, item in enumerate(listed):
            if id(item) in places:
                continue
            if self.is_ours_to_sort:  # its neighbours say nothing; the webui appends
                self.registered.append(item)
            else:
                previous = places.get(id(listed[position - 1]), -1) if position else -1
                self.registered.insert(previous + 1, item)
                places = {id(known): place for place, known in enumerate(self.registered)}


class ScriptMethodStore(AttributeStore):
    """One method of the script classes that take part in every generation.

    Args:
        method: its name.
        scripts: the webui's ``scripts`` module, which has the base class.
        runners: answers the objects that call the methods: others after a reload of the page.
        holders: the classes by name, in the order of the calls.
        note: what has to be said of how it is called.
    """

    def __init__(
        self,
        method: str,
        scripts: ModuleType,
        runners: Callable[[], Sequence[Any]],
        holders: Callable[[], dict[str, Any]],
        note: str = "",
    ) -> None:
        base = vars(scripts)["Script"]
        key = ("scripts", id(base))
        super().__init__(method, f"{method} of scripts", holders, key, vars(base).get(method))
        self.runners = runners
        self.note = note

    def write(self, items: Sequence[Any]) -> None:
        """Give the classes their methods; the runners forget which scripts have one."""
        super().write(items)
        forget_methods(self.runners())


def callback_stores(
    module_name: str,
    backwards: frozenset[str],
    *,
    walked: bool,
    built: Callable[[], object] | None = None,
) -> list[Any]:
    """The stores of every event of a ``script_callbacks`` module; none while it is not loaded.

    Args:
        module_name: its name.
        backwards: the events whose last callback is called first.
        walked: whether the webui walks along the lists themselves.
        built: answers what the webui makes anew when it has reloaded its page; None: it cannot.

    Raises:
        HostUnsupported: its registry is no dictionary.
    """
    module = attribute_of(module_name)
    callback_map = attribute_of(module_name, "callback_map")
    if callback_map is None:
        return []
    if not isinstance(callback_map, dict):
        raise HostUnsupported(
            "look at the callbacks",
            f"{module_name}.callback_map is a {type(callback_map).__name__}: livepatch knows a "
            "dictionary of lists there",
            f"lp.hooks() and lp.extensions() may work; look at {module_name} yourself",
        )
    is_ordered = isinstance(vars(module).get("ordered_callbacks_map"), dict)
    is_ordered = is_ordered and callable(vars(module).get("sort_callbacks"))
    kind = OrderedCallbackStore if is_ordered else CallbackStore
    registering = None if built is None else _registering(callback_map, built)
    stores: list[Any] = []
    for key, listed in list(callback_map.items()):
        if not str(key).startswith(PREFIX):
            continue
        event = str(key).removeprefix(PREFIX)
        if isinstance(listed, list):
            is_last_first = event in backwards
            stores.append(
                kind(module, event, backwards=is_last_first, walked=walked, registering=registering)
            )
        else:
            stores.append(UnknownStore(event, f"callbacks of {event}", listed))
    return stores


_registerings: dict[int, tuple[Any, Registering]] = {}


def _registering(callback_map: dict[str, Any], built: Callable[[], object]) -> Registering:
    """What tells of one registry: always the same, for it remembers what was there."""

    def lists() -> list[list[Any]]:
        return [listed for listed in list(callback_map.values()) if isinstance(listed, list)]

    known, told = _registerings.get(id(callback_map), (None, None))
    if known is not callback_map or told is None:
        told = Registering(lists, built)
        _registerings[id(callback_map)] = callback_map, told
    return told


def script_classes(runners: Sequence[Any], method: str) -> dict[str, Any]:
    """The classes of the scripts that runners call a method of, by name, in the order of calls."""
    found: dict[str, Any] = {}
    for runner in runners:
        for script in _scripts_of(runner, method):
            cls = type(script)
            if any(cls is known for known in found.values()):
                continue
            name = cls.__name__
            if name in found:
                stem = Path(str(getattr(script, "filename", "") or cls.__module__)).stem
                name = f"{stem}.{name}"
            found.setdefault(name, cls)
    return found


def _scripts_of(runner: Any, method: str) -> list[Any]:
    every = method in ("before_component", "after_component")
    scripts = list(getattr(runner, "scripts" if every else "alwayson_scripts", None) or ())
    in_order = getattr(runner, "create_ordered_callbacks_list", None)
    if in_order is None:
        return scripts
    try:
        ordered = [entry.callback for entry in in_order(method)]
    except Exception:  # a fault in an extension's metadata; what there is can be shown all the same
        return scripts
    return [*ordered, *(s for s in scripts if all(s is not o for o in ordered))]


def extensions_of(module_name: str, named: Mapping[str, ModuleType]) -> list[Extension]:
    """The extensions that a webui's ``extensions`` module lists.

    Args:
        module_name: its name.
        named: the modules of scripts, by the dotted names that targets have.
    """
    found = []
    for extension in list(attribute_of(module_name, "extensions") or ()):
        path = Path(str(extension.path)).absolute()
        prefix = f"extensions.{identifier(str(extension.name))}."
        found.append(
            Extension(
                str(extension.name),
                path,
                bool(getattr(extension, "enabled", True)),
                bool(getattr(extension, "is_builtin", False)),
                str(getattr(extension, "version", "") or ""),
                {name: module for name, module in named.items() if name.startswith(prefix)},
            )
        )
    return found


def start_times(extensions: Sequence[Extension], seconds: Mapping[str, Any]) -> dict[str, float]:
    """What extensions took at the start, in ms.

    Args:
        extensions: the extensions.
        seconds: what the webui recorded: ``load scripts/NAME.py``, ``NAME.py:app_started`` …

    Example:
        >>> import types
        >>> grain = Extension("grain", Path("/e/grain"), modules={
        ...     "extensions.grain.grain": types.ModuleType("grain.py")})
        >>> start_times([grain], {"load scripts/grain.py": 0.25, "create ui": 2.0})
        {'grain': 250.0}
    """
    by_script: dict[str, float] = {}
    for key, value in seconds.items():
        script = str(key).rpartition("/")[2].partition(":")[0]
        if script.endswith(".py") and isinstance(value, (int, float)):
            by_script[script] = by_script.get(script, 0.0) + value * 1000
    found = {}
    for extension in extensions:
        scripts = {module.__name__ for module in (extension.modules or {}).values()}
        total = sum(by_script.get(script, 0.0) for script in scripts)
        if total:
            found[extension.name] = total
    return found


def switched_off(
    names: Sequence[str], disabled: Sequence[str], settings: Mapping[str, Any]
) -> dict[str, str]:
    """The extensions that shall not work, each with what tells so.

    Args:
        names: the extensions.
        disabled: those that the webui's list of extensions has off: they run until it restarts.
        settings: the webui's settings. One that is named after an extension and says ``enable`` is
            its switch.

    Example:
        >>> switched_off(["grain", "notes"], ["notes"], {"grain_enabled": False})
        {'grain': 'off by the setting grain_enabled', 'notes': 'off in the webui'}
    """
    off = {}
    for name in names:
        own = identifier(name).lower()
        switches = [
            key
            for key, value in settings.items()
            if value is False and own in str(key).lower() and "enable" in str(key).lower()
        ]
        if name in disabled:
            off[name] = "off in the webui"
        elif switches:
            off[name] = f"off by the setting {switches[0]}"
    return off


def _exchanged(entry: Any, callback: Any) -> Any:
    """An entry that differs from another in its callback only."""
    if hasattr(entry, "_replace"):
        return entry._replace(callback=callback)
    fields = getattr(entry, "__dataclass_fields__", None) or ("script", "callback", "name")
    return type(entry)(
        *(callback if field == "callback" else getattr(entry, field) for field in fields)
    )


def _alike(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))
