"""Changes as ordered steps for a database that is in use.

First what fills the mirror, then the rows that are missing, then each new key NOT VALID beside the old one, then its
validation, and only then the old key goes and the new one takes its name. No step holds a lock that blocks writers for
longer than a change of the catalog.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from referee.fixing import function, sync, trigger
from referee.fixing.in_place import own_row_policy
from referee.fixing.sync import UndecidedError
from referee.model import change as changes
from referee.model.change import Change
from referee.model.names import QName, Ref, Target, quote
from referee.model.plan import BATCH, Lock, Phase, Question, Step, Timeouts
from referee.model.schema import Column, ForeignKey, Schema, Table
from referee.sql import clauses
from referee.sql.clauses import UnwritableError
from referee.sql.questions import Questions
from referee.sql.write import Writer

#: Makes a name as Postgres does: table, columns, label, and whether a name is taken.
Naming = Callable[[str, tuple[str, ...], str, Callable[[str], bool]], str]

_QUEUE = (
    "A statement that waits for this lock makes others wait behind it; the limit ends that after {}. Then try again."
)


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of several changes in their order. ``failed`` maps a change to why there is none for it."""

    steps: tuple[Step, ...]
    questions: tuple[Question, ...]
    verification: tuple[str, ...]
    failed: Mapping[Change, str]
    added: tuple[ForeignKey, ...] = ()
    """The foreign keys that are new, with their names."""


def plan_steps(
    schema: Schema,
    wanted: Iterable[Change],
    answers: Mapping[str, str],
    naming: Naming,
    sources: Mapping[Target, Target] | None = None,
) -> Steps:
    """The steps that bring about changes of a schema. ``wanted`` may build on each other.

    ``sources`` maps each mirror to its source: a key that is to reference a mirror needs all its rows there, also those
    of accounts that are older than the trigger that fills it.
    """
    planner = _Planner(schema, answers, naming, sources or {})
    # A trigger brings its backfill along.
    for change in sorted(wanted, key=lambda change: not isinstance(change, changes.CreateSyncTrigger)):
        try:
            planner.add(change)
        except (UndecidedError, UnwritableError) as error:
            planner.failed[change] = str(error)
            planner.questions += getattr(error, "questions", ())
    # What lets people sign up again does not wait for the building of indexes, which read whole tables.
    steps = sorted(planner.all_steps(), key=lambda step: (step.phase, step.phase is Phase.EXPAND and _reads(step)))
    added = [key for ref, key in planner.keys.items() if former_key(schema, ref) is None]
    return Steps(tuple(steps), tuple(planner.questions), tuple(planner.verification), planner.failed, tuple(added))


def _reads(step: Step) -> bool:
    return step.touches is not None


@dataclass
class _Planner:
    schema: Schema
    answers: Mapping[str, str]
    naming: Naming
    sources: Mapping[Target, Target]
    filled: set[Target] = field(default_factory=set)
    """The mirrors for which there is a backfill."""
    steps: list[Step] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    verification: list[str] = field(default_factory=list)
    failed: dict[Change, str] = field(default_factory=dict)
    keys: dict[Ref, ForeignKey] = field(default_factory=dict)
    """What becomes of each foreign key that changes, by the name that it has or is to have."""
    dropped: set[Ref] = field(default_factory=set)

    def add(self, change: Change) -> None:
        found = _PLANNERS.get(type(change))
        if found is not None:
            found(self, change)
        else:
            self.steps += _plain(self, change)

    def key(self, ref: Ref) -> ForeignKey:
        """A foreign key as it is to be. Raises UnwritableError where there is none."""
        if ref in self.keys:
            return self.keys[ref]
        found = former_key(self.schema, ref)
        if found is None:
            raise UnwritableError(f"There is no foreign key {ref}.")
        return found

    def change_key(self, ref: Ref, **facts: Any) -> None:
        self.keys[ref] = replace(self.key(ref), **facts)

    def table(self, name: QName) -> Table:
        found = self.schema.table(name)
        if found is None:
            raise UnwritableError(f"There is no table {name}.")
        return found

    def all_steps(self) -> Iterator[Step]:
        yield from self.steps
        asked = Questions(self.schema)
        for ref, key in self.keys.items():
            former = former_key(self.schema, ref)
            if ref in self.dropped or former == key:
                continue
            self.verification.append(asked.orphans(replace(key, name=ref.part)).text)
            yield from _key_steps(self, asked, former, key)
        for ref in self.dropped:
            former = former_key(self.schema, ref)
            if former is not None:
                yield _drop_key(former, former.name, _restoring(asked, former))


