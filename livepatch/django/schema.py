"""The tables of an app, brought to what its models say while the server runs.

What every change of an app asks of them or does to them; ``model_difference.py`` has the step
between two versions of the models, ``migrations.py`` the one of an app with migrations.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from django import conf
from django.db import DEFAULT_DB_ALIAS, connections, models, router

from livepatch.errors import LivepatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


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
            "give database=… one of these",
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
    present = tables_in(connection)
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
        columns = columns_of(connection, model._meta.db_table)
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
    present = tables_in(connection)
    found = [m for m in config.get_models(include_auto_created=True) if tables_of([m], alias)]
    for model in found:
        table = model._meta.db_table
        columns = {field.column for field in model._meta.local_fields} - {None}
        if table not in present or not columns.issubset(columns_of(connection, table)):
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


def _check_default(connection: Any, model: Any, field: Any) -> None:
    if field.null or field.has_default() or (field.blank and field.empty_strings_allowed):
        return
    if getattr(field, "db_default", models.NOT_PROVIDED) is not models.NOT_PROVIDED:
        return
    refuse_without_default(connection, model, field.name)


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


def refuse_without_default(connection: Any, model: Any, name: str) -> None:
    """Refuse a new field that nothing can stand in, where its table has rows.

    Raises:
        SchemaFailed: it has.
    """
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {table} LIMIT 1")
        if cursor.fetchone() is None:
            return
    raise SchemaFailed(
        f"add the field {model._meta.label}.{name}",
        f"the table {model._meta.db_table} has rows, and the field has neither a default nor "
        "null=True: those rows would have no value for it",
        f"give {name} a default=… or null=True, or write a migration",
    )


def tables_in(connection: Any) -> set[str]:
    """The names of the tables of a database."""
    with connection.cursor() as cursor:
        return set(connection.introspection.table_names(cursor))


def columns_of(connection: Any, table: str) -> list[str]:
    """The names of the columns of a table."""
    with connection.cursor() as cursor:
        return [one.name for one in connection.introspection.get_table_description(cursor, table)]


def constraints_of(connection: Any, table: str) -> dict[str, Any]:
    """The constraints and indexes of a table by name, as Django's introspection has them."""
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
    present = tables_in(connection)
    for table in sorted(present - set(mine)):
        for constraint in constraints_of(connection, table).values():
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
    present = tables_in(connection)
    found = set()
    for table in mine:
        if table not in present:
            continue
        for constraint in constraints_of(connection, table).values():
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
