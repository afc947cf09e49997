"""Finds the difference between two states of an app's models, for an app without migrations.

The difference is worked out by Django's autodetector, and made in two steps. *Expand* comes before
anybody sees the new models and leaves everything that the old code needs: the database itself fills
a new column of a row that does not name it. *Contract* comes when nobody uses the old models any
more.
"""

from __future__ import annotations

from typing import Any

from django.db import connections, models
from django.db.migrations import operations as ops
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.questioner import MigrationQuestioner
from django.db.migrations.state import ModelState, ProjectState

from .schema import columns_of, constraints_of, refuse_without_default, tables_in

EXPANDING = (ops.CreateModel, ops.AddField, ops.AddIndex)
NO_TABLE = (ops.AlterModelOptions, ops.AlterModelManagers)
LATE = (ops.RemoveField, ops.RemoveIndex, ops.RemoveConstraint)


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
        self.operations = [
            op
            for op in operations
            if not isinstance(op, ops.DeleteModel) and not self._is_of_python_alone(op)
        ]
        self._state = before.clone()
        self._late: list[Any] = []
        self.done: list[str] = []

    def _is_of_python_alone(self, op: Any) -> bool:
        """Whether an altered field is the same to the database.

        A default that is a function of the app is another function in each version.
        """
        if not isinstance(op, ops.AlterField):
            return False
        old = self.before.models[self.label, op.model_name_lower].fields[op.name]
        return _of_the_column(old) == _of_the_column(op.field)

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
        present = tables_in(connection)
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
                there = field.column in columns_of(connection, model._meta.db_table)
            return there is isinstance(op, ops.AddField)
        if isinstance(op, (ops.AddIndex, ops.RemoveIndex)):
            state = self._state if isinstance(op, ops.AddIndex) else before
            model = state.apps.get_model(self.label, op.model_name)
            name = op.index.name if isinstance(op, ops.AddIndex) else op.name
            there = name in constraints_of(connection, model._meta.db_table)
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
        refuse_without_default(connections[self.alias], model, field_name)
        return models.NOT_PROVIDED

    def ask_auto_now_add_addition(self, field_name: str, model_name: str) -> Any:  # noqa: ARG002
        from django.utils import timezone

        return timezone.now()


def _of_the_column(field: Any) -> tuple[Any, ...]:
    """What the database knows of a field."""
    _, kind, arguments, options = field.deconstruct()
    unknown = {"default", *field.non_db_attrs} - {"db_column"}
    return kind, arguments, {name: v for name, v in options.items() if name not in unknown}


def _must_be_filled(field: Any) -> bool:
    if field.many_to_many or field.null or field.primary_key or field.generated:
        return False
    return getattr(field, "db_default", models.NOT_PROVIDED) is models.NOT_PROVIDED


def _nullable(field: Any) -> Any:
    clone = field.clone()
    clone.null = True
    return clone