def former_key(schema: Schema, ref: Ref) -> ForeignKey | None:
    """The foreign key of that name before anything changes."""
    table = schema.table(ref.owner)
    return next((key for key in table.foreign_keys if key.name == ref.part), None) if table is not None else None


# Foreign keys


def _key_steps(planner: _Planner, asked: Questions, former: ForeignKey | None, key: ForeignKey) -> Iterator[Step]:
    if former is not None and replace(former, validated=True) == key:
        yield _validate(asked, key, key.name)
        return
    if former is None:
        yield _referenced_first(key, _add_key(key, key.name, (_drop_text(key, key.name),)))
        yield _validate_if_clean(asked, key)
        return
    if former.target == key.target:
        # Two keys along the same columns to the same table would make API requests that embed it ambiguous.
        yield _replace(asked, former, key)
        if key.validated:
            yield _validate(asked, key, key.name)
        return
    table = planner.table(key.table)
    new = planner.naming(key.table.name, key.columns, "referee", lambda name: _is_taken(table, name))
    yield _add_key(key, new, (_drop_text(key, new),))
    if key.validated:
        # On the way back the old key is there again by now, and has to be validated in a transaction of its own.
        undo = (validate_if_clean(asked, former),) if former.validated else ()
        yield replace(_validate(asked, key, new), undo=undo)
    yield _swap(former, key, new)


def _is_taken(table: Table, name: str) -> bool:
    names = {key.name for key in table.keys} | {key.name for key in table.foreign_keys}
    names |= {check.name for check in table.checks} | {exclusion.name for exclusion in table.exclusions}
    return name in names


def _alter(table: QName, action: str) -> str:
    return clauses.statement(f"alter table {table} {action}", "AlterTableStmt", "RenameStmt")


def _drop_text(key: ForeignKey, name: str) -> str:
    """What takes a key back, as far as it is there."""
    return _alter(key.table, f"drop constraint if exists {quote(name)}")


def _replace_text(key: ForeignKey, if_exists: bool) -> str:
    """A key in the place of the one that has its name: at no time are new rows checked against neither."""
    drop = f"drop constraint {'if exists ' if if_exists else ''}{quote(key.name)}"
    return _alter(key.table, f"{drop},\n  add {clauses.foreign_key(key, not_valid=True)}")


def _add_key(key: ForeignKey, name: str, undo: tuple[str, ...]) -> Step:
    limits = Timeouts()
    return Step(
        Phase.VALIDATE,
        _alter(key.table, f"add {clauses.foreign_key(replace(key, name=name), not_valid=True)}"),
        f"{Target(key.table, key.columns)} references {key.target}: from now on new rows are checked, old ones not yet",
        _both(key, "SHARE ROW EXCLUSIVE"),
        alone=True,
        timeouts=limits,
        hazards=(_QUEUE.format(limits.lock),),
        undo=undo,
    )


def _replace(asked: Questions, former: ForeignKey, key: ForeignKey) -> Step:
    """For a key that keeps its target: what it does on deletion changes from one moment to the next."""
    step = _drop_key(former, former.name, _restoring(asked, former))
    return replace(
        step,
        phase=Phase.VALIDATE,
        sql=_replace_text(key, if_exists=False),
        about=f"{key.ref}: ON DELETE {key.on_delete} from now on; new rows are checked all the time, old ones next",
    )


