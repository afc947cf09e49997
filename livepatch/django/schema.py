"""The tables of an app, brought to what its models say while the server runs.

With migrations Django's executor runs them. Without, the difference of the models before and after
is worked out by Django's autodetector, and made in two steps. *Expand* comes before anybody sees
the new models and leaves everything that the old code needs: the database itself fills a new column
of a row that does not name it. *Contract* comes when nobody uses the old models any more.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from django import conf
from django.db import DEFAULT_DB_ALIAS, connections, models, router
from django.db.migrations import operations as ops
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.questioner import MigrationQuestioner
from django.db.migrations.state import ModelState, ProjectState

from livepatch.errors import LivepatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

EXPANDING = (ops.CreateModel, ops.AddField, ops.AddIndex)
NO_TABLE = (ops.AlterModelOptions, ops.AlterModelManagers)
LATE = (ops.RemoveField, ops.RemoveIndex, ops.RemoveConstraint)


class SchemaFailed(LivepatchError):
    """The tables could not be brought to what the models say; they are as they were before."""


def has_migrations(config: Any) -> bool:
    """Whether an app has a package of migrations, and the settings do not switch it off."""
    modules = conf.settings.MIGRATION_MODULES
    if config.label in modules:
        return modules[config.label] is not None
    try:
        spec = importlib.util.find_spec(f"{config.name}.migrations")
    except ModuleNotFoundError:
        return False
    return spec is not None and spec.submodule_search_locations is not None and spec.has_location


def alias_of(database: str | None) -> str:
    """The database that is meant.

    Raises:
        LivepatchError: the settings have none of that name.
    """
    alias = database or DEFAULT_DB_ALIAS
    if alias not in connections.databases:
        raise LivepatchError(
            f"use the database {alias!r}",
            f"the settings have: {', '.join(connections.databases)}",
            "database=… one of these",
        )
    return alias


def tables_of(found: Iterable[Any], alias: str) -> list[str]:
    """The names of the tables that models have in a database."""
    return [
        model._meta.db_table
        for model in found
        if model._meta.managed
        and not model._meta.proxy
        and not model._meta.swapped
        and router.allow_migrate_model(alias, model)
    ]


def create_missing(config: Any, alias: str) -> tuple[list[str], list[str]]:
    """Create what an app's models lack in the database: tables, columns. All of it or nothing.

    Returns:
        The tables and columns that were made, and what there is beyond the models.
    """
    connection = connections[alias]
    present = _tables(connection)
    wanted = [
        model
        for model in config.get_models(include_auto_created=True)
        if tables_of([model], alias) and not model._meta.auto_created
    ]
    if not wanted:
        return [], []
    with connection.schema_editor(atomic=True) as editor:
        return _create_missing(editor, wanted, present)


def _create_missing(
    editor: Any, wanted: list[Any], present: set[str]
) -> tuple[list[str], list[str]]:
    made: list[str] = []
    beyond: list[str] = []
    connection = editor.connection
    for model in wanted:
        if model._meta.db_table not in present:
            editor.create_model(model)
            made.append(model._meta.db_table)
            continue
        columns = _columns(connection, model._meta.db_table)
        for field in model._meta.local_fields:
            if field.column is not None and field.column not in columns:
                _check_default(connection, model, field)
                editor.add_field(model, field)
                made.append(f"{model._meta.db_table}.{field.column}")
        names = {field.column for field in model._meta.local_fields}
        beyond += _check_beyond(connection, model, names)
        for field in model._meta.local_many_to_many:
            through = field.remote_field.through
            if through._meta.auto_created and through._meta.db_table not in present:
                editor.create_model(through)
                made.append(through._meta.db_table)
    return made, beyond


def has_tables(config: Any, alias: str) -> bool:
    """Whether the tables of an app are all there, with all of their columns.

    Args:
        config: the app, as it was when it left them.
        alias: the database.
    """
    connection = connections[alias]
    present = _tables(connection)
    found = [m for m in config.get_models(include_auto_created=True) if tables_of([m], alias)]
    for model in found:
        table = model._meta.db_table
        columns = {field.column for field in model._meta.local_fields} - {None}
        if table not in present or not columns.issubset(_columns(connection, table)):
            return False
    return bool(found)


def drop(tables: list[str], config: Any, alias: str) -> None:
    """Take away again what :func:`create_missing` has just made."""
    connection = connections[alias]
    found = list(config.get_models(include_auto_created=True))
    with connection.schema_editor(atomic=True) as editor:
        _drop(editor, tables, found)


def _drop(editor: Any, tables: list[str], found: list[Any]) -> None:
    for model in reversed(found):
        if model._meta.db_table in tables and not model._meta.auto_created:
            editor.delete_model(model)
    for model in found:
        for field in model._meta.local_fields:
            if f"{model._meta.db_table}.{field.column}" in tables:
                editor.remove_field(model, field)


class Difference:
    """The step between two states of an app's models, for an app without migrations.

    Args:
        label: the app's.
        before: all models of the project before.
        after: and after.
        alias: the database.
    """

    def __init__(self, label: str, before: ProjectState, after: ProjectState, alias: str) -> None:
        self.label, self.alias = label, alias
        before, after = self.before, self.after = _comparable(label, before, after)
        found = MigrationAutodetector(before, after, _Questioner(label, before, alias))
        changes = found._detect_changes()
        operations = [op for step in changes.get(label, []) for op in step.operations]
        self.kept_tables = [
            before.models[label, op.name_lower].options.get("db_table")
            or f"{label}_{op.name_lower}"
            for op in operations
            if isinstance(op, ops.DeleteModel)
        ]
        # Dropping a table is never the meaning of an edit: it stays, as at an unload.
        self.operations = [op for op in operations if not isinstance(op, ops.DeleteModel)]
        self._state = before.clone()
        self._late: list[Any] = []
        self.done: list[str] = []

    @property
    def needs_gate(self) -> bool:
        """Whether it has a step that neither the old nor the new code could stand alone."""
        known = (*EXPANDING, *NO_TABLE, *LATE)
        return not all(isinstance(op, known) for op in self.operations)

    @property
    def has_late_part(self) -> bool:
        """Whether something is left for :meth:`contract`."""
        return bool(self._late)

    def expand(self) -> None:
        """What comes first: new tables, columns that fill themselves, room in those that will go.

        A thread of the server's own, or another process, may write rows by the old models at any
        time, and nobody can wait for all of them. So the database has the default, and keeps it.
        """
        if self.needs_gate:
            self._run(self.operations)
            return
        early: list[Any] = []
        for op in self.operations:
            if isinstance(op, ops.AddField) and _must_be_filled(op.field):
                filled = self._filled_by_the_database(op)
                if filled is not None:
                    name = op.model_name, op.name
                    early.append(ops.AddField(*name, filled, op.preserve_default))
                    continue
                early.append(ops.AddField(op.model_name, op.name, _nullable(op.field)))
                self._late.append(ops.AlterField(op.model_name, op.name, op.field))
                if not op.preserve_default:
                    self._late[-1].preserve_default = False
            elif isinstance(op, ops.RemoveField):
                field = self.before.models[self.label, op.model_name_lower].fields[op.name]
                if _must_be_filled(field) and not field.primary_key:
                    early.append(ops.AlterField(op.model_name, op.name, _nullable(field)))
                self._late.append(op)
            elif isinstance(op, LATE):
                self._late.append(op)
            else:
                early.append(op)
        self._run(early)

    def _filled_by_the_database(self, op: ops.AddField) -> Any:
        """The new field with the value for rows that are there as the default of its column.

        None where the database cannot fill it: there is no value, or each row needs its own.
        """
        field: Any = op.field
        if field.is_relation:  # the default may be a row
            field = self.after.apps.get_model(self.label, op.model_name)._meta.get_field(op.name)
        editor = connections[self.alias].schema_editor()  # only asked: it writes once entered
        value = editor._effective_default(field)
        if value is None or field.unique or editor.skip_default(field):
            return None
        filled: Any = op.field.clone()
        filled.db_default = value
        return filled

    def contract(self) -> None:
        """What comes last: columns that must be filled are, those that went are gone."""
        late, self._late = self._late, []
        self._run(late)

    def back(self) -> None:
        """The whole way back, from wherever it has come to."""
        way = Difference(self.label, self._state, self.before, self.alias)
        way._run(way.operations)
        self._state, self._late = self.before.clone(), []

    def _run(self, operations: list[Any]) -> None:
        if not operations:
            return
        connection = connections[self.alias]
        present = _tables(connection)
        with connection.schema_editor(atomic=True) as editor:
            for op in operations:
                self._make(op, editor, present)

    def _make(self, op: Any, editor: Any, present: set[str]) -> None:
        before = self._state.clone()
        op.state_forwards(self.label, self._state)
        if not self._is_done(op, before, editor.connection, present):
            op.database_forwards(self.label, editor, before, self._state)
            self.done.append(op.describe())

    def _is_done(self, op: Any, before: Any, connection: Any, present: set[str]) -> bool:
        """Whether another process of the server has made it already: they share the tables."""
        if isinstance(op, ops.CreateModel):
            model = self._state.apps.get_model(self.label, op.name)
            return model._meta.db_table in present
        if isinstance(op, (ops.AddField, ops.RemoveField)):
            state = self._state if isinstance(op, ops.AddField) else before
            model = state.apps.get_model(self.label, op.model_name)
            field = model._meta.get_field(op.name)
            if field.many_to_many or field.column is None:
                through = getattr(field.remote_field, "through", None)
                there = through is not None and through._meta.db_table in present
            else:
                there = field.column in _columns(connection, model._meta.db_table)
            return there is isinstance(op, ops.AddField)
        if isinstance(op, (ops.AddIndex, ops.RemoveIndex)):
            state = self._state if isinstance(op, ops.AddIndex) else before
            model = state.apps.get_model(self.label, op.model_name)
            name = op.index.name if isinstance(op, ops.AddIndex) else op.name
            there = name in _constraints(connection, model._meta.db_table)
            return there is isinstance(op, ops.AddIndex)
        return False


def _comparable(
    label: str, before: ProjectState, after: ProjectState
) -> tuple[ProjectState, ProjectState]:
    """Copies of two states that differ by the models of one app only.

    The autodetector takes options out of the states that it is given.
    """
    others = {key: model for key, model in after.models.items() if key[0] != label}

    def copied(state: ProjectState) -> ProjectState:
        mine = {key: model for key, model in state.models.items() if key[0] == label}
        return ProjectState({key: _copied(model) for key, model in {**others, **mine}.items()})

    return copied(before), copied(after)


def _copied(model: ModelState) -> ModelState:
    fields, managers = list(model.fields.items()), list(model.managers)
    return ModelState(
        model.app_label, model.name, fields, dict(model.options), model.bases, managers
    )


class _Questioner(MigrationQuestioner):
    """Answers for the user, who is not there: no guesses."""

    def __init__(self, label: str, before: ProjectState, alias: str) -> None:
        super().__init__({"ask_initial": True})
        self.label, self.before, self.alias = label, before, alias

    def ask_not_null_addition(self, field_name: str, model_name: str) -> Any:
        model = self.before.apps.get_model(self.label, model_name)
        _refuse_without_default(connections[self.alias], model, field_name)
        return models.NOT_PROVIDED

    def ask_auto_now_add_addition(self, field_name: str, model_name: str) -> Any:  # noqa: ARG002
        from django.utils import timezone

        return timezone.now()


def _check_default(connection: Any, model: Any, field: Any) -> None:
    if field.null or field.has_default() or (field.blank and field.empty_strings_allowed):
        return
    if getattr(field, "db_default", models.NOT_PROVIDED) is not models.NOT_PROVIDED:
        return
    _refuse_without_default(connection, model, field.name)


def _check_beyond(connection: Any, model: Any, names: set[str]) -> list[str]:
    """The columns that no field of a model has, where rows can be written without them."""
    table, beyond = model._meta.db_table, []
    with connection.cursor() as cursor:
        columns = connection.introspection.get_table_description(cursor, table)
    for column in columns:
        if column.name in names:
            continue
        beyond.append(f"{table}.{column.name}")
        if not column.null_ok and column.default is None:
            raise SchemaFailed(
                f"load {model._meta.label}",
                f"the table {table} has a column {column.name} that must be filled, and no "
                f"field of {model._meta.label} fills it",
                "give the model that field, or drop the column",
            )
    return beyond


def _refuse_without_default(connection: Any, model: Any, name: str) -> None:
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {table} LIMIT 1")
        if cursor.fetchone() is None:
            return
    raise SchemaFailed(
        f"add the field {model._meta.label}.{name}",
        f"the table {model._meta.db_table} has rows, and the field has neither a default nor "
        "null=True: nothing can stand in them",
        f"give {name} a default=… or null=True, or write a migration",
    )


def _must_be_filled(field: Any) -> bool:
    if field.many_to_many or field.null or field.primary_key or field.generated:
        return False
    return getattr(field, "db_default", models.NOT_PROVIDED) is models.NOT_PROVIDED


def _nullable(field: Any) -> Any:
    clone = field.clone()
    clone.null = True
    return clone


def _tables(connection: Any) -> set[str]:
    with connection.cursor() as cursor:
        return set(connection.introspection.table_names(cursor))


def _columns(connection: Any, table: str) -> list[str]:
    with connection.cursor() as cursor:
        return [one.name for one in connection.introspection.get_table_description(cursor, table)]


def _constraints(connection: Any, table: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        found: dict[str, Any] = connection.introspection.get_constraints(cursor, table)
    return found


def referring_tables(mine: list[str], alias: str) -> dict[str, str]:
    """The tables of others whose rows refer to rows of these tables, each with what it refers to.

    Args:
        mine: names of tables.
        alias: the database.
    """
    connection = connections[alias]
    found: dict[str, str] = {}
    present = _tables(connection)
    for table in sorted(present - set(mine)):
        for constraint in _constraints(connection, table).values():
            target = constraint.get("foreign_key")
            if target and target[0] in mine and _has_rows(connection, table, constraint["columns"]):
                found[table] = target[0]
    return found


def referred_tables(mine: list[str], alias: str) -> list[str]:
    """The tables of others to which rows of these tables refer.

    Args:
        mine: names of tables.
        alias: the database.
    """
    connection = connections[alias]
    present = _tables(connection)
    found = set()
    for table in mine:
        if table not in present:
            continue
        for constraint in _constraints(connection, table).values():
            target = constraint.get("foreign_key")
            is_other = target and target[0] not in mine
            if is_other and _has_rows(connection, table, constraint["columns"]):
                found.add(target[0])
    return sorted(found)


def _has_rows(connection: Any, table: str, columns: list[str]) -> bool:
    quote: Callable[[str], str] = connection.ops.quote_name
    where = " AND ".join(f"{quote(column)} IS NOT NULL" for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {quote(table)} WHERE {where} LIMIT 1")
        return cursor.fetchone() is not None
