"""Statements that repair rows: small, safe to run again, each with its line in the journal.

Every statement decides by itself which rows are still wrong, in the transaction that changes them. So it does not
matter what happened since somebody looked, who else repairs at the same time, or whether an earlier run got this far. A
row and the journal's line about it are committed together or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import count

from referee.model.names import MAX_NAME_BYTES, QName, Target, clip, quote
from referee.model.question import Question
from referee.model.schema import ForeignKey, Table
from referee.sql.clauses import string
from referee.sql.questions import Range, column_of, condition_within

#: Kinds of lines in the journal.
CREATE, UPDATE, MOVE, STEP = "create", "update", "move", "step"

#: The setting that remembers picked rows until the end of a transaction.
PICKED = "referee.picked"


@dataclass(frozen=True, slots=True)
class Journal:
    """Where a run writes down what it does: the schema, and the run's id (a uuid)."""

    schema: str
    run: str

    def table(self, name: str) -> str:
        return str(QName(self.schema, name))


# The journal


def set_up(schema: str) -> str:
    """Statements that make the journal where it is missing. They touch nothing else."""
    name = quote(schema)
    return f"""
create schema if not exists {name};
create table if not exists {name}.run (
  id uuid primary key,
  began timestamptz not null default clock_timestamp(),
  ended timestamptz,
  by_role text not null default session_user,
  version text not null,
  purpose text not null,
  wish jsonb not null,
  result jsonb
);
create table if not exists {name}.journal (
  entry bigint generated always as identity primary key,
  run uuid not null references {name}.run (id),
  at timestamptz not null default clock_timestamp(),
  action text not null,
  question text not null,
  table_schema text not null,
  table_name text not null,
  rows bigint not null,
  transaction bigint not null,
  keys text[],
  changes jsonb,
  note text,
  undone timestamptz,
  undone_rows bigint
);
create index if not exists journal_run on {name}.journal (run, entry);
create table if not exists {name}.pairs (
  run uuid not null references {name}.run (id),
  subject text not null,
  old text not null,
  new text not null,
  primary key (run, subject, old)
);
alter table {name}.journal alter column keys set storage external;
comment on schema {name} is 'What referee repair did, row by row, and the rows that it moved out of the way.';
"""


_XID = "pg_catalog.pg_current_xact_id()::xid::text::bigint"


def _noted(
    journal: Journal,
    action: str,
    question: str,
    table: QName,
    rows: str,
    keys: str,
    changes: str,
    note: str,
    source: str,
) -> str:
    return (
        f"insert into {journal.table('journal')}"
        " (run, action, question, table_schema, table_name, rows, transaction, keys, changes, note)"
        f" select {string(journal.run)}::uuid, {string(action)}, {string(question)}, {string(table.schema)},"
        f" {string(table.name)}, {rows}, {_XID}, {keys}, {changes}, {note} from {source} having count(*) > 0"
    )


# One after the other


def turn(table: QName) -> str:
    """Waits for one's turn at a table: repairs that run at the same time take turns, batch by batch."""
    return (
        f"select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended({string(f'referee repair {table}')}, 0))"
    )


def living(run: str) -> str:
    """The query that holds on to a run until the session ends, and says whether it could: nobody else has it."""
    return f"select pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended({string(f'referee run {run}')}, 1))"


# Nested loops are forbidden while a statement is planned, since they are its one way to go badly wrong. Triggers that
# it fires plan their own queries later, and those shall be planned as ever: this condition is evaluated in between.
_BACK = "(select pg_catalog.set_config('enable_nestloop', 'on', true)) = 'on'"
IN_STEP = "set local enable_nestloop to off"


# Rows of the mirror that are missing


@dataclass(frozen=True, slots=True)
class Filling:
    """What a new row of a mirror holds: expressions over the source's row ``r`` by column, the key included.

    ``named`` is the column whose value may come from the metadata or from the e-mail, with the expressions of both; it
    is counted which. ``key`` is the mirror's key.
    """

    table: QName
    key: str
    values: Mapping[str, str]
    named: str | None = None
    metadata: tuple[str, ...] = ()
    mail: str | None = None