def _referenced_first(key: ForeignKey, step: Step) -> Step:
    """A sign-up locks the source and then the mirror; taking the locks in the other order would be a deadlock."""
    body = f"begin\n  lock table {key.target.table} in share row exclusive mode;\n  {step.sql};\nend"
    return replace(step, sql=clauses.statement(f"do {_dollars(body)}", "DoStmt"))


def _both(key: ForeignKey, mode: str, referenced: str | None = None) -> tuple[Lock, ...]:
    locks = (Lock(key.table, mode), Lock(key.target.table, referenced or mode))
    return tuple(dict.fromkeys(locks))


def _validate(asked: Questions, key: ForeignKey, name: str) -> Step:
    return Step(
        Phase.VALIDATE,
        _alter(key.table, f"validate constraint {quote(name)}"),
        f"every row of {key.table} is checked; it fails with 23503 while this finds a row:\n{asked.orphans(key).text}",
        _both(key, "SHARE UPDATE EXCLUSIVE", "ROW SHARE"),
        repeatable=True,
        hazards=("It reads the whole table. Writers go on meanwhile.",),
        touches=key.table,
    )


def _validate_if_clean(asked: Questions, key: ForeignKey) -> Step:
    """For a reference that nothing has checked so far: rows that break it are nobody's to delete."""
    step = _validate(asked, key, key.name)
    hazard = "While rows break it, it stays NOT VALID and keeps new ones out: decide about them, then validate."
    return replace(
        step,
        sql=validate_if_clean(asked, key),
        about=f"every row of {key.table} is checked; these rows break it:\n{asked.orphans(key).text}",
        hazards=(*step.hazards, hazard),
    )


def _drop_key(key: ForeignKey, name: str, undo: tuple[str, ...]) -> Step:
    limits = Timeouts()
    hazards = [_QUEUE.format(limits.lock)]
    if key.target.table == sync.AUTH_USERS:
        hazards.append(f"While it waits for {key.target.table}, nobody can sign in.")
    return Step(
        Phase.CONTRACT,
        _alter(key.table, f"drop constraint {quote(name)}"),
        f"{key.ref} goes",
        _both(key, "ACCESS EXCLUSIVE"),
        alone=True,
        timeouts=limits,
        hazards=tuple(hazards),
        undo=undo,
    )


def _swap(former: ForeignKey, key: ForeignKey, new: str) -> Step:
    """One statement, so that there is no time between in which the key has another name, whoever runs the file."""
    renamed = _alter(key.table, f"rename constraint {quote(new)} to {quote(former.name)}")
    step = _drop_key(former, former.name, (_replace_text(former, if_exists=True),))
    body = f"begin\n  {step.sql};\n  {renamed};\nend"
    return replace(
        step,
        sql=clauses.statement(f"do {_dollars(body)}", "DoStmt"),
        about=f"the key to {former.target} goes, and the new one takes its name, which API requests may use as a hint",
    )


def _restoring(asked: Questions, former: ForeignKey) -> tuple[str, ...]:
    """The old key comes back without looking at old rows; it is validated where no row speaks against it."""
    added = _replace_text(former, if_exists=True)
    if not former.validated:
        return (added,)
    return added, validate_if_clean(asked, former)


def validate_if_clean(asked: Questions, key: ForeignKey) -> str:
    """Validates a key unless a row breaks it; then it stays NOT VALID, and a warning says so."""
    validated = _alter(key.table, f"validate constraint {quote(key.name)}")
    warning = clauses.string(f"{key.ref} stays NOT VALID: some rows refer to nothing")
    body = (
        f"begin\n  if not exists ({asked.orphans(key).text}) then\n    {validated};\n"
        f"  else\n    raise warning using message = {warning};\n  end if;\nend"
    )
    return clauses.statement(f"do {_dollars(body)}", "DoStmt")


def _dollars(body: str) -> str:
    tag = "$$"
    while tag[:-1] in body:
        tag = "$referee$" if tag == "$$" else f"{tag[:-1]}_$"
    return f"{tag}\n{body}\n{tag}"


