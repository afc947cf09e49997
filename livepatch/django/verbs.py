"""The verbs of a running Django: load, reload, disable, enable and unload apps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from livepatch.engine.answers import answer, counted
from livepatch.engine.changing.change import apply
from livepatch.engine.changing.registry import registry as engine_registry
from livepatch.errors import PatchRefused
from livepatch.looking.callables import caller

from . import dependencies, registry, schema
from .asking import check_process, known, loaded_under, refuse_ourselves
from .building import Plan, build, entry_points
from .changes import AppsChange, ChangedApps, outside_of_loops
from .dependencies import DependencyError
from .live import live
from .record import AppRecord
from .steps import AppStep
from .versions import LoadedVersion, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable


class AppLayer(AppRecord):
    """An app as livepatch changed it; ``str(layer)`` is the answer line of the last verb."""

    def remove(self) -> None:
        """Unload it."""
        if self.placement is not None:
            unload_app(self.label)

    def off(self) -> None:
        """Disable it."""
        disable_app(self.label)

    def on(self) -> None:
        """Enable it again."""
        enable_app(self.label)


layers: dict[str, AppLayer] = {}
"""What the verbs answered last, by the label of the app."""
_changed = ChangedApps(live, layers)


def load_app(path: str, *, url_prefix: str | None = None, database: str | None = None) -> AppLayer:
    """Put an app into the running server: models, tables, URLs, admin, templates and everything.

    It is imported and checked aside; requests see it when its tables are there. A package that was
    installed since the server started is found. An app that was unloaded comes back with its rows.

    Args:
        path: what ``INSTALLED_APPS`` would have: ``"my.app"`` or ``"my.app.apps.MyConfig"``; or the
            name of an entry point of the group ``livepatch.django``.
        url_prefix: where its ``urls`` module begins; default: ``url_prefix`` of its AppConfig, else
            its label. ``""`` is the root.
        database: the alias of the database for its tables; default: ``default``.

    Returns:
        The app; ``str(…)`` is the answer line, ``.remove()`` unloads it, ``.off()`` disables it.

    Raises:
        TargetNotFound: there is no such app.
        AppBroken: an exception came out of its own code.
        DependencyError: an app or package that it needs is missing or does not fit.
        SchemaFailed: its tables could not be made.
        PatchRefused: it cannot live beside the others.

    Example:
        >>> import livepatch as lp
        >>> lp.django.load_app("shop.notes")  # doctest: +SKIP
        loaded notes · shop.notes 1.0 · URLs at /notes/ · made notes_note · 61.20 ms
    """
    asked = f"load_app {path}"
    check_process(asked)
    begun = time.perf_counter()
    schema.alias_of(database)
    owner = caller()
    with engine_registry.lock, _Live(asked):
        value = entry_points().get(path, path)
        found = loaded_under(value)
        if found is not None:
            placement = live.placement(found)
            hint = "reload" if placement is None or placement.on else "enable"
            raise PatchRefused(
                asked, f"it is loaded already, as {found}", f"%django_app {hint} {found}"
            )
        plan = Plan(value, prefix=url_prefix, database=database)
        (version,) = outside_of_loops(lambda: build(asked, [plan], live))
        steps = [AppStep(version.label, live.placements.get(version.label), LoadedVersion(version))]
        arguments = [repr(path)]
        if url_prefix is not None:
            arguments.append(f"url_prefix={url_prefix!r}")
        if database is not None:
            arguments.append(f"database={database!r}")
        call = f"load_app({', '.join(arguments)})"
        change = _apply(steps, "load", owner, call)
        facts = [" ".join([version.package, version_of(version.config)]).strip()]
        if version.url is not None:
            facts.append(f"URLs at /{version.prefix}")
        return _told(f"loaded {version.label}", version.label, change, facts, begun)


def reload_app(label: str) -> AppLayer:
    """Import an app anew in the running server, with the apps that depend on it.

    The new version is imported and checked aside. If that fails, or its tables cannot be changed,
    the old version keeps serving. Requests under way finish on the old one.

    Args:
        label: the app's label or dotted name.

    Returns:
        The app; ``str(…)`` is the answer line.

    Raises:
        TargetNotFound: no such app is loaded.
        AppBroken: an exception came out of its own code.
        SchemaFailed: its tables could not be changed.

    Example:
        >>> import livepatch as lp
        >>> lp.django.reload_app("notes")  # doctest: +SKIP
        reloaded notes · shop.notes 1.1 · add field colour to note · 74.90 ms
    """
    asked = f"reload_app {label}"
    check_process(asked)
    begun = time.perf_counter()
    owner = caller()
    with engine_registry.lock, _Live(asked):
        label = known(asked, label)
        refuse_ourselves(asked, label)
        labels = dependencies.in_order([label], registry.live().configs)
        placed = _placed(labels)
        plans = [
            Plan(p.version.entry, old=p.version, prefix=p.version.prefix, database=p.version.alias)
            for p in placed.values()
        ]
        versions = outside_of_loops(lambda: build(asked, plans, live))
        after = [LoadedVersion(version, placed[version.label].on) for version in versions]
        steps = [AppStep(new.version.label, placed[new.version.label], new) for new in after]
        change = _apply(steps, "reload", owner, f"reload_app({label!r})")
        version = next(v for v in versions if v.label == label)
        facts = [" ".join([version.package, version_of(version.config)]).strip()]
        others = list(labels)
        others.remove(label)
        if others:
            verb = "depends" if len(others) == 1 else "depend"
            facts.append(f"with {', '.join(others)}, which {verb} on it")
        if version.at_start:
            facts.append("receivers that it connected at the start were recognised by their module")
        return _told(f"reloaded {label}", label, change, facts, begun)


def _placed(labels: Iterable[str]) -> dict[str, LoadedVersion]:
    """How the apps are there now; not those that are no apps of this server's."""
    return {name: p for name in labels if (p := live.placement(name)) is not None}