def create(
    question: Question,
    filling: Filling,
    journal: Journal,
    range_: Range | None,
    most: int,
    among: str | None = None,
    *,
    plainly: bool = False,
) -> str:
    """Gives the first ``most`` rows of a range their row in the mirror. ``among`` is a further condition.

    One row: how many were missing, how many were made, the last key that was looked at, and how many of which origin as
    JSON, which the journal has too. A row that conflicts with another one stays missing; ``plainly`` it is an error,
    which tells why.
    """
    columns = list(filling.values)
    values = ", ".join([f"{expression} as c{number}" for number, expression in enumerate(filling.values.values())])
    key = columns.index(filling.key)
    also = f" and {among}" if among else ""
    names = ", ".join([quote(column) for column in columns])
    taken = ", ".join([f"c{number}" for number in range(len(columns))])
    keys = f"array_agg({quote(filling.key)}::text)"
    origins = "(select jsonb_object_agg(origin, n) from told)"
    noted = _noted(journal, CREATE, question.id, filling.table, "count(*)", keys, origins, string(filling.key), "made")
    conflict = "" if plainly else " on conflict do nothing"
    return (
        f"with missing as materialized (select {values}, {_origin(filling)} as origin from {question.rows}"
        f" where {condition_within(question, range_)}{also} and {_BACK}"
        f" order by {column_of('r', question.columns[0])} limit {most}),"
        f" made as (insert into {filling.table} ({names}) select {taken} from missing{conflict}"
        f" returning {quote(filling.key)}),"
        f" told as (select origin, count(*) as n from missing"
        f" where c{key} in (select {quote(filling.key)} from made) group by origin),"
        f" noted as ({noted})"
        f" select (select count(*) from missing), (select count(*) from made),"
        f" (select c{key}::text from missing order by c{key} desc limit 1),"
        " (select json_object_agg(origin, n) from told)"
    )


def _origin(filling: Filling) -> str:
    if filling.named is None:
        return "''"
    value = filling.values[filling.named]
    cases = []
    if filling.metadata:
        cases.append(f"when {value} in ({', '.join(filling.metadata)}) then 'metadata'")
    if filling.mail is not None:
        cases.append(f"when {value} = {filling.mail} then 'e-mail'")
    return f"case {' '.join(cases)} else 'neither' end" if cases else "''"


# Rows that refer to nothing


def pick(question: Question, range_: Range | None, most: int, among: str | None = None) -> str:
    """Locks the first ``most`` wrong rows of a range that nobody else has locked, and remembers them.

    One row: how many. ``among`` is a further condition. What is remembered holds until the end of the transaction, and
    with the locks the rows stay where they are.
    """
    also = f" and {among}" if among else ""
    return (
        "select case when picked.rows = '' then 0 else pg_catalog.cardinality(string_to_array(picked.rows, ' ')) end"
        f" from (select pg_catalog.set_config({string(PICKED)}, coalesce(string_agg(place, ' '), ''), true) as rows"
        f" from (select r.tableoid::text || r.ctid::text as place from {question.rows}"
        f" where {condition_within(question, range_)}{also} and {_BACK}"
        f" order by {_ordered(question, range_)} limit {most}"
        " for update of r skip locked) as locked) as picked"
    )


def pick_one(question: Question, range_: Range | None, among: str | None = None) -> str:
    """Locks and remembers the first wrong row that nobody else has locked; no row where there is none.

    One row: the texts of its key, or of its place where it has none, and of its reference.
    """
    also = f" and {among}" if among else ""
    return (
        f"select locked.key, locked.reference, pg_catalog.set_config({string(PICKED)}, locked.place, true)"
        f" from (select r.tableoid::text || r.ctid::text as place, {_shown(question)} from {question.rows}"
        f" where {condition_within(question, range_)}{also} and {_BACK}"
        f" order by {_ordered(question, range_)} limit 1 for update of r skip locked) as locked"
    )