def _fill(planner: _Planner, mirror: Target) -> None:
    """A key to a mirror needs all its rows. Raises UndecidedError where nobody knows what they hold."""
    source = planner.sources.get(mirror)
    if source is not None and mirror not in planner.filled:
        filling = changes.CreateSyncTrigger(source, mirror)
        values = sync.decided_values(planner.schema, filling, planner.answers)
        _backfill(planner, filling, values)


def _refuse_partitioned(planner: _Planner, key: ForeignKey, replaced: str | None = None) -> None:
    """The key of a partitioned table takes no NOT VALID before PostgreSQL 18. Raises UnwritableError for one."""
    if planner.table(key.table).kind != "partitioned":
        return
    drop = f"drop constraint {quote(replaced)}, " if replaced is not None else ""
    sql = _alter(key.table, f"{drop}add {clauses.foreign_key(key, not_valid=False)}")
    raise UnwritableError(
        f"{key.table} is partitioned, and before PostgreSQL 18 its keys cannot come NOT VALID: all rows are read while "
        f"nobody can write there or to {key.target.table}, so choose the hour for it: {sql}"
    )


def _retarget(planner: _Planner, change: changes.RetargetForeignKey) -> None:
    former = planner.key(change.key.ref)
    _refuse_partitioned(planner, replace(former, target=change.to), former.name)
    _fill(planner, change.to)
    planner.change_key(change.key.ref, target=change.to)


def _set_on_delete(planner: _Planner, change: changes.SetOnDelete) -> None:
    former = planner.key(change.key.ref)
    _refuse_partitioned(planner, replace(former, on_delete=change.action, on_delete_columns=()), former.name)
    planner.change_key(change.key.ref, on_delete=change.action, on_delete_columns=())


def _validate_key(planner: _Planner, change: changes.ValidateForeignKey) -> None:
    planner.change_key(change.key, validated=True)


def _drop_constraint(planner: _Planner, change: changes.DropConstraint) -> None:
    planner.key(change.constraint)
    planner.dropped.add(change.constraint)


def _add_foreign_key(planner: _Planner, change: changes.AddForeignKey) -> None:
    table = planner.table(change.table)
    made = {ref.part for ref in planner.keys if ref.owner == change.table}
    name = planner.naming(
        change.table.name, change.columns, "fkey", lambda name: name in made or _is_taken(table, name)
    )
    key = ForeignKey(change.table, name, change.columns, change.to, change.on_delete)
    _refuse_partitioned(planner, key)
    _fill(planner, change.to)
    planner.keys[key.ref] = key


def _add_identity_key(planner: _Planner, change: changes.AddIdentityKey) -> None:
    """Rows of the mirror whose account is gone are nobody's to delete: with them the key stays NOT VALID."""
    mirror = change.mirror
    _add_foreign_key(planner, changes.AddForeignKey(mirror.table, mirror.columns, change.source, change.on_delete))


# The mirror


def _create_sync_trigger(planner: _Planner, change: changes.CreateSyncTrigger) -> None:
    found = sync.compose(planner.schema, change, planner.answers)
    planner.questions += found.questions
    drop_trigger, drop_function = [_if_exists(statement) for statement in found.undo]
    limits = Timeouts()
    source, mirror = change.source.table, change.mirror.table
    planner.steps += [
        Step(
            Phase.EXPAND,
            clauses.or_replace(found.create_function),
            f"what gives each row of {source} its row in {mirror}",
            repeatable=True,
            undo=(drop_function,),
        ),
        Step(Phase.EXPAND, found.revoke, "nobody calls it but the trigger", repeatable=True),
        Step(
            Phase.EXPAND,
            found.create_trigger,
            "first of all: every account from here on has its row, whoever makes it and however",
            (Lock(source, "SHARE ROW EXCLUSIVE"),),
            alone=True,
            timeouts=limits,
            hazards=(_QUEUE.format(limits.lock),),
            undo=(drop_trigger,),
        ),
    ]
    _backfill(planner, change, found.values)


def _if_exists(statement: str) -> str:
    """A DROP that may be run again."""
    kind, name = statement.removeprefix("drop ").split(" ", 1)
    return clauses.statement(f"drop {kind} if exists {name}")


