"""From actions to pieces of work that can be done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from referee.data.repair import Work, branches_of
from referee.model.names import Target
from referee.model.question import Question
from referee.model.row_repair import Action
from referee.model.schema import Column, ForeignKey, Schema
from referee.sql import repairs
from referee.sql.questions import Questions
from referee.sql.repairs import Filling, Journal


def works_of(schema: Schema, action: Action, fillings: Mapping[str, Filling], journal: Journal) -> Iterator[Work]:
    """What an action comes down to. ``fillings`` are those of new mirror rows, by the id of the question."""
    question = action.question
    match action.kind:
        case "create":
            yield Work(action, filling=fillings[question.id])
        case "set-null":
            yield Work(action, _spared(schema, action, journal), values=_nulls(schema, question))
        case "quarantine":
            yield _moving(schema, action, _spared(schema, action, journal))
        case "remap" if question.kind == "stray":
            yield from _followed(schema, action, journal)
        case "remap":
            among = repairs.paired(question, journal, question.id, question.target)
            yield Work(action, among, values=_new_id(question), pairs=question.id)
        case "leave":
            pass


def _spared(schema: Schema, action: Action, journal: Journal) -> str | None:
    """Rows of people who have another id now, or whose account is there, are not to be cut off from them."""
    question, conditions = action.question, []
    if action.pairs:
        conditions.append(f"not {repairs.paired(question, journal, question.id)}")
    if action.accounts is not None:
        account = Questions(schema).undeclared(question.table, question.columns[0], action.accounts)
        conditions.append(f"not exists ({account.lookup})")
    return " and ".join(conditions) or None


def _nulls(schema: Schema, question: Question) -> Mapping[str, str]:
    table = schema.table(question.table)
    columns = [table.column(name) for name in question.columns] if table is not None else []
    return {column.name: "null" for column in columns if column is not None and _may_be_null(column)}


def _may_be_null(column: Column) -> bool:
    return not column.not_null and column.generated is None


def _new_id(question: Question) -> Mapping[str, str]:
    return {question.columns[0]: f"n.new::{question.types[0]}"}


def _moving(schema: Schema, action: Action, among: str | None) -> Work:
    table = schema.tables[action.question.table]
    branches, holding = branches_of(schema, table)
    condition = " and ".join(filter(None, [among, repairs.held_back(holding)])) or None
    return Work(action, condition, table=table, branches=branches)


def _followed(schema: Schema, action: Action, journal: Journal) -> Iterator[Work]:
    """Everything that refers to a mirror row of old refers to the person's new one; then the old row is moved."""
    stray = action.question
    mirror = Target(stray.table, stray.columns)
    asked = Questions(schema)
    for key in schema.referencing.get(stray.table, ()):
        if key.target == mirror:
            question = _referring(asked, key, journal, stray)
            yield Work(replace(action, question=question), values=_new_id(question), pairs=stray.id)
    yield _moving(schema, action, repairs.paired(stray, journal, stray.id))


def _referring(asked: Questions, key: ForeignKey, journal: Journal, stray: Question) -> Question:
    """The rows that refer to a mirror row whose person has another id now."""
    whole = asked.orphans(key)
    pairs = repairs.paired(whole, journal, stray.id)
    lookup = pairs.removeprefix("exists (").removesuffix(")")
    # Without columns the target cannot be cut into ranges: what is looked up here is the list of pairs.
    return replace(whole, kind="stray", lookup=lookup, absent=False, target=Target(key.target.table, ()))