def paired(question: Question, journal: Journal, subject: str, target: Target | None = None) -> str:
    """The condition that the run has another id for a row's reference: a pair of that subject.

    With ``target`` the other id must be there.
    """
    reference = column_of("r", question.columns[0])
    there = ""
    if target is not None:
        new = f"p.new::{question.types[0]}"
        there = f" and exists (select from {target.table} as g where {column_of('g', target.columns[0])} = {new})"
    return (
        f"exists (select from {journal.table('pairs')} as p where p.run = {string(journal.run)}::uuid"
        f" and p.subject = {string(subject)} and p.old = {reference}::text{there})"
    )


def other_than(question: Question, keys: Sequence[Sequence[str]]) -> str | None:
    """The condition that a row is none of these, by the primary key or, where there is none, by its place."""
    if not keys:
        return None
    rows = ", ".join([f"({', '.join([string(part) for part in key])})" for key in keys])
    return f"({', '.join(_key_texts(question))}) not in ({rows})"


def being(question: Question, key: Sequence[str]) -> str:
    """The condition that a row is this one."""
    return f"({', '.join(_key_texts(question))}) = ({', '.join([string(part) for part in key])})"


def first(question: Question, range_: Range | None, among: str | None) -> str:
    """The query for the first wrong row of a range: the texts of its key or its place, and of its reference."""
    also = f" and {among}" if among else ""
    return (
        f"select {_shown(question)} from {question.rows}"
        f" where {condition_within(question, range_)}{also} order by {_ordered(question, range_)} limit 1"
    )


def _key_texts(question: Question) -> list[str]:
    return [f"{column_of('r', column)}::text" for column in question.row_key] or ["r.ctid::text"]


def _shown(question: Question) -> str:
    references = [f"{column_of('r', column)}::text" for column in question.columns]
    return f"array[{', '.join(_key_texts(question))}] as key, array[{', '.join(references)}] as reference"


def _ordered(question: Question, range_: Range | None) -> str:
    columns = range_.order.columns if range_ is not None else (*question.columns, *question.row_key)
    return ", ".join([column_of("r", column) for column in (*dict.fromkeys(columns), "ctid")])


def picked() -> str:
    """The rows that were picked, as a FROM item ``p`` with ``table_id`` and ``place``."""
    setting = f"pg_catalog.current_setting({string(PICKED)}, true)"
    return (
        f"(select split_part(x, '(', 1)::oid as table_id, ('(' || split_part(x, '(', 2))::tid as place"
        f" from unnest(string_to_array(nullif({setting}, ''), ' ')) as x) as p"
    )


def change(question: Question, values: Mapping[str, str], journal: Journal, note: str, pairs: str | None = None) -> str:
    """Sets columns of the picked rows. One row: how many have another value now; a trigger may have kept the old one.

    ``values`` are expressions by column, over the row ``r`` and, where ``pairs`` names a subject, over the pair ``n``.
    The journal has for each row its key, and before and after of every column that changed, triggers included.
    """
    table = question.table
    assigned = ", ".join([f"{quote(column)} = {value}" for column, value in values.items()])
    match = "r.tableoid = old.table_id and r.ctid = old.place"
    source = f"{journal.table('pairs')} as n, " if pairs is not None else ""
    if pairs is not None:
        reference = f"old.row_ ->> {string(question.columns[0])}"
        match += f" and n.run = {string(journal.run)}::uuid and n.subject = {string(pairs)} and n.old = {reference}"
    changes = (
        f"jsonb_agg(jsonb_build_array({_key('before', question)}, {_differing('before', 'after')},"
        f" {_differing('after', 'before')}))"
    )
    source_ = "changed where before is distinct from after"
    noted = _noted(journal, UPDATE, question.id, table, "count(*)", "null", changes, string(note), source_)
    is_set = " or ".join(
        [f"before -> {string(column)} is distinct from after -> {string(column)}" for column in values]
    )
    return (
        f"with old as materialized (select p.table_id, p.place, to_jsonb(r.*) as row_ from {picked()},"
        f" {question.rows} where r.tableoid = p.table_id and r.ctid = p.place),"
        f" changed as (update {question.rows} set {assigned} from {source}old where {match}"
        " returning old.row_ as before, to_jsonb(r.*) as after),"
        f" noted as ({noted}) select count(*) filter (where {is_set}) from changed"
    )