def _backfill(planner: _Planner, change: changes.CreateSyncTrigger, values: tuple[sync.Value, ...]) -> None:
    source, mirror = change.source.table, change.mirror.table
    planner.filled.add(change.mirror)
    planner.verification.append(sync.unmirrored(change))
    filling = sync.backfill(change, values)
    planner.steps.append(
        Step(
            Phase.BACKFILL,
            filling,
            f"the accounts from before the trigger get their rows; this counts them:\n{sync.unmirrored(change)}",
            (Lock(mirror, "ROW EXCLUSIVE"), Lock(source, "ACCESS SHARE")),
            repeatable=True,
            hazards=(
                f"Whoever deleted the own row of {mirror} and kept the account has one again.",
                "With very many rows missing, let `referee repair --plan` fill them in committed batches before.",
            ),
            touches=sync.unmirrored(change),
            batch=_limited(filling),
        )
    )


def _limited(filling: str) -> str:
    """A backfill of some rows that are missing; whoever runs it again gets the next ones."""
    select, _, conflict = filling.rpartition("\non conflict ")
    return clauses.statement(f"{select}\nlimit {BATCH}\non conflict {conflict}")


def _create_policy(planner: _Planner, change: changes.CreatePolicy) -> None:
    table = planner.table(change.table)
    sql = own_row_policy(change, {policy.name for policy in table.policies})
    name = sql.split(" on ", 1)[0].removeprefix("create policy ")
    planner.steps.append(
        Step(
            Phase.EXPAND,
            sql,
            f"whoever signed in may {change.command} the own row",
            (Lock(change.table, "ACCESS EXCLUSIVE"),),
            alone=True,
            hazards=(_QUEUE.format(Timeouts().lock),),
            undo=(clauses.statement(f"drop policy if exists {name} on {change.table}"),),
        )
    )


def _create_index(planner: _Planner, change: changes.CreateIndex) -> None:
    if planner.table(change.table).kind == "partitioned":
        _create_index_of_partitions(planner, change)
        return
    name = _index_name(planner, change.table, change.columns, frozenset())
    planner.steps.append(_index_step(change.table, name, change.columns))


def _index_name(planner: _Planner, table: QName, columns: tuple[str, ...], also: frozenset[str]) -> str:
    taken = {index.name for known in planner.schema.tables.values() for index in known.indexes} | also
    return planner.naming(table.name, columns, "idx", taken.__contains__)


def _index_step(table: QName, name: str, columns: tuple[str, ...]) -> Step:
    return Step(
        Phase.EXPAND,
        clauses.statement(f"create index concurrently {quote(name)} on {table} ({clauses.names(columns)})"),
        "deleting what is referenced no longer reads the whole table",
        (Lock(table, "SHARE UPDATE EXCLUSIVE"),),
        in_transaction=False,
        alone=True,
        timeouts=Timeouts(lock="0"),
        hazards=("If it is interrupted, it leaves an invalid index: drop that and run it again.",),
        undo=(clauses.statement(f"drop index if exists {QName(table.schema, name)}"),),
        touches=table,
    )


def _create_index_of_partitions(planner: _Planner, change: changes.CreateIndex) -> None:
    """One index for each partition, CONCURRENTLY; the parent's then takes them over and builds none."""
    children = [table for table in planner.schema.tables.values() if table.partition_of == change.table]
    if any(child.kind == "partitioned" for child in children):
        raise UnwritableError(f"the partitions of {change.table} have partitions of their own")
    made: set[str] = set()
    for child in sorted(children, key=lambda child: child.name):
        name = _index_name(planner, child.name, change.columns, frozenset(made))
        made.add(name)
        planner.steps.append(replace(_index_step(child.name, name, change.columns), undo=()))
    name = _index_name(planner, change.table, change.columns, frozenset(made))
    columns = clauses.names(change.columns)
    planner.steps.append(
        Step(
            Phase.EXPAND,
            clauses.statement(f"create index {quote(name)} on {change.table} ({columns})"),
            "the parent's index takes over those of the partitions",
            tuple([Lock(table, "SHARE") for table in (change.table, *sorted(child.name for child in children))]),
            alone=True,
            hazards=(_QUEUE.format(Timeouts().lock),),
            undo=(clauses.statement(f"drop index if exists {QName(change.table.schema, name)}"),),
            touches=change.table,
        )
    )


