"""Every question about rows, written once; and the forms in which it is asked.

The finding in a live database, the assertion of a generated test, the predicate of a backfill and the check before
VALIDATE are the same question. All texts run under an empty search_path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from referee.model.identity import Identity, Mirror
from referee.model.names import QName, Ref, Target, quote
from referee.model.question import Question, QuestionKind
from referee.model.schema import Column, ForeignKey, Schema, Table
from referee.sql.clauses import string

# Columns that hold the e-mail of a person, the likeliest name first.
_EMAIL_NAMES = ("email", "email_address", "e_mail", "mail", "user_email")
_TEXTS = ("text", "character varying", "public.citext", "extensions.citext", "citext")

_NAME = r'("(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)'
_QUALIFIED = re.compile(rf"{_NAME}\.{_NAME}")

# Types whose order depends on no collation: two columns of these can be cut at the same value.
_PLAIN_ORDER = frozenset(("uuid", "smallint", "integer", "bigint", "numeric", "date", "bytea", "oid", "boolean"))


# The questions


class Questions:
    """The questions about one schema."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._parents = {parent for table in schema.tables.values() for parent in table.inherits}

    def orphans(self, key: ForeignKey) -> Question:
        """Rows that break a foreign key, as MATCH SIMPLE or MATCH FULL understands it."""
        question = self._missing("orphans", key.ref, key.table, key.columns, key.target, is_full=key.match == "FULL")
        return replace(question, key=key)

    def unmirrored(self, identity: Identity, mirror: Mirror) -> Question:
        """Rows of the source without their row in a mirror. The subject is the mirror."""
        source = identity.source
        return self._missing("unmirrored", Ref("table", *mirror.table), source.table, source.columns, mirror.target)

    def stray(self, identity: Identity, mirror: Mirror) -> Question:
        """Rows of a mirror whose source row is missing. If the mirror has a key to the source, they are its orphans."""
        source, key = identity.source, mirror.identity_key
        question = self._missing("stray", Ref("table", *mirror.table), mirror.table, (mirror.column,), source)
        return replace(question, key=key if key is not None and key.target == source else None)

    def undeclared(self, table: QName, column: str, target: Target) -> Question:
        """Rows that would break a foreign key from this column to the target. The subject is the column."""
        return self._missing("undeclared", Ref("column", *table, column), table, (column,), target)

    def disagreeing(self, identity: Identity, mirror: Mirror) -> Question | None:
        """Rows of a mirror whose e-mail is not the source's; None where one of the two tables has no column for it.

        Case does not count, and an empty e-mail is none.
        """
        source, table = self._schema.table(identity.source.table), self._schema.table(mirror.table)
        theirs, ours = email_column(source), email_column(table)
        if source is None or table is None or theirs is None or ours is None:
            return None
        match = f"{column_of('t', identity.source.columns[0])} = {column_of('r', mirror.column)}"
        mails = f"{_email('t', theirs)} is distinct from {_email('r', ours)}"
        return Question(
            kind="disagreeing",
            subject=Ref("table", *mirror.table),
            table=mirror.table,
            columns=(mirror.column,),
            types=_types(table, (mirror.column,)),
            target=identity.source,
            row_key=_row_key(table),
            rows=self.table_as(mirror.table, "r"),
            applies=f"{column_of('r', mirror.column)} is not null",
            lookup=f"select from {self.table_as(source.name, 't')} where {match} and {mails}",
            absent=False,
        )

    def table_as(self, name: QName, alias: str) -> str:
        """A table as an item of FROM. A foreign key sees the rows of its own table only, not those of its children."""
        table = self._schema.table(name)
        has_children = name in self._parents and table is not None and table.kind != "partitioned"
        return f"{'only ' if has_children else ''}{name} as {alias}"

    def _missing(
        self,
        kind: QuestionKind,
        subject: Ref,
        name: QName,
        columns: tuple[str, ...],
        target: Target,
        *,
        is_full: bool = False,
    ) -> Question:
        table = self._schema.table(name)
        types = _types(table, columns)
        tests = [
            f"{column_of('t', theirs)} {self._equals(type_)} {column_of('r', ours)}"
            for theirs, ours, type_ in zip(target.columns, columns, types, strict=True)
        ]
        # Where MATCH FULL demands all or nothing, a row that has only some of its columns refers to nothing.
        given = [f"{column_of('r', column)} is not null" for column in columns]
        return Question(
            kind=kind,
            subject=subject,
            table=name,
            columns=columns,
            types=types,
            target=target,
            row_key=_row_key(table),
            rows=self.table_as(name, "r"),
            applies=f"({' or '.join(given)})" if is_full and len(given) > 1 else " and ".join(given),
            lookup=f"select from {self.table_as(target.table, 't')} where {' and '.join(tests)}",
        )

    def _equals(self, type_: str) -> str:
        """The operator that compares values of a type. That of a type from an extension lives beside the type."""
        qualified = _QUALIFIED.match(type_)
        if qualified is None:
            return "="
        name = QName(_unquoted(qualified[1]), _unquoted(qualified[2]))
        if name in self._schema.domains:
            return self._equals(self._schema.domains[name].base)
        if name in self._schema.enums or name in self._schema.composites:
            return "="
        return f"operator({quote(name.schema)}.=)"