def disable_app(label: str) -> AppLayer:
    """Switch an app off: its models stay, everything else is gone.

    URLs, admin pages, templates, template tags, commands, static files, translations, checks,
    receivers, middleware. Other apps' foreign keys to its models go on working.

    Args:
        label: the app's label or dotted name.

    Returns:
        The app; ``str(…)`` is the answer line.

    Raises:
        TargetNotFound: no such app is loaded.
        DependencyError: apps that are on say that they depend on it.

    Example:
        >>> import livepatch as lp
        >>> lp.django.disable_app("notes")  # doctest: +SKIP
        disabled notes · its models stay · 9.10 ms
    """
    asked = f"disable_app {label}"
    check_process(asked)
    begun = time.perf_counter()
    owner = caller()
    with engine_registry.lock, _Live(asked):
        label = known(asked, label)
        refuse_ourselves(asked, label)
        said = _dependents_that_are_on(label)
        if said:
            verb = "depends" if len(said) == 1 else "depend"
            raise DependencyError(
                asked, f"{', '.join(said)} {verb} on it", f"%django_app disable {min(said)} first"
            )
        before = live.placement(label)
        assert before is not None
        if not before.on:
            return _nothing_to_do(label, owner, "is disabled already")
        steps = [AppStep(label, before, LoadedVersion(before.version, on=False))]
        change = _apply(steps, "disable", owner, f"disable_app({label!r})")
        facts = ["its models stay, everything else is off", *_connected_still(before)]
        return _told(f"disabled {label}", label, change, facts, begun)


def _dependents_that_are_on(label: str) -> list[str]:
    """The apps that say themselves that they depend on one."""
    seen = registry.live()
    needed = dependencies.dependents(label, seen.configs)
    return [k for k, r in needed.items() if "depends_on" in r and k not in seen.hidden]


def enable_app(label: str) -> AppLayer:
    """Switch a disabled app on again, as it was.

    Args:
        label: the app's label or dotted name.

    Returns:
        The app; ``str(…)`` is the answer line.

    Raises:
        TargetNotFound: no such app is loaded.
        DependencyError: an app that it depends on is disabled.

    Example:
        >>> import livepatch as lp
        >>> lp.django.enable_app("notes")  # doctest: +SKIP
        enabled notes · 12.80 ms
    """
    asked = f"enable_app {label}"
    check_process(asked)
    begun = time.perf_counter()
    owner = caller()
    with engine_registry.lock, _Live(asked):
        label = known(asked, label)
        before = live.placement(label)
        assert before is not None
        if before.on:
            return _nothing_to_do(label, owner, "is on already")
        seen = registry.live()
        others = dict(seen.configs)
        others.pop(label, None)
        dependencies.check(asked, before.version.config, others, seen.hidden - {label})
        start = live.start.get(label)
        original = start is not None and start.version is before.version
        after = start if original and start is not None else LoadedVersion(before.version)
        change = _apply([AppStep(label, before, after)], "enable", owner, f"enable_app({label!r})")
        return _told(f"enabled {label}", label, change, [], begun)