# Columns and the rest


def _set_not_null(planner: _Planner, change: changes.SetNotNull) -> None:
    if change.not_null:
        raise UnwritableError("rows that hold NULL have to be filled first, and referee does not know with what")
    column = quote(change.column.part)
    table = planner.table(change.column.owner)
    if table.kind == "partitioned":
        raise UnwritableError(f"{table.name} is partitioned, and the key that would empty it waits")
    planner.steps.append(
        Step(
            Phase.EXPAND,
            _alter(change.column.owner, f"alter column {column} drop not null"),
            f"{change.column} may be empty",
            (Lock(change.column.owner, "ACCESS EXCLUSIVE"),),
            alone=True,
            repeatable=True,
            hazards=(_QUEUE.format(Timeouts().lock),),
            undo=_not_null_back(planner, table, change.column.part),
        )
    )


def _not_null_back(planner: _Planner, table: Table, column: str) -> tuple[str, ...]:
    """SET NOT NULL reads the table under a lock that keeps everybody out, save where a valid check tells (12, 5.4.1).

    While a row holds NULL, the check stays NOT VALID and keeps new ones out.
    """
    name, label = quote(column), f"{table.name}.{quote(column)}"
    check = planner.naming(table.name.name, (column,), "filled", lambda name: _is_taken(table, name))
    added = f"add constraint {quote(check)} check ({name} is not null) not valid"
    new = _alter(table.name, f"drop constraint if exists {quote(check)},\n  {added}")
    validated = _alter(table.name, f"validate constraint {quote(check)}")
    set_not_null = _alter(table.name, f"alter column {name} set not null")
    drop = _alter(table.name, f"drop constraint {quote(check)}")
    warning = clauses.string(f"{label} takes NULL as before: some rows hold it; {quote(check)} keeps new ones out")
    is_valid = (
        f"select from pg_catalog.pg_constraint where conrelid = {clauses.string(str(table.name))}::regclass "
        f"and conname = {clauses.string(check)} and convalidated"
    )
    validating = (
        f"begin\n  if not exists (select from {table.name} where {name} is null) then\n    {validated};\n"
        f"  else\n    raise warning using message = {warning};\n  end if;\nend"
    )
    setting = f"begin\n  if exists ({is_valid}) then\n    {set_not_null};\n    {drop};\n  end if;\nend"
    return new, *[clauses.statement(f"do {_dollars(body)}", "DoStmt") for body in (validating, setting)]


def _drop_default(planner: _Planner, change: changes.DropDefault) -> None:
    table = planner.table(change.column.owner)
    column = table.column(change.column.part)
    restored = _default_back(change.column, column)
    for statement in Writer(planner.schema).write(change):
        planner.steps.append(
            Step(
                Phase.EXPAND,
                statement.text,
                f"{change.column} no longer makes values of its own",
                (Lock(change.column.owner, "ACCESS EXCLUSIVE"),),
                alone=True,
                repeatable=True,
                undo=restored,
            )
        )


def _repair_sync_function(planner: _Planner, change: changes.RepairSyncFunction) -> None:
    """CREATE OR REPLACE keeps owner, grants and the trigger; sessions that run the old body end it undisturbed."""
    found = function.rewrite(planner.schema, change, planner.answers)
    planner.questions += found.questions
    former = next(one for one in planner.schema.functions.values() if one.ref == change.function)
    planner.steps.append(
        Step(
            Phase.EXPAND,
            clauses.statement(clauses.function(found.function), "CreateFunctionStmt"),
            f"{former.name.qualified} no longer fails sign-ups: {'; '.join(change.faults)}",
            repeatable=True,
            undo=(clauses.statement(clauses.function(former), "CreateFunctionStmt"),),
        )
    )


