"""Minimal valid rows: one for each table that a rehearsal needs, with all that must stand before it.

The server is the judge. Candidates are put into the CHECK constraints by a query, the row is inserted and taken back,
and what the server objects to is mended as far as it can be.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count, islice, product

from referee.model.names import QName, quote
from referee.model.schema import Column, ForeignKey, Schema, Table
from referee.postgres.session import FailedStatementError, Report, Session, literal
from referee.rehearse.people import Person
from referee.rehearse.values import Hint, Values, hints_in
from referee.rehearse.words import describe
from referee.sql.expressions import read_expression

# What a cast of a text to an enum ends in.
_NO_LABEL = re.compile(r'invalid input value for enum (?P<type>.+?): "(?P<value>.*)"', re.DOTALL)

_MENDS = 12
_COMBINATIONS = 20_000
_SINGLE_TRIES = 200
_DEPTH = 25

Changes = Mapping[str, str]


class Unmade(Exception):  # noqa: N818 - an answer, not an error
    """No valid row could be made; the message is why."""


@dataclass(frozen=True)
class Row:
    """A row for one table. ``values`` are SQL expressions by column; ``parents`` must stand before it, in their order.

    ``quiet`` is whether it went in with triggers off, because they would not have it. ``companions`` are parents that
    name the very user who is tried, such as a membership: each with the column that does.
    """

    table: QName
    values: Mapping[str, str]
    parents: tuple[Row, ...] = ()
    quiet: bool = False
    overriding: bool = False
    exists: bool = False
    """Whether a migration put it there."""
    companions: tuple[tuple[Row, str], ...] = ()

    def insert(self, changes: Mapping[str, str] | None = None) -> str:
        """The INSERT, with some values replaced or added."""
        values = {**self.values, **(changes or {})}
        if not values:
            return f"insert into {self.table} default values"
        columns = ", ".join(map(quote, values))
        override = " overriding system value" if self.overriding else ""
        return f"insert into {self.table} ({columns}){override} values ({', '.join(values.values())})"

    def statements(self) -> Iterator[str]:
        """What a superuser runs to have this row: its parents are not among it."""
        if self.exists:
            return
        if self.quiet:
            yield "set session_replication_role to replica"
        yield self.insert()
        if self.quiet:
            yield "set session_replication_role to origin"

    def beside(self, user: str) -> list[str]:
        """What a superuser runs so that another user has the companions; ``user`` is a SQL literal."""
        inserts = [row.insert({column: user}) for row, column in self.companions]
        off, on = (f"set local session_replication_role to {mode}" for mode in ("replica", "origin"))
        return [off, *inserts, on] if inserts else []

    def ancestors(self) -> list[Row]:
        """All rows that must stand before this one, in order, each once."""
        found: dict[int, Row] = {}

        def visit(row: Row) -> None:
            for parent in row.parents:
                visit(parent)
                found.setdefault(id(parent), parent)

        visit(self)
        return list(found.values())


@dataclass(frozen=True)
class Users:
    """Which columns hold a user: user references, and the keys of mirrors."""

    references: Mapping[QName, frozenset[str]]
    mirrors: Mapping[QName, str]

    def columns(self, table: QName) -> frozenset[str]:
        own = self.references.get(table, frozenset())
        return own | {self.mirrors[table]} if table in self.mirrors else own


@dataclass
class RowMaker:
    """Makes rows on one database, as a superuser inside one transaction. Parents stay, the row asked for is taken back.

    ``supplied`` are values that the project's configuration gives, by table and column. ``others`` are users who exist
    everywhere, for rows that want several.
    """

    session: Session
    schema: Schema
    users: Users
    supplied: Mapping[QName, Mapping[str, str]] = field(default_factory=dict)
    others: Sequence[Person] = ()
    _numbers: defaultdict[QName, count[int]] = field(default_factory=lambda: defaultdict(lambda: count(1)))
    _parents: dict[tuple[QName, int], Row] = field(default_factory=dict)
    _open: list[QName] = field(default_factory=list)
    made: list[Row] = field(default_factory=list)
    """The rows that were inserted and stay, in their order."""

    @cached_property
    def values(self) -> Values:
        return Values(self.schema)

    @cached_property
    def _partition_bounds(self) -> Mapping[QName, str]:
        """For each partitioned table what the rows of its first partition with a bound must fulfil."""
        found: dict[QName, str] = {}
        for table in sorted(self.schema.tables.values(), key=lambda table: table.name):
            if table.partition_of is not None and table.kind != "partitioned":
                root = self._root(table)
                query = "select pg_catalog.pg_get_partition_constraintdef(%s::regclass)"
                bound = self.session.value(query, [str(table.name)])
                if bound is not None:
                    found.setdefault(root, bound)
        return found

    def _root(self, table: Table) -> QName:
        while table.partition_of is not None and (above := self.schema.table(table.partition_of)) is not None:
            table = above
        return table.name

    # Rows

    def make(self, name: QName, owner: Person, owners: Mapping[str, Person] | None = None) -> Row:
        """A row of a table whose user columns hold ``owner``; tried out and taken back, its parents inserted.

        ``owners`` names other users for some columns. Raises Unmade.
        """
        return self._settle(self._plan(name, owner, full=False, pinned=False, owners=owners or {}), keep=False)

    def parent(self, name: QName, owner: Person, *, full: bool = False) -> Row:
        """The row of a table that rows of this owner hang on: made and inserted once, its keys known."""
        key = (name, owner.number)
        if key not in self._parents:
            self._parents[key] = self.another(name, owner, full=full)
        return self._parents[key]

    def another(
        self, name: QName, owner: Person, *, full: bool = False, quiet: bool = False, changes: Changes | None = None
    ) -> Row:
        """One more row to hang others on: inserted, its keys known; with triggers off if ``quiet``. Raises Unmade.

        ``changes`` are values that it is to have. Where none can be made, one that a migration inserted will do.
        """
        if name in self._open or len(self._open) > _DEPTH:
            raise Unmade(f"{name} needs a row of its own before the first can be made")
        self._open.append(name)
        try:
            plan = self._plan(name, owner, full=full, pinned=True, owners={})
            plan.values.update(changes or {})
            plan.quiet = quiet
            return self._settle(plan, keep=True)
        except Unmade:
            if (found := self._existing(name)) is not None:
                return found
            raise
        finally:
            self._open.pop()

    def adopt(self, row: Row, owner: Person) -> None:
        """Lets a row that is there already be the one that this owner's rows hang on."""
        self._parents[row.table, owner.number] = row

    def _existing(self, name: QName) -> Row | None:
        """A row of the table that is there already, the first by its primary key."""
        table = self.schema.table(name)
        if table is None or table.primary_key is None or name in self.users.mirrors:
            return None
        columns = [column.name for column in table.columns if column.generated is None]
        texts = ", ".join(f"quote_nullable({quote(column)}::text)" for column in columns)
        order = ", ".join(map(quote, table.primary_key.columns))
        rows = self.session.rows(f"select {texts} from {name} order by {order} limit 1")
        return Row(name, dict(zip(columns, rows[0], strict=True)), exists=True) if rows else None

    def _plan(self, name: QName, owner: Person, *, full: bool, pinned: bool, owners: Mapping[str, Person]) -> _Plan:
        table = self.schema.table(name)
        if table is None:
            raise Unmade(f"{name} does not exist")
        if table.kind == "foreign":
            raise Unmade(f"{name} is a foreign table, whose rows live on another server")
        plan = _Plan(self, table, owner, next(self._numbers[name]), owners)
        plan.fill(full=full, pinned=pinned)
        return plan

    def _settle(self, plan: _Plan, *, keep: bool) -> Row:
        """Tries the plan and mends it until the server takes it."""
        plan.satisfy_checks()
        report: Report | None = None
        for _ in range(_MENDS):
            row = plan.row()
            report = self._try(row, keep)
            if report is None:
                return self._kept(row, keep)
            if not plan.mend(report):
                break
        assert report is not None
        if keep and not plan.quiet:
            plan.quiet = True
            if self._try(row := plan.row(), keep) is None:
                return self._kept(row, keep)
        raise Unmade(describe(report))

    def _kept(self, row: Row, keep: bool) -> Row:
        if keep:
            self.made.append(row)
        return row

    def _try(self, row: Row, keep: bool) -> Report | None:
        session = self.session
        session.run("savepoint referee_row")
        try:
            for statement in row.statements():
                session.run(statement)
            session.run("set constraints all immediate")
        except FailedStatementError as error:
            session.run("rollback to referee_row; release referee_row")
            return error.report
        end = "set constraints all deferred" if keep else "rollback to referee_row"
        session.run(f"{end}; release referee_row")
        return None


