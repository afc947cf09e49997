"""The migrations of an app, run while the server runs; a failure takes back what was applied."""

from __future__ import annotations

from typing import Any

from django.db import connections, models
from django.db.migrations import operations as ops
from django.db.migrations.executor import MigrationExecutor

from .registry import seeing_disabled
from .schema import SchemaFailed

Key = tuple[str, str]


class Migrations:
    """The way from the migrations that are applied to the newest ones of an app.

    Args:
        label: the app's.
        alias: the database.
    """

    def __init__(self, label: str, alias: str) -> None:
        self.label, self.alias = label, alias
        self.applied: list[Key] = []

    def needs_gate(self) -> bool:
        """Whether the old code could not stand what they do."""
        with seeing_disabled():
            executor = MigrationExecutor(connections[self.alias])
            plan = executor.migration_plan(executor.loader.graph.leaf_nodes(self.label))
        return any(not _is_harmless(op) for migration, _ in plan for op in migration.operations)

    def forward(self, asked: str) -> None:
        """Apply what is not applied yet.

        Raises:
            SchemaFailed: one of them failed; those before it were taken back.
        """
        with seeing_disabled():
            executor = MigrationExecutor(connections[self.alias])
            plan = executor.migration_plan(executor.loader.graph.leaf_nodes(self.label))
            before = dict(executor.loader.applied_migrations)
            try:
                executor.migrate(executor.loader.graph.leaf_nodes(self.label), plan)
            except Exception as error:
                raise self._failed(asked, error, [m for m, _ in plan], before) from error
            self.applied = [(m.app_label, m.name) for m, _ in plan]

    def back(self) -> None:
        """Take back what :meth:`forward` applied.

        Raises:
            SchemaFailed: one of them cannot be reversed.
        """
        applied, self.applied = self.applied, []
        if applied:
            try:
                self._unapply(applied)
            except Exception as error:
                self.applied = applied
                raise SchemaFailed(
                    f"take the migrations of {self.label} back",
                    f"{type(error).__name__}: {error}",
                    "make them reversible, or migrate back yourself: manage.py migrate",
                ) from error

    def _failed(self, asked: str, error: Exception, plan: list[Any], before: Any) -> SchemaFailed:
        connection = connections[self.alias]
        done = MigrationExecutor(connection).loader.applied_migrations
        mine = [(m.app_label, m.name) for m in plan]
        newly = [key for key in mine if key in done and key not in before]
        failed = next((m for m in plan if (m.app_label, m.name) not in done), plan[-1])
        said = f"migration {failed} failed: {type(error).__name__}: {_one_line(error)}"
        advice = "fix the migration, then try again"
        try:
            self._unapply(newly)
        except Exception as other:
            names = ", ".join(f"{label}.{name}" for label, name in newly)
            return SchemaFailed(
                asked,
                f"{said}; of those before it these could not be taken back ({other}): {names}",
                "run manage.py migrate yourself, then try again",
            )
        if newly:
            said += (
                f"; the {len(newly)} before it {'was' if len(newly) == 1 else 'were'} taken back"
            )
        if not failed.atomic or not connection.features.can_rollback_ddl:
            advice = "it was not atomic: check what it left in the database, then try again"
        return SchemaFailed(asked, said, advice)

    def _unapply(self, keys: list[Key]) -> None:
        executor = MigrationExecutor(connections[self.alias])
        for label in dict.fromkeys(label for label, _ in reversed(keys)):
            rest = [
                key
                for key in executor.loader.applied_migrations
                if key[0] == label and key not in keys and key in executor.loader.graph.nodes
            ]
            leaves = [key for key in rest if not _children_in(executor, key, rest)]
            executor.migrate(leaves or [(label, None)])
            executor = MigrationExecutor(connections[self.alias])


def _children_in(executor: Any, key: Key, among: list[Key]) -> bool:
    return any(child.key in among for child in executor.loader.graph.node_map[key].children)


def _is_harmless(op: Any) -> bool:
    """Whether code that does not know of an operation runs on as before."""
    if isinstance(op, (ops.CreateModel, ops.AddIndex, ops.AlterModelOptions)):
        return True
    if isinstance(op, ops.AddField):
        db_default = getattr(op.field, "db_default", models.NOT_PROVIDED)
        fills_itself = db_default is not models.NOT_PROVIDED
        return bool(op.field.null or op.field.many_to_many or fills_itself)
    return False


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