def _key(row: str, question: Question) -> str:
    """The key of a row that is JSON, as an object; the whole row where it has no key."""
    if not question.row_key:
        return row
    parts = [f"{string(column)}, {row} -> {string(column)}" for column in question.row_key]
    return f"jsonb_build_object({', '.join(parts)})"


def _differing(one: str, other: str) -> str:
    return (
        f"(select coalesce(jsonb_object_agg(e.key, e.value), '{{}}') from jsonb_each({one}) as e"
        f" where e.value is distinct from {other} -> e.key)"
    )


# Rows that are moved out of the way


@dataclass(frozen=True, slots=True)
class Branch:
    """Rows that go with a row that is moved: those of ``table`` that refer to it by ``key``, and what hangs on them.

    Where ``moves`` is False they stay, and their reference becomes NULL, as the key's ON DELETE SET NULL says.
    """

    table: Table
    key: ForeignKey
    moves: bool
    branches: tuple[Branch, ...] = ()


def quarantine_name(table: QName) -> str:
    """The name of the table that rows of another one are moved to; long names do not run into each other.

    >>> quarantine_name(QName("public", "songs"))
    'public.songs'
    """
    name = f"{table.schema}.{table.name}"
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    return f"{clip(name, MAX_NAME_BYTES - 9)}_{blake2b(name.encode(), digest_size=4).hexdigest()}"


def quarantine_table(schema: str, table: Table) -> str:
    """Statements that make the table that rows are moved to, with the same columns and three more.

    Columns that the table was given since are added to one that is there already.
    """
    target = QName(schema, quarantine_name(table.name))
    make = (
        f"create table if not exists {target} as select t.*, null::uuid as referee_run, null::text as referee_reason,"
        f" null::timestamptz as referee_at from {table.name} as t with no data"
    )
    added = [f"add column if not exists {quote(column.name)} {column.type}" for column in table.columns]
    return f"set client_min_messages to warning; {make}; alter table {target} {', '.join(added)}"


def move(question: Question, table: Table, branches: Sequence[Branch], journal: Journal, reason: str) -> str:
    """Moves the picked rows and what hangs on them. One row: how many of the picked rows were moved.

    All of it is one statement: its parts see the same rows, and by the time the foreign keys act nothing is left for
    them to delete.
    """
    place = "r.tableoid = p.table_id and r.ctid = p.place"
    gone = f"gone0 as (delete from {question.rows} using {picked()} where {place} returning r.*)"
    parts = [gone, *_kept(0, table, question.id, journal, reason)]
    reached = list(_reached(branches, 0, count(1)))
    moved: dict[QName, list[int]] = {table.name: [0]}
    for parent, own, branch in reached:
        if branch.moves:
            parts += _moved(branch, parent, own, question, journal, reason)
            moved.setdefault(branch.table.name, []).append(own)
    # A row that moves by one key must not be changed by another: one statement changes a row but once, and what
    # came second would be left to the keys, which delete.
    for parent, own, branch in reached:
        if not branch.moves:
            parts += _forgetting(branch, parent, own, moved.get(branch.table.name, ()), question, journal, reason)
    return f"with {', '.join(parts)} select {_unless_overtaken(reached)} from gone0"


def _unless_overtaken(reached: Sequence[tuple[int, int, Branch]]) -> str:
    """The number of moved rows; an error where somebody changed, just now, a row that is to forget one of them."""
    tests = [
        f"(select count(*) from old{own}) = (select count(*) from gone{own})"
        for _, own, branch in reached
        if not branch.moves
    ]
    if not tests:
        return "count(*)"
    return f"case when {' and '.join(tests)} then count(*) else (count(*) || ' rows were overtaken')::bigint end"


