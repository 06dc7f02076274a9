"""What deleting one user does who has a row in every table that leads to users: what blocks, what goes, what stays."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from referee.model.identity import Identity
from referee.model.names import QName, quote
from referee.model.rehearsal import Blocker, Deletion, FailedStep, Step, TableCount
from referee.model.schema import ForeignKey, Schema
from referee.postgres.session import FailedStatementError, Report, Session
from referee.rehearse import gotrue
from referee.rehearse.base import Base, account, mirror_row, users_of
from referee.rehearse.blame import Blame
from referee.rehearse.people import OTHER, person
from referee.rehearse.requests import OUTSIDE
from referee.rehearse.rows import Row, RowMaker, Unmade, Users
from referee.rehearse.stage import Stage
from referee.rehearse.told import told
from referee.rehearse.words import describe

_MOST_BLOCKERS = 200
_LEAVER = person(0x60, "leaver")

Place = tuple[QName, str]


@dataclass(frozen=True)
class Counts:
    """How many rows there are in each table, and how many of them hold the user in each user column."""

    rows: Mapping[QName, int]
    held: Mapping[Place, int]


@dataclass
class Leaving:
    """One user's leaving, on a stage whose database holds the project and nothing else."""

    stage: Stage
    schema: Schema
    identities: Sequence[Identity]
    blame: Blame
    supplied: Mapping[QName, Mapping[str, str]]
    unmade: list[tuple[QName, str]] = field(default_factory=list)

    @property
    def source(self) -> QName:
        return self.identities[0].source.table

    @property
    def users(self) -> Users:
        return users_of(self.identities)

    def run(self) -> Deletion:
        base = Base(self.stage.database, self.stage.server.superuser, self.schema)
        session = self.stage.session(base.by_superuser("select 1"))
        maker = RowMaker(session, self.schema, self.users, self.supplied, (OTHER,))
        session.run(f"begin; {OUTSIDE}")
        self._put_other_there(maker)
        session.run("commit")
        there = self.rows_of(maker)
        at_first = self._count(session)
        arrival = self._arrive(base)
        self._fill(maker)
        steps = [*self._steps(base, there), *arrival, *self._steps(base, self.rows_of(maker)[len(there) :])]
        before = self._count(session)
        total = sum(before.rows.values()) - sum(at_first.rows.values())
        deletion = gotrue.delete(_LEAVER)
        first = self._delete_once(deletion)
        if first is not None and first.failure.constraint is None and first.failure.sqlstate != "23502":
            return Deletion(total, first, unmade=tuple(self.unmade), steps=(*steps, *deletion))
        session.run("begin")
        blockers = self._with_rows(session, list(self._clear_the_way(session)))
        after = self._count(session)
        session.run("rollback")
        return Deletion(
            total,
            first,
            tuple(blockers),
            *self._consequences(before, after, blockers),
            unmade=tuple(self.unmade),
            steps=(*steps, *deletion),
        )

    # The user and the rows

    def _arrive(self, base: Base) -> list[Step]:
        """The user signs up; where that fails, the account is put there."""
        arrival = gotrue.sign_up_by_email(_LEAVER, {"name": _LEAVER.name}, confirmed_at_once=True)
        if self.stage.perform(arrival) is None:
            return arrival
        steps = [base.by_superuser(text) for text in account(_LEAVER, self.source).statements()]
        self.stage.perform(steps)
        return steps

    def _fill(self, maker: RowMaker) -> None:
        """A row in every table from which keys lead to the user, by way of other tables too."""
        maker.session.run(f"begin; {OUTSIDE}")
        maker.adopt(account(_LEAVER, self.source), _LEAVER)
        for identity in self.identities:
            for mirror in identity.mirrors:
                self._mirror(maker, mirror.table, mirror.column, identity)
        for table in self._leading_here():
            if table not in self.users.mirrors:
                try:
                    maker.parent(table, _LEAVER, full=True)
                except Unmade as reason:
                    self.unmade.append((table, str(reason)))
        maker.session.run("commit")

    def _steps(self, base: Base, rows: Sequence[Row]) -> list[Step]:
        return [base.by_superuser(text) for text in (OUTSIDE, *(text for row in rows for text in row.statements()))]

    def _put_other_there(self, maker: RowMaker) -> None:
        """Another user, for rows that want two who differ."""
        row = account(OTHER, self.source)
        for statement in row.statements():
            maker.session.run(statement)
        maker.adopt(row, OTHER)
        for identity in self.identities:
            for mirror in identity.mirrors:
                with suppress(Unmade):
                    mirror_row(maker, mirror, OTHER)

    def _mirror(self, maker: RowMaker, table: QName, column: str, identity: Identity) -> None:
        """The mirror's row, unless a trigger has made it."""
        mirror = identity.mirror_by_table[table]
        query = f"select count(*) from {table} where {quote(column)} = {_LEAVER.literal}"
        if maker.session.value(query):
            adopted = self._existing(maker, table, column)
            maker.adopt(adopted, _LEAVER)
            return
        try:
            mirror_row(maker, mirror, _LEAVER)
        except Unmade as reason:
            self.unmade.append((table, str(reason)))

    def _existing(self, maker: RowMaker, table: QName, column: str) -> Row:
        found = self.schema.tables[table]
        names = [one.name for one in found.columns if one.generated is None]
        texts = ", ".join(f"quote_nullable({quote(name)}::text)" for name in names)
        (values,) = maker.session.rows(f"select {texts} from {table} where {quote(column)} = {_LEAVER.literal} limit 1")
        return Row(table, dict(zip(names, values, strict=True)), exists=True)

    def rows_of(self, maker: RowMaker) -> list[Row]:
        """All rows that were put there, in their order; the account of the other user is not the maker's."""
        return [account(OTHER, self.source), *maker.made]

    def _leading_here(self) -> list[QName]:
        """The project's tables from which keys lead to the source or a mirror, the nearest first."""
        targets = [self.source, *self.users.mirrors]
        found: dict[QName, None] = {}
        queue = deque(targets)
        while queue:
            for key in self.schema.referencing.get(queue.popleft(), ()):
                table = self.schema.table(key.table)
                if table is None or table.kind == "foreign" or self.schema.is_managed(key.table.schema):
                    continue
                if key.table not in found and key.table not in targets:
                    found[key.table] = None
                    queue.append(key.table)
        return list(found)

    def _own_tables(self) -> list[QName]:
        return sorted(
            table.name for table in self.schema.own_tables if table.kind != "foreign" and table.partition_of is None
        )

    # The deletion

    def _delete_once(self, deletion: Sequence[Step]) -> FailedStep | None:
        """The deletion as it is, kept from taking place where it would pass."""
        *steps, commit = deletion
        refusal = self.stage.perform(
            [*steps, Step(commit.session, commit.role, "set constraints all immediate", commit.told)]
        )
        self.stage.roll_back(commit)
        if refusal is None:
            return None
        return FailedStep(refusal.step, self.blame.failure(refusal.report), told(refusal.step, refusal.report))

    def _clear_the_way(self, session: Session) -> Iterator[Blocker]:
        """Deletes, drops each key that blocks, and tries again until it passes; all of it is rolled back in the end."""
        statement = f"delete from {self.source} where id = {_LEAVER.literal}"
        for _ in range(_MOST_BLOCKERS):
            session.run("savepoint referee_deletion")
            try:
                session.run(f"{statement}; set constraints all immediate")
            except FailedStatementError as error:
                session.run("rollback to referee_deletion")
                key = self._blocking(error.report)
                if key is None:
                    return
                session.run(f"alter table {key.table} drop constraint {quote(key.name)}")
                yield Blocker(key, 1, self._path(key), self.blame.place_of(key))
            else:
                return

    def _with_rows(self, session: Session, blockers: Sequence[Blocker]) -> list[Blocker]:
        """How many rows stand in the way: those that name nobody once the user is gone without their keys.

        RESTRICT may refuse for a row that goes later in the same deletion: then it is the one that was met.
        """
        if not blockers:
            return []
        (found,) = session.rows("select " + ", ".join(f"({_dangling(blocker.key)})" for blocker in blockers))
        return [replace(one, rows=max(int(rows), 1)) for one, rows in zip(blockers, found, strict=True)]

    def _blocking(self, report: Report) -> ForeignKey | None:
        """The key that refused; for an empty NOT NULL column the key that would empty it."""
        table = self.schema.table(QName(report.schema or "", report.table or ""))
        while table is not None:
            for key in table.foreign_keys:
                empties = key.on_delete in ("SET NULL", "SET DEFAULT")
                if key.name == report.constraint:
                    return key
                if report.sqlstate == "23502" and empties and report.column in (key.on_delete_columns or key.columns):
                    return key
            table = self.schema.table(table.partition_of) if table.partition_of is not None else None
        return None

    def _path(self, last: ForeignKey) -> tuple[ForeignKey, ...]:
        """The way from the source to a key, along keys that cascade; the key alone where it hangs on the source."""
        before: dict[QName, ForeignKey] = {}
        queue = deque([self.source])
        while queue:
            at = queue.popleft()
            for key in self.schema.referencing.get(at, ()):
                if key.on_delete == "CASCADE" and key.table not in before and key.table != self.source:
                    before[key.table] = key
                    queue.append(key.table)
        path = [last]
        while path[0].target.table in before and path[0].target.table != self.source:
            path.insert(0, before[path[0].target.table])
        return tuple(path)

    # Counting

    def _count(self, session: Session) -> Counts:
        tables = self._own_tables()
        users = self.users
        places = [(table, column) for table in tables for column in sorted(users.columns(table))]
        queries = [f"select count(*) from {table}" for table in tables]
        queries += [
            f"select count(*) from {table} where {quote(column)} = {_LEAVER.literal}" for table, column in places
        ]
        if not queries:
            return Counts({}, {})
        (numbers,) = session.rows("select " + ", ".join(f"({query})" for query in queries))
        return Counts(dict(zip(tables, numbers, strict=False)), dict(zip(places, numbers[len(tables) :], strict=True)))

    def _consequences(
        self, before: Counts, after: Counts, blockers: Sequence[Blocker]
    ) -> tuple[tuple[TableCount, ...], tuple[TableCount, ...], tuple[TableCount, ...]]:
        """Rows that the deletion destroyed, rows that it left without the user, rows that still name the user.

        What a key that blocks kept is none of them.
        """
        held_by_blocker = {(blocker.key.table, column) for blocker in blockers for column in blocker.key.columns}
        destroyed: list[TableCount] = []
        emptied: list[TableCount] = []
        left: list[TableCount] = []
        for table in self._own_tables():
            gone = before.rows[table] - after.rows[table]
            columns = [one for one in sorted(self.users.columns(table)) if (table, one) not in held_by_blocker]
            lost = {column: before.held[table, column] - after.held[table, column] - gone for column in columns}
            without = tuple(column for column, number in lost.items() if number > 0)
            kept = tuple(column for column in columns if after.held[table, column])
            if gone > 0:
                destroyed.append(TableCount(table, gone))
            if without:
                emptied.append(TableCount(table, max(lost.values()), without))
            if kept:
                left.append(TableCount(table, max(after.held[table, column] for column in kept), kept))
        return tuple(destroyed), tuple(emptied), tuple(left)


def _dangling(key: ForeignKey) -> str:
    """Counts the rows whose key is all there and names no row."""
    held = " and ".join(f"r.{quote(column)} is not null" for column in key.columns)
    pairs = zip(key.target.columns, key.columns, strict=True)
    same = " and ".join(f"t.{quote(target)} = r.{quote(column)}" for target, column in pairs)
    named = f"exists (select from {key.target.table} t where {same})"
    return f"select count(*) from {key.table} r where {held} and not {named}"


def consequences(
    stage: Stage,
    schema: Schema,
    identities: Sequence[Identity],
    blame: Blame,
    supplied: Mapping[QName, Mapping[str, str]],
) -> Deletion:
    """What comes of deleting a user who has rows everywhere; the database holds the project and nothing else."""
    try:
        return Leaving(stage, schema, identities, blame, supplied).run()
    except FailedStatementError as error:
        return Deletion(0, reason=f"the user's rows could not be made: {describe(error.report)}")