def _enable_trigger(planner: _Planner, change: changes.EnableTrigger) -> None:
    ref = change.trigger
    planner.steps.append(
        Step(
            Phase.EXPAND,
            trigger.enabling(planner.schema, ref),
            f"{ref} fires again",
            (Lock(ref.owner, "SHARE ROW EXCLUSIVE"),),
            alone=True,
            repeatable=True,
            hazards=(_QUEUE.format(Timeouts().lock),),
            undo=(_disabled_again(planner.schema, ref),),
        )
    )


def _disabled_again(schema: Schema, ref: Ref) -> str:
    """Where the migration role does not own the table, it may not: then the trigger fires still, with a warning."""
    disabled = trigger.switch(ref, "disable")
    if not schema.is_managed(ref.schema):
        return disabled
    warning = clauses.string(f"{quote(ref.part)} fires still: only the owner of {ref.owner} may disable it")
    refused = f"exception when insufficient_privilege then\n  raise warning using message = {warning};"
    body = f"begin\n  {disabled};\n{refused}\nend"
    return clauses.statement(f"do {_dollars(body)}", "DoStmt")


_VARYING = re.compile(r"character varying\((\d+)\)")


def _alter_column_type(planner: _Planner, change: changes.AlterColumnType) -> None:
    """Only where the rows stay as they are: else nobody could use the table while it is written anew."""
    ref = change.column
    column = planner.table(ref.owner).column(ref.part)
    sql = _alter(ref.owner, f"alter column {quote(ref.part)} type {clauses.type_name(change.type)}")
    if column is None or not _keeps_rows(column.type, change.type):
        raise UnwritableError(f"it writes {ref.owner} anew while nobody can use it, so choose the hour for it: {sql}")
    planner.steps.append(
        Step(
            Phase.EXPAND,
            sql,
            f"{ref} holds all that it may reference",
            (Lock(ref.owner, "ACCESS EXCLUSIVE"),),
            alone=True,
            repeatable=True,
            hazards=(_QUEUE.format(Timeouts().lock),),
            undo=None,
        )
    )


def _keeps_rows(former: str, wanted: str) -> bool:
    """Whether a type takes the values of another as they are stored (PostgreSQL 18, ALTER TABLE, Notes)."""
    one, other = _VARYING.fullmatch(former), _VARYING.fullmatch(wanted)
    if one is None and former != "character varying":
        return False
    if wanted in ("text", "character varying"):
        return True
    return one is not None and other is not None and int(other[1]) >= int(one[1])


def _default_back(ref: Ref, column: Column | None) -> tuple[str, ...]:
    if column is None or column.default is None:
        return ()
    return (_alter(ref.owner, f"alter column {quote(ref.part)} set default {clauses.expression(column.default)}"),)


def _plain(planner: _Planner, change: Change) -> Iterator[Step]:
    """Any other change by its direct statements; what takes it back is not known."""
    for statement in Writer(planner.schema).write(change):
        yield Step(
            Phase.EXPAND,
            statement.text,
            change.describe(),
            alone=True,
            hazards=("No statement takes it back.", _QUEUE.format(Timeouts().lock)),
            undo=None,
        )


_PLANNERS: dict[type, Callable[[_Planner, Any], None]] = {
    changes.RetargetForeignKey: _retarget,
    changes.SetOnDelete: _set_on_delete,
    changes.ValidateForeignKey: _validate_key,
    changes.DropConstraint: _drop_constraint,
    changes.AddForeignKey: _add_foreign_key,
    changes.AddIdentityKey: _add_identity_key,
    changes.CreateSyncTrigger: _create_sync_trigger,
    changes.CreatePolicy: _create_policy,
    changes.CreateIndex: _create_index,
    changes.SetNotNull: _set_not_null,
    changes.DropDefault: _drop_default,
    changes.RepairSyncFunction: _repair_sync_function,
    changes.EnableTrigger: _enable_trigger,
    changes.AlterColumnType: _alter_column_type,
}