def _reached(branches: Sequence[Branch], parent: int, numbers: Iterator[int]) -> Iterator[tuple[int, int, Branch]]:
    """Every branch with the number of what it hangs on and its own."""
    for branch in branches:
        own = next(numbers)
        yield parent, own, branch
        yield from _reached(branch.branches, own, numbers)


def _moved(branch: Branch, parent: int, own: int, question: Question, journal: Journal, reason: str) -> Iterator[str]:
    key = branch.key
    yield f"gone{own} as (delete from {key.table} as r using gone{parent} as g where {_hangs(key)} returning r.*)"
    yield from _kept(own, branch.table, question.id, journal, f"{key.ref}: {reason}")


def _forgetting(
    branch: Branch, parent: int, own: int, moved: Sequence[int], question: Question, journal: Journal, reason: str
) -> Iterator[str]:
    key = branch.key
    primary = branch.table.primary_key.columns if branch.table.primary_key is not None else ()
    nulls = ", ".join([f"{quote(column)} = null" for column in key.on_delete_columns or key.columns])
    same = " and ".join([f"{column_of('m', column)} = {column_of('r', column)}" for column in primary])
    same = same or "to_jsonb(m.*) = to_jsonb(r.*)"
    stays = [f"not exists (select from gone{number} as m where {same})" for number in moved]
    yield (
        f"old{own} as materialized (select r.tableoid as table_id, r.ctid as place, to_jsonb(r.*) as row_"
        f" from {key.table} as r, gone{parent} as g where {' and '.join([_hangs(key), *stays])} for update of r)"
    )
    yield (
        f"gone{own} as (update {key.table} as r set {nulls} from old{own} as o"
        " where r.tableoid = o.table_id and r.ctid = o.place returning o.row_ as before, to_jsonb(r.*) as after)"
    )
    changes = (
        f"jsonb_agg(jsonb_build_array({_key('before', replace(question, row_key=primary))},"
        f" {_differing('before', 'after')}, {_differing('after', 'before')}))"
    )
    because = string(f"{key.ref}: {reason}")
    note = _noted(journal, UPDATE, question.id, key.table, "count(*)", "null", changes, because, f"gone{own}")
    yield f"noted{own} as ({note})"


def _hangs(key: ForeignKey) -> str:
    """The condition that a row ``r`` refers to the row ``g`` that moves."""
    return " and ".join([f"{column_of('r', ours)} = {column_of('g', theirs)}" for ours, theirs in _pairs(key)])


def _pairs(key: ForeignKey) -> list[tuple[str, str]]:
    return list(zip(key.columns, key.target.columns, strict=True))


def _kept(number: int, table: Table, question: str, journal: Journal, reason: str) -> Iterator[str]:
    """The parts that keep the rows that one part has deleted, and note their keys."""
    target = QName(journal.schema, quarantine_name(table.name))
    names = [quote(column.name) for column in table.columns]
    primary = table.primary_key
    key = (
        f"jsonb_build_object({', '.join([f'{string(name)}, {quote(name)}' for name in primary.columns])})"
        if primary is not None
        else "null::jsonb"
    )
    yield (
        f"kept{number} as (insert into {target} ({', '.join(names)}, referee_run, referee_reason, referee_at)"
        f" select {', '.join(names)}, {string(journal.run)}::uuid, {string(reason)}, clock_timestamp()"
        f" from gone{number})"
    )
    changes = f"jsonb_agg(jsonb_build_array({key}))"
    note = _noted(journal, MOVE, question, table.name, "count(*)", "null", changes, string(reason), f"gone{number}")
    yield f"noted{number} as ({note})"


def held_back(branches: Sequence[ForeignKey]) -> str | None:
    """The condition that no row refers to ``r`` by keys that would not let it go; None where there are none."""
    tests = []
    for key in branches:
        match = " and ".join([f"{column_of('h', ours)} = {column_of('r', theirs)}" for ours, theirs in _pairs(key)])
        tests.append(f"not exists (select from {key.table} as h where {match})")
    return " and ".join(tests) or None


