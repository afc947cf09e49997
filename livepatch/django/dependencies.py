"""What apps need: each other, in versions, and installed packages; and who needs an app."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from livepatch.errors import LivepatchError

from .versions import version_of

Configs = Mapping[str, Any]


class DependencyError(LivepatchError):
    """An app needs another app or package that is not there, or that others need it."""


def needs(config: Any) -> list[Requirement]:
    """The apps that an app says it needs: ``depends_on = ["inventory>=1.2"]`` on its AppConfig.

    Raises:
        DependencyError: one of them cannot be read.
    """
    return [_parsed(config, "depends_on", text) for text in getattr(config, "depends_on", ())]


def find(requirement: Requirement, configs: Configs) -> Any:
    """The config that a requirement names, by its label or its package; None if there is none."""
    for label, config in configs.items():
        if requirement.name in (label, config.name):
            return config
    return None


def check(asked: str, config: Any, configs: Configs, hidden: Iterable[str]) -> None:
    """See that an app has what it needs.

    Args:
        asked: the request in words.
        config: the app.
        configs: the apps that are loaded.
        hidden: the labels of those that are disabled.

    Raises:
        DependencyError: an app or a package is missing, disabled or of a version that does not fit.
    """
    for requirement in needs(config):
        other = find(requirement, configs)
        if other is None:
            raise DependencyError(
                asked,
                f"{config.label} needs the app {requirement}, which is not loaded; "
                f"loaded: {', '.join(configs)}",
                f"%django_app load {requirement.name}, then this one",
            )
        if other.label in hidden:
            raise DependencyError(
                asked,
                f"{config.label} needs the app {requirement}, which is disabled",
                f"%django_app enable {other.label}, then this one",
            )
        have = version_of(other)
        if not _fits(requirement, have):
            raise DependencyError(
                asked,
                f"{config.label} needs the app {requirement}; "
                f"{other.label} is {f'version {have}' if have else 'without a version'}",
                f"load a version of {other.label} that fits, then this one",
            )
    for text in getattr(config, "requires", ()):
        requirement = _parsed(config, "requires", text)
        try:
            have = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            have = "not installed"
        if have == "not installed" or not _fits(requirement, have):
            raise DependencyError(
                asked,
                f"{config.label} requires the package {requirement}; {requirement.name} is {have}",
                f"pip install '{requirement}', then try again",
            )


def check_cycle(asked: str, config: Any, configs: Configs, read: Any) -> None:
    """See that an app does not need itself through others that are not loaded yet.

    Args:
        asked: the request in words.
        config: the app.
        configs: the apps that are loaded.
        read: gives the config of an app by its dotted name, None where that cannot be had.

    Raises:
        DependencyError: it does.
    """
    graph: dict[str, list[str]] = {}
    waiting = [config]
    while waiting:
        one = waiting.pop()
        wanted = [r for r in needs(one) if find(r, {**configs, config.label: config}) is None]
        again = [r for r in needs(one) if r.name in (config.label, config.name)]
        graph[one.name] = []
        for requirement in wanted:
            other = read(requirement.name)
            if other is not None:
                graph[one.name].append(other.name)
                if other.name not in graph:
                    waiting.append(other)
        graph[one.name] += [config.name for _ in again]
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        # The sorter walks from what is needed to what needs it.
        circle = " needs ".join(reversed(error.args[1]))
        raise DependencyError(
            asked,
            f"the apps depend on each other in a cycle: {circle}",
            "take one of these out of depends_on",
        ) from error


def dependents(label: str, configs: Configs) -> dict[str, list[str]]:
    """The loaded apps that need an app, each with why.

    Args:
        label: the app's.
        configs: the loaded apps.
    """
    mine = set(configs[label].models.values())
    found: dict[str, list[str]] = {}
    for other, config in configs.items():
        if other == label:
            continue
        reasons = [f"{model._meta.label} inherits" for model in _heirs(config, mine)]
        for model in config.models.values():
            for field in (*model._meta.local_fields, *model._meta.local_many_to_many):
                target = getattr(getattr(field, "remote_field", None), "model", None)
                if target in mine and not model._meta.auto_created:
                    reasons.append(f"{model._meta.label}.{field.name}")
        if any(r.name in (label, configs[label].name) for r in needs(config)):
            reasons.append("depends_on")
        if reasons:
            found[other] = reasons
    return found


def in_order(labels: Iterable[str], configs: Configs) -> list[str]:
    """Labels with those that depend on them, in the order in which they have to be loaded."""
    graph: dict[str, set[str]] = {}
    waiting = list(labels)
    while waiting:
        label = waiting.pop()
        if label in graph and label not in labels:
            continue
        graph.setdefault(label, set())
        for other in dependents(label, configs):
            known = other in graph
            graph.setdefault(other, set()).add(label)
            if not known:
                waiting.append(other)
    return list(graphlib.TopologicalSorter(graph).static_order())


def _heirs(config: Any, mine: set[Any]) -> list[Any]:
    return [model for model in config.models.values() if mine & set(model.__mro__[1:])]


def _parsed(config: Any, attribute: str, text: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise DependencyError(
            f"read {attribute} of {config.label}",
            f"{text!r} is not a requirement: {' '.join(str(error).split())}",
            'write it like "inventory>=1.2"',
        ) from error


def _fits(requirement: Requirement, have: str) -> bool:
    if not requirement.specifier:
        return True
    try:
        return requirement.specifier.contains(Version(have), prereleases=True)
    except InvalidVersion:
        return False
