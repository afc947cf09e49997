"""Changes the tables of one app together with the app, and changes them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections

from . import modules, registry, schema
from .migrations import Migrations
from .model_difference import Difference
from .schema import SchemaFailed

if TYPE_CHECKING:
    from .versions import Version


class TableStep:
    """What a change of an app does to its tables; by its subclasses."""

    def __init__(self, label: str, alias: str) -> None:
        self.label, self.alias = label, alias
        self.facts: list[str] = []

    @property
    def has_late_part(self) -> bool:
        """Whether something is left for :meth:`contract`."""
        return False

    def needs_gate(self) -> bool:
        """Whether requests have to wait while it is made."""
        return False

    def expand(self, asked: str) -> None:
        """Make what comes before the models are seen."""

    def contract(self) -> None:
        """Make what comes when the old models are seen no more."""

    def give_up(self) -> None:
        """Take everything back: the change has failed."""


class Created(TableStep):
    """The tables of an app that comes, without migrations."""

    def __init__(self, version: Version) -> None:
        super().__init__(version.label, version.alias)
        self.version = version
        self.made: list[str] = []

    def expand(self, asked: str) -> None:
        """Create what is missing."""
        with told_as(asked, self.label):
            self.made, beyond = schema.create_missing(self.version.config, self.alias)
        self.facts = [f"made {', '.join(self.made)}"] if self.made else []
        if beyond:
            self.facts.append(f"columns without a field: {', '.join(beyond)}")

    def give_up(self) -> None:
        """Drop what was made."""
        schema.drop(self.made, self.version.config, self.alias)


class Changed(TableStep):
    """The tables of an app that is there in another version, without migrations."""

    def __init__(self, old: Version, new: Version) -> None:
        super().__init__(new.label, new.alias)
        self.old, self.new = old, new
        self._asked = f"reload {self.label}"
        self._difference: Difference | None = None

    @property
    def has_late_part(self) -> bool:
        """Whether columns are to be filled or dropped."""
        return self.difference.has_late_part

    def needs_gate(self) -> bool:
        """Only for what neither the old nor the new models could stand."""
        return self.difference.needs_gate

    @property
    def difference(self) -> Difference:
        """The difference of the models."""
        if self._difference is None:
            self._difference = Difference(self.label, self.old.states, self.new.states, self.alias)
        return self._difference

    def expand(self, asked: str) -> None:
        """New columns, which the database fills."""
        self._asked = asked
        with told_as(asked, self.label):
            self.difference.expand()
        self._tell()

    def contract(self) -> None:
        """Columns filled, old ones dropped."""
        with told_as(self._asked, self.label):
            self.difference.contract()
        self._tell()

    def _tell(self) -> None:
        self.facts = [text[:1].lower() + text[1:] for text in self.difference.done]
        if self.difference.kept_tables:
            self.facts.append(f"kept the table {', '.join(self.difference.kept_tables)}")

    def give_up(self) -> None:
        """The old columns."""
        if self._difference is not None:
            self._difference.back()


class Migrated(TableStep):
    """The tables of an app with migrations.

    Args:
        version: the version that has the migrations.
        fresh: whether the app was not loaded before.
        undone: the step that is taken back by this one.
    """

    def __init__(self, version: Version, *, fresh: bool, undone: Migrated | None = None) -> None:
        super().__init__(version.label, version.alias)
        self.version, self.fresh, self.undone = version, fresh, undone
        self.migrations = Migrations(version.label, version.alias)

    def needs_gate(self) -> bool:
        """Where the old code would fail on what the migrations do."""
        if self.undone is not None:
            return bool(self.undone.migrations.applied)
        if self.fresh:
            return False
        with self._seen():
            return self.migrations.needs_gate()

    def expand(self, asked: str) -> None:
        """Apply them, or take back what was applied."""
        if self.undone is not None:
            with self._seen():
                self.undone.migrations.back()
            return
        with self._seen():
            self.migrations.forward(asked)
        names = [name for label, name in self.migrations.applied if label == self.label]
        self.facts = [f"applied {', '.join(names)}"] if names else []

    def give_up(self) -> None:
        """Take back what was applied."""
        with self._seen():
            if self.undone is not None:
                self.migrations.forward("restore")
            else:
                self.migrations.back()

    def _seen(self) -> Any:
        return _Seen(self.version)


class _Seen:
    """Lets this thread see a version in the registry, and everybody its migrations."""

    def __init__(self, version: Version) -> None:
        self.version = version
        snapshot = registry.live().copy()
        snapshot.configs[version.label] = version.config
        self._registry = registry.seeing(snapshot)
        self._package = f"{version.package}.migrations"
        self._old: Any = {}

    def __enter__(self) -> None:
        self._registry.__enter__()
        mine = {n: m for n, m in self.version.modules.items() if n.startswith(self._package)}
        self._needs_package = self.version.package not in modules.modules_of(self.version.package)
        if self._needs_package:
            modules.exchange(self.version.package, self.version.modules)
        else:
            self._old = modules.exchange(self._package, mine)

    def __exit__(self, *details: Any) -> None:
        if self._needs_package:
            modules.exchange(self.version.package, {})
        else:
            modules.exchange(self._package, self._old)
        self._registry.__exit__(*details)


class told_as:  # noqa: N801 - a context manager, named as it reads
    """Turns what a database says against a change into an error of three lines."""

    def __init__(self, asked: str, label: str) -> None:
        self.asked, self.label = asked, label

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        from django.db import Error

        if isinstance(error, SchemaFailed):
            raise SchemaFailed(self.asked, error.found, error.advice) from error
        if isinstance(error, Error):
            said = " ".join(str(error).split())
            raise SchemaFailed(
                self.asked,
                f"the tables of {self.label} could not be changed: {type(error).__name__}: {said}",
                "fix the models or the rows, then try again",
            ) from error


def step_for(
    old: Version | None, new: Version | None, unloaded: Version | None = None
) -> TableStep | None:
    """What the tables need for a change from one version to another; None for nothing.

    Args:
        old: the version before.
        new: the version after.
        unloaded: the version that left the tables as they are, where the app was loaded before.
    """
    if new is None or new is old or not has_database(new.alias):
        return None
    if new.migrations:
        return Migrated(new, fresh=old is None)
    if not new.tables and (old is None or not old.tables):
        return None
    if old is None and unloaded is not None and schema.has_tables(unloaded.config, unloaded.alias):
        old = unloaded
    return Created(new) if old is None or old.migrations else Changed(old, new)


def has_database(alias: str) -> bool:
    """Whether the settings name a database under an alias."""
    return bool(connections[alias].vendor != "unknown")