# Runs


def begin_run(journal: Journal, version: str, purpose: str, wish: str) -> str:
    return (
        f"insert into {journal.table('run')} (id, version, purpose, wish) values ({string(journal.run)}::uuid,"
        f" {string(version)}, {string(purpose)}, {string(wish)}::jsonb) on conflict do nothing"
    )


def unfinished_runs(schema: str, purpose: str, wish: str) -> str:
    """The query for the ids of runs with the same purpose and wish that have not ended, the newest first."""
    table = QName(schema, "run")
    return (
        f"select id::text from {table} where ended is null and purpose = {string(purpose)}"
        f" and wish = {string(wish)}::jsonb order by began desc"
    )


def end_run(journal: Journal, result: str) -> str:
    return (
        f"update {journal.table('run')} set ended = clock_timestamp(), result = {string(result)}::jsonb"
        f" where id = {string(journal.run)}::uuid"
    )


def drop_pairs(journal: Journal, subject: str) -> str:
    """Forgets the ids that a run had kept for a subject, before it is given others."""
    return (
        f"delete from {journal.table('pairs')} where run = {string(journal.run)}::uuid and subject = {string(subject)}"
    )


def add_pairs(journal: Journal, subject: str, pairs: Sequence[tuple[str, str]]) -> str:
    rows = ", ".join(
        [f"({string(journal.run)}::uuid, {string(subject)}, {string(old)}, {string(new)})" for old, new in pairs]
    )
    return (
        f"insert into {journal.table('pairs')} (run, subject, old, new) values {rows}"
        " on conflict (run, subject, old) do update set new = excluded.new"
    )


def note_step(journal: Journal, number: int, digest: str, table: QName | None, undo: Sequence[str] | None) -> str:
    """Notes that a step of a plan is done; ``undo`` are the statements that take it back, None where there are none."""
    name = table or QName("", "")
    undone = "null" if undo is None else f"jsonb_build_array({', '.join([string(text) for text in undo])})"
    return (
        f"insert into {journal.table('journal')}"
        " (run, action, question, table_schema, table_name, rows, transaction, changes, note)"
        f" values ({string(journal.run)}::uuid, {string(STEP)}, {string(f'step {number}')}, {string(name.schema)},"
        f" {string(name.name)}, 0, {_XID}, {undone}, {string(digest)})"
    )


def note_begun(journal: Journal, number: int, digest: str) -> str:
    """Notes that a step begins which cannot be in a transaction with its line in the journal."""
    return (
        f"insert into {journal.table('journal')}"
        " (run, action, question, table_schema, table_name, rows, transaction, note)"
        f" values ({string(journal.run)}::uuid, 'begun', {string(f'step {number}')}, '', '', 0, {_XID},"
        f" {string(digest)})"
    )


def steps_done(journal: Journal) -> str:
    """The query for the steps that a run has done, or begun: digest, action."""
    return (
        f"select note, action from {journal.table('journal')} where run = {string(journal.run)}::uuid"
        f" and action in ({string(STEP)}, 'begun') and undone is null"
    )


def rows_done(journal: Journal) -> str:
    """The query for what the run has done so far: action, question, rows."""
    return (
        f"select action, question, sum(rows - coalesce(undone_rows, 0))::bigint from {journal.table('journal')}"
        f" where run = {string(journal.run)}::uuid and undone is null and action not in ({string(STEP)}, 'begun')"
        " group by 1, 2"
    )


def origins_told(journal: Journal) -> str:
    """The query for where the names of the run's new mirror rows came from: question, origin, rows."""
    return (
        f"select question, e.key, sum(e.value::bigint)::bigint from {journal.table('journal')},"
        f" jsonb_each_text(changes) as e where run = {string(journal.run)}::uuid and action = {string(CREATE)}"
        " and undone is null and jsonb_typeof(changes) = 'object' group by 1, 2"
    )