def email_column(table: Table | None) -> Column | None:
    """The column of a table that holds a person's e-mail; None where no name says so."""
    for name in _EMAIL_NAMES if table is not None else ():
        column = table.column(name) if table is not None else None
        if column is not None and column.type.partition("(")[0] in _TEXTS:
            return column
    return None


def column_of(alias: str, name: str) -> str:
    """A column of a table that goes by an alias."""
    return f"{alias}.{quote(name)}"


def _email(alias: str, column: Column) -> str:
    return f"nullif(lower({column_of(alias, column.name)}::text), '')"


def _types(table: Table | None, columns: Sequence[str]) -> tuple[str, ...]:
    found = [table.column(column) if table is not None else None for column in columns]
    return tuple([column.type if column is not None else "text" for column in found])


def _row_key(table: Table | None) -> tuple[str, ...]:
    return table.primary_key.columns if table is not None and table.primary_key is not None else ()


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


# Dividing rows


@dataclass(frozen=True, slots=True)
class Order:
    """The order in which the rows of a question are divided into ranges: that of an index on ``columns``.

    ``theirs`` are the target's columns that can be cut at the same values, empty where none can: then a range of rows
    is compared with all of the target. A bound holds the text of one value for each column.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    theirs: tuple[str, ...] = ()


Bound = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """The rows behind ``after`` up to and including ``upto``; None is no bound."""

    order: Order
    after: Bound | None = None
    upto: Bound | None = None


def by_reference(question: Question) -> Order:
    """The order of the reference itself. The target is cut with it where no collation can come in between."""
    is_plain = all(type_.partition("(")[0] in _PLAIN_ORDER for type_ in question.types)
    return Order(question.columns, question.types, question.target.columns if is_plain else ())


def _within(alias: str, columns: Sequence[str], range_: Range) -> Iterator[str]:
    row = _row([column_of(alias, column) for column in columns])
    for sign, bound in ((">", range_.after), ("<=", range_.upto)):
        if bound is not None:
            yield f"{row} {sign} {_row(_constants(bound, range_.order.types))}"


def _constants(values: Sequence[str], types: Sequence[str]) -> list[str]:
    return [f"{string(value)}::{type_}" for value, type_ in zip(values, types, strict=True)]


def _row(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


def condition_within(question: Question, range_: Range | None) -> str:
    """What holds for the rows of a range that break the promise."""
    if range_ is None:
        return question.condition
    ours = list(_within("r", range_.order.columns, range_))
    theirs = list(_within("t", range_.order.theirs, range_)) if range_.order.theirs else []
    lookup = " and ".join([question.lookup, *theirs])
    return " and ".join([question.applies, *ours, f"{'not ' if question.absent else ''}exists ({lookup})"])


# The forms


def next_bound(question: Question, order: Order, after: Bound | None, rows: int) -> str:
    """The query for the bound that ``rows`` rows behind ``after`` end at; no row where fewer are left."""
    columns = [column_of("r", column) for column in order.columns]
    names = [f"v{number}" for number in range(len(columns))]
    shown = ", ".join([f"{column} as {name}" for column, name in zip(columns, names, strict=True)])
    where = [f"{column} is not null" for column in columns]
    where += _within("r", order.columns, Range(order, after))
    # The text is made of the one row that is wanted, not of all that are counted off.
    return (
        f"select {', '.join([f'{name}::text' for name in names])} from (select {shown} from {question.rows}"
        f" where {' and '.join(where)} order by {', '.join(columns)} offset {rows - 1} limit 1) as b"
    )


def next_bounds(question: Question, order: Order, after: Bound | None, rows: int, most: int) -> str:
    """The query for the bounds of the next ``most`` ranges of ``rows`` rows each, in order; fewer where the table ends.

    The rows are gone through once for all of them.
    """
    columns = [column_of("r", column) for column in order.columns]
    names = [f"v{number}" for number in range(len(columns))]
    shown = ", ".join([f"{column} as {name}" for column, name in zip(columns, names, strict=True)])
    where = [f"{column} is not null" for column in columns]
    where += _within("r", order.columns, Range(order, after))
    ordered = ", ".join(columns)
    return (
        f"select {', '.join([f'{name}::text' for name in names])} from (select {shown}, row_number() over"
        f" (order by {ordered}) as n from {question.rows} where {' and '.join(where)}"
        f" order by {ordered} limit {rows * most}) as b where n % {rows} = 0 order by n"
    )


def judged(question: Question, range_: Range) -> str:
    """The query for the number of rows in a range that there is something to judge about."""
    where = [question.applies, *_within("r", range_.order.columns, range_)]
    return f"select count(*) from {question.rows} where {' and '.join(where)}"


def counted(question: Question, kept: int, range_: Range | None = None, *, with_keys: bool) -> str:
    """The query for how many rows break the promise: one row of three columns.

    They are the number of different references, the number of rows, and a JSON list of the first ``kept`` references:
    each [values as a list, number of rows, key of one of the rows as a list or null]. Keys cost a look at the row
    itself, so they are left out (null) unless asked for.
    """
    columns = [column_of("r", column) for column in question.columns]
    names = [f"v{number}" for number in range(len(columns))]
    values = ", ".join([f"{column} as {name}" for column, name in zip(columns, names, strict=True)])
    key = f"min({_key(question)}::text)" if with_keys and question.row_key else "null::text"
    texts = f"json_build_array({', '.join([f'{name}::text' for name in names])})"
    return (
        f"with missing as (select {values}, count(*) as n, {key} as k from {question.rows}"
        f" where {condition_within(question, range_)} group by {', '.join(columns)})"
        f" select count(*), coalesce(sum(n), 0)::bigint, (select json_agg(json_build_array({texts}, n, k::json))"
        f" from (select * from missing order by {', '.join(names)} limit {kept}) as first) from missing"
    )


def _key(question: Question) -> str:
    texts = [f"{column_of('r', column)}::text" for column in question.row_key]
    return f"json_build_array({', '.join(texts)})"


def keys_of(question: Question, values: Sequence[Bound]) -> str:
    """The query for the key of one row for each of these references: rows of [values], [key], both as JSON."""
    names = [f"v{number}" for number in range(len(question.columns))]
    given = ", ".join([f"({', '.join(_constants(value, question.types))})" for value in values])
    match = " and ".join(
        [f"{column_of('r', column)} = x.{name}" for column, name in zip(question.columns, names, strict=True)]
    )
    texts = ", ".join([f"x.{name}::text" for name in names])
    return (
        f"select json_build_array({texts}), (select {_key(question)} from {question.rows} where {match} limit 1)"
        f" from (values {given}) as x ({', '.join(names)})"
    )