def unload_app(label: str) -> AppLayer:
    """Take an app out of the running server; its tables and rows stay in the database.

    Requests under way finish with it. Its content types and permissions stay as rows too. What
    refers to rows of other apps goes on referring: deleting such a row fails while the app is out,
    because Django no longer knows of the reference; the answer names the tables.

    Args:
        label: the app's label or dotted name.

    Returns:
        The app; ``str(…)`` is the answer line.

    Raises:
        TargetNotFound: no such app is loaded.
        DependencyError: loaded apps need it, or rows of other tables refer to its rows.

    Example:
        >>> import livepatch as lp
        >>> lp.django.unload_app("notes")  # doctest: +SKIP
        unloaded notes · kept in the database: notes_note · 21.30 ms
    """
    asked = f"unload_app {label}"
    check_process(asked)
    begun = time.perf_counter()
    owner = caller()
    with engine_registry.lock, _Live(asked):
        label = known(asked, label)
        refuse_ourselves(asked, label)
        needed = dependencies.dependents(label, registry.live().configs)
        if needed:
            why = "; ".join(f"{other} ({', '.join(said)})" for other, said in needed.items())
            order = dependencies.in_order([label], registry.live().configs)
            raise DependencyError(
                asked,
                f"loaded apps need it: {why}",
                f"%django_app disable {label} keeps its models; or unload first: "
                f"{', '.join(reversed(order[1:]))}",
            )
        before = live.placement(label)
        assert before is not None
        version = before.version
        referring, referred = outside_of_loops(lambda: _references(version))
        if referring:
            said = ", ".join(f"{table} (to {target})" for table, target in referring.items())
            raise DependencyError(
                asked,
                f"rows of other tables refer to its rows: {said}",
                f"load the app that has those tables, or %django_app disable {label}",
            )
        steps = [AppStep(label, before, None)]
        change = _apply(steps, "unload", owner, f"unload_app({label!r})")
        facts = []
        if version.tables:
            facts.append(f"kept in the database: {', '.join(version.tables)}")
        if referred:
            facts.append(
                f"its rows refer to {', '.join(referred)}: deleting those rows fails until it is "
                "loaded again"
            )
        facts += _connected_still(before)
        return _told(f"unloaded {label}", label, change, facts, begun)


class _Live:
    """The registry is fit to be changed inside; and as it was when nothing came of it."""

    def __init__(self, asked: str) -> None:
        self.asked = asked

    def __enter__(self) -> None:
        live.begin()

    def __exit__(self, *_: object) -> None:
        if id(live) not in engine_registry.changed:
            live.end()


def _apply(steps: list[AppStep], verb: str, owner: str, call: str) -> AppsChange:
    for step in steps:
        layer = layers.setdefault(step.label, AppLayer(live, step.label, owner))
        layer.owner, layer.verb = owner, verb
    change = AppsChange(_changed, steps, verb, owner, f"lp.django.{call}")
    apply(change)
    return change


def _told(done: str, label: str, change: AppsChange, facts: list[str], begun: float) -> AppLayer:
    layer = layers[label]
    facts += change.notes.facts
    if change.notes.still_running:
        facts.append(
            counted(change.notes.still_running, "request still runs", "requests still run")
            + " on what was before"
        )
    facts.append(f"{(time.perf_counter() - begun) * 1000:.2f} ms")
    layer.answer = answer(done, *facts)
    return layer


def _nothing_to_do(label: str, owner: str, why: str) -> AppLayer:
    layer = layers.setdefault(label, AppLayer(live, label, owner))
    layer.answer = answer(f"nothing to do: {label} {why}")
    return layer


def _references(version: Any) -> tuple[dict[str, str], list[str]]:
    from .tables import has_database

    if not version.tables or not has_database(version.alias):
        return {}, []
    mine = version.tables
    return schema.referring_tables(mine, version.alias), schema.referred_tables(mine, version.alias)


def _connected_still(placement: LoadedVersion) -> list[str]:
    version = placement.version
    if not version.at_start:
        return []
    return ["what it registered at the start outside Django's registries stays"]