@dataclass
class _Plan:
    """A row in the making."""

    maker: RowMaker
    table: Table
    owner: Person
    number: int
    owners: Mapping[str, Person]
    values: dict[str, str] = field(default_factory=dict)
    parents: dict[int, Row] = field(default_factory=dict)
    quiet: bool = False
    overriding: bool = False
    tried: dict[str, int] = field(default_factory=dict)
    pointed: set[str] = field(default_factory=set)
    companions: list[tuple[Row, str]] = field(default_factory=list)

    @property
    def schema(self) -> Schema:
        return self.maker.schema

    @cached_property
    def user_columns(self) -> frozenset[str]:
        return self.maker.users.columns(self.table.name)

    @cached_property
    def supplied(self) -> Mapping[str, str]:
        return self.maker.supplied.get(self.table.name, {})

    @cached_property
    def keys(self) -> tuple[ForeignKey, ...]:
        return tuple(key for key in self.table.foreign_keys if key.enforced)

    @cached_property
    def checks(self) -> tuple[str, ...]:
        """Expressions that must not be false."""
        found = [check.expression for check in self.table.checks]
        bound = self.maker._partition_bounds.get(self.table.name)
        return (*found, bound) if bound is not None else tuple(found)

    @cached_property
    def hints(self) -> Mapping[str, Hint]:
        found: defaultdict[str, list[Hint]] = defaultdict(list)
        for check in self.checks:
            for column, hint in hints_in(read_expression(check)).items():
                found[column].append(hint)
        return {column: Hint.all(hints) for column, hints in found.items()}

    def row(self) -> Row:
        parents, companions = tuple(self.parents.values()), tuple(self.companions)
        return Row(self.table.name, dict(self.values), parents, self.quiet, self.overriding, companions=companions)

    # Filling

    def fill(self, *, full: bool, pinned: bool) -> None:
        """Gives a value to every column that needs one; with ``pinned`` to those that others refer to, too."""
        wanted = self._pinned() if pinned else frozenset()
        for column in self.table.columns:
            if column.generated is not None:
                continue
            if column.name in self.supplied:
                self.values[column.name] = self.supplied[column.name]
            elif column.name in self.user_columns:
                self.values[column.name] = self.owners.get(column.name, self.owner).literal
            elif column.name in wanted or self._is_required(column):
                self._give(column)
        self._point(full=full)

    def _is_required(self, column: Column) -> bool:
        domain = self.maker.values.domain(column.type)
        not_null = column.not_null or (domain is not None and domain.not_null)
        default = column.default if domain is None else column.default or domain.default
        return not_null and default is None and not column.identity and column.generated is None

    def _pinned(self) -> frozenset[str]:
        primary = self.table.primary_key
        referenced = (key.target.columns for key in self.schema.referencing.get(self.table.name, ()))
        return frozenset(primary.columns if primary else ()).union(*referenced)

    def _give(self, column: Column) -> None:
        if column.identity:
            self.values[column.name] = str(1_000_000 + self.number)
            self.overriding = self.overriding or column.identity == "always"
            return
        found = self.maker.values.candidates(column.type, column.name, self.number)
        if column.default is not None and column.default.startswith("nextval("):
            self.values[column.name] = str(1_000_000 + self.number)
        elif found:
            is_checked = self.maker.values.domain(column.type) is not None
            fitting = (value for value in found if not is_checked or self._fits(column.name, value))
            self.values[column.name] = next(fitting, found[0])

    def _point(self, *, full: bool) -> None:
        """Lets foreign keys reference a row of the owner; nullable ones only where everything is to be filled."""
        for key in self.keys:
            if set(key.columns) <= self.user_columns:
                continue
            needed = any(self._must_point(name) for name in key.columns)
            if not needed and not full:
                continue
            try:
                if any(name in self.owners for name in key.columns):
                    self._accompany(key)
                else:
                    self.point(key, self._referenced(key, full=full))
            except Unmade:
                if needed:
                    raise
                continue

    def _must_point(self, name: str) -> bool:
        column = self.table.column(name)
        if column is None or name in self.user_columns or name in self.supplied:
            return False
        return column.not_null or name in self.values

    def _referenced(self, key: ForeignKey, *, full: bool = False, anew: bool = False) -> Row:
        if key.target.table == self.table.name:
            return self.row()
        make = self.maker.another if anew else self.maker.parent
        mirrors = self.maker.users.mirrors
        if anew and key.target.table in mirrors:
            raise Unmade(f"{key.target.table} has one row for each user")
        return make(key.target.table, self.owner, full=full)

    def _accompany(self, key: ForeignKey) -> None:
        """A key that names the user who is tried together with something else gets a row of that user's."""
        pairs = dict(zip(key.columns, key.target.columns, strict=True))
        column = next(name for name in key.columns if name in self.owners)
        user = {pairs[column]: self.owners[column].literal}
        parent = self.maker.another(key.target.table, self.owner, changes=user)
        table = self.schema.tables[key.target.table]
        kept = {
            name: value
            for name, value in parent.values.items()
            if name in key.target.columns or table.column_by_name[name].default is None
        }
        self.companions.append((replace(parent, values=kept), pairs[column]))
        self.point(key, parent)

    def point(self, key: ForeignKey, parent: Row) -> None:
        """Lets the columns of a key hold the parent's values; a column that another key has filled keeps its own."""
        taken = {
            referenced: self.values[column]
            for column, referenced in zip(key.columns, key.target.columns, strict=True)
            if column in self.pointed and self.values[column] != parent.values.get(referenced)
        }
        if taken and key.target.table != self.table.name:
            parent = self.maker.another(key.target.table, self.owner, changes=taken)
        self.pointed |= set(key.columns)
        for column, referenced in zip(key.columns, key.target.columns, strict=True):
            if column in self.user_columns or column in self.supplied:
                continue
            if referenced not in parent.values:
                raise Unmade(f"{key.target.table} has no known {quote(referenced)} to refer to")
            self.values[column] = parent.values[referenced]
        if parent.table != self.table.name:
            self.parents[id(parent)] = parent

    # CHECK constraints

    def satisfy_checks(self) -> None:
        """Chooses values under which no CHECK constraint is false, by asking the server."""
        for group in self._groups():
            if not self._holds(group):
                self._search(group)

    def _groups(self) -> list[list[str]]:
        """Constraints that share a column belong together."""
        groups: list[tuple[set[str], list[str]]] = []
        for check in self.checks:
            columns = self._columns_of(check)
            near = [group for group in groups if group[0] & columns]
            merged = (
                columns.union(*(group[0] for group in near)),
                [one for group in near for one in group[1]] + [check],
            )
            groups = [group for group in groups if group not in near] + [merged]
        return [checks for _, checks in groups]

    def _columns_of(self, check: str) -> set[str]:
        return {name for name in hints_in(read_expression(check)) if self.table.column(name) is not None}

    def _holds(self, checks: Sequence[str]) -> bool:
        names = sorted(set[str]().union(*map(self._columns_of, checks)))
        if not names:
            return True
        values = ", ".join(f"{self._typed(name, self._current(name))} as {quote(name)}" for name in names)
        return self._ask(f"select {_all_hold(checks)} from (select {values}) as referee_row") is True

    def _current(self, name: str) -> str:
        """The value that the column will have: the given one, its default, or NULL."""
        column = self.table.column(name)
        if name in self.values or column is None:
            return self.values.get(name, "null")
        return column.default if column.default is not None and not column.generated else "null"

    def _typed(self, name: str, value: str) -> str:
        column = self.table.column(name)
        assert column is not None
        return f"cast({value} as {self.maker.values.base_type(column.type)})"

    def _search(self, checks: Sequence[str]) -> None:
        names = sorted(set[str]().union(*map(self._columns_of, checks)))
        lists = {name: self._choices(name) for name in names}
        limit = max(2, int(_COMBINATIONS ** (1 / max(len(names), 1))))
        sources, picks = [], []
        for position, name in enumerate(names):
            rows = ", ".join(
                f"({index}, {self._typed(name, value)})" for index, value in enumerate(lists[name][:limit])
            )
            sources.append(f'(values {rows}) as referee_{position} ("referee {position}", {quote(name)})')
            picks.append(f'"referee {position}"')
        order = " + ".join(picks)
        query = (
            f"select {', '.join(picks)} from {' cross join '.join(sources)} where {_all_hold(checks)}"
            f" order by {order}, {', '.join(picks)} limit 1"
        )
        found = self._ask_row(query)
        if found is None:
            self._search_one_by_one(checks, lists)
        for name, index in zip(names, found or (), strict=False):
            self._choose(name, lists[name][index])

    def _search_one_by_one(self, checks: Sequence[str], lists: Mapping[str, Sequence[str]]) -> None:
        """The same where a constraint does not merely fail for some values but raises an error."""
        before = dict(self.values)
        for choice in islice(product(*lists.values()), _SINGLE_TRIES):
            self.values = {**before, **dict(zip(lists, choice, strict=True))}
            if self._holds(checks):
                return
        self.values = before

    def _choices(self, name: str) -> list[str]:
        """What a column may be, the present value first. What a foreign key or a person supplies stays."""
        column = self.table.column(name)
        assert column is not None
        current = self._current(name)
        found = dict.fromkeys([current])
        if name in self.supplied or name in self.owners or self.maker.users.mirrors.get(self.table.name) == name:
            return [current]
        if not column.not_null:
            found["null"] = None
        if name in self.user_columns:
            found.update(dict.fromkeys(other.literal for other in self.maker.others))
            return list(found)
        if any(name in key.columns for key in self.keys):
            found.update(dict.fromkeys(self._parents_keys(name)))
            return list(found)
        hint = self.hints.get(name)
        for value in self.maker.values.candidates(column.type, name, self.number, [hint] if hint else []):
            found[value] = None
        return [value for value in found if self._fits(name, value)]

    def _parents_keys(self, name: str) -> Iterator[str]:
        """What a foreign key's column may hold: the key of the owner's row there."""
        for key in self.keys:
            if key.columns == (name,) and key.target.table != self.table.name:
                with suppress(Unmade):
                    parent = self._referenced(key)
                    if (value := parent.values.get(key.target.columns[0])) is not None:
                        self.parents[id(parent)] = parent
                        yield value

    def _fits(self, name: str, value: str) -> bool:
        """Whether a candidate can be cast to the column's type at all: one that cannot would spoil the whole query."""
        column = self.table.column(name)
        assert column is not None
        if column.not_null and value == "null":
            return False
        return self._ask(f"select cast({value} as {column.type}) is null") is not None

    def _choose(self, name: str, value: str) -> None:
        if value == self._current(name):
            return
        self.values[name] = value

    def _ask(self, query: str) -> object:
        found = self._ask_row(query)
        return found[0] if found else None

    def _ask_row(self, query: str) -> tuple[int, ...] | None:
        session = self.maker.session
        session.run("savepoint referee_question")
        try:
            rows = session.rows(query)
        except FailedStatementError:
            session.run("rollback to referee_question; release referee_question")
            return None
        session.run("release referee_question")
        return rows[0] if rows else None

    # Mending

    def mend(self, report: Report) -> bool:
        """Changes the plan so that this complaint may not come again; False where nothing more can be done."""
        mender = {
            "23502": self._mend_null,
            "23503": self._mend_reference,
            "23505": self._mend_duplicate,
            "23514": self._mend_check,
            "22001": self._mend_length,
            "428C9": self._mend_generated,
            "22P02": self._mend_label,
        }.get(report.sqlstate)
        if mender is None:
            return False
        if self._is_about_us(report) or report.sqlstate == "23502":
            return mender(report)
        return False

    def _is_about_us(self, report: Report) -> bool:
        if report.table is None:
            return True
        partitions = {table.name.name for table in self.schema.tables.values() if table.partition_of is not None}
        return report.table == self.table.name.name or report.table in partitions

    def _mend_null(self, report: Report) -> bool:
        column = self.table.column(report.column or "")
        if column is None or column.name in self.values:
            return False
        self._give(column)
        return column.name in self.values

    def _mend_reference(self, report: Report) -> bool:
        key = next((key for key in self.keys if key.name == report.constraint), None)
        if key is None or set(key.columns) <= self.user_columns or key.name in self.tried:
            return False
        self.tried[key.name] = 1
        self.point(key, self._referenced(key))
        return True

    def _mend_duplicate(self, report: Report) -> bool:
        """Another value for a column of the key that was violated: another text, or another row to hang on."""
        return any(self._vary(name) for name in self._columns_of_key(report.constraint or ""))

    def _columns_of_key(self, name: str) -> list[str]:
        for key in self.table.keys:
            if key.name == name:
                return list(key.columns)
        for index in self.table.indexes:
            if index.name == name:
                return [column for column in index.columns if column is not None]
        return []

    def _vary(self, name: str) -> bool:
        column = self.table.column(name)
        if column is None or name in self.supplied or name in self.owners or self.tried.get(name, 0) > 3:
            return False
        self.tried[name] = self.tried.get(name, 0) + 1
        if name in self.user_columns:
            return self._vary_user(name)
        for key in self.keys:
            if name in key.columns and not set(key.columns) <= self.user_columns:
                self.point(key, self._referenced(key, anew=True))
                return True
        hint = self.hints.get(name)
        number = self.number + 100 * self.tried[name]
        found = [
            value
            for value in self.maker.values.candidates(column.type, name, number, [hint] if hint else [])
            if value != self._current(name)
        ]
        if not found:
            return False
        self.values[name] = found[min(self.tried[name] - 1, len(found) - 1)]
        self.satisfy_checks()
        return True

    def _vary_user(self, name: str) -> bool:
        """Another user; the row of a mirror stays its owner's."""
        if name == self.maker.users.mirrors.get(self.table.name) or self.tried[name] > len(self.maker.others):
            return False
        self.values[name] = self.maker.others[self.tried[name] - 1].literal
        return True

    def _mend_check(self, report: Report) -> bool:
        """No partition takes the row, or no choice of values will do: then two keys may have to hang on two rows."""
        name = report.constraint or ""
        self.tried[name] = self.tried.get(name, 0) + 1
        if self.tried[name] > 2:
            return False
        if self.tried[name] == 2:
            return self._part(name)
        for group in self._groups():
            self._search(group)
        return True

    def _part(self, constraint: str) -> bool:
        """Lets the last key that a CHECK constraint names hang on a row of its own."""
        checks = [check.expression for check in self.table.checks if check.name == constraint]
        columns = {name for check in checks for name in self._columns_of(check)}
        keys = [key for key in self.keys if columns & set(key.columns) and not set(key.columns) <= self.user_columns]
        if len(keys) < 2 or keys[-1].target.table == self.table.name:
            return False
        self.pointed -= set(keys[-1].columns)
        self.point(keys[-1], self._referenced(keys[-1], anew=True))
        self.satisfy_checks()
        return True

    def _mend_length(self, _report: Report) -> bool:
        """The server does not say which column: all long texts are cut."""
        if "22001" in self.tried:
            return False
        self.tried["22001"] = 1
        for column in self.table.columns:
            if column.name in self.values and column.name not in self.user_columns:
                found = self.maker.values.candidates(column.type, "", self.number)
                if found and not any(column.name in key.columns for key in self.keys):
                    self.values[column.name] = found[-1]
        return True

    def _mend_label(self, report: Report) -> bool:
        """A trigger casts texts to an enum: where the one that it met stands in the row, a label takes its place."""
        found = _NO_LABEL.fullmatch(report.message)
        enums = self.schema.enums.items() if found is not None else ()
        labels = [enum.labels for name, enum in enums if found and found["type"] in (str(name), quote(name.name))]
        fixed = {name for key in self.keys for name in key.columns} | self.user_columns | set(self.supplied)
        columns = [name for name, value in self.values.items() if found and value == literal(found["value"])]
        if not labels or not labels[0] or not set(columns) - fixed:
            return False
        self.values.update(dict.fromkeys((name for name in columns if name not in fixed), literal(labels[0][0])))
        return True

    def _mend_generated(self, _report: Report) -> bool:
        for column in self.table.columns:
            if column.identity == "always" and column.name in self.values:
                self.overriding = True
                return "428C9" not in self.tried and not self.tried.update({"428C9": 1})
        return False


def _all_hold(checks: Iterable[str]) -> str:
    return " and ".join(f"(({check}) is not false)" for check in checks)
