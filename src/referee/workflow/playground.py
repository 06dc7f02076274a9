"""A project to play with: migrated once on a throw-away server, and cloned for everybody who asks.

The pytest plugin hands out these clones. Whoever acts in one acts as production does: the sign-up service logs in with
its own role and search_path, a user's statement is one request through the API.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any
from urllib.parse import quote as escape
from uuid import UUID

from referee.errors import StatementError, UsageError
from referee.identity import identify
from referee.model.identity import Identities, Identity, Mirror
from referee.model.names import QName, Target
from referee.model.question import Question
from referee.model.rehearsal import Step
from referee.model.schema import Schema
from referee.platforms import Platform
from referee.postgres.clones import Clones
from referee.postgres.programs import Programs, find_programs
from referee.postgres.scripts import Failure, run_scripts
from referee.postgres.server import Server, start_server
from referee.postgres.session import Row, literal
from referee.read.catalog import read_catalog
from referee.rehearse import gotrue
from referee.rehearse.people import Person, quoted_json
from referee.rehearse.requests import LOGIN, preamble
from referee.rehearse.sign_ups import sign_up
from referee.rehearse.stage import Stage
from referee.rehearse.told import told
from referee.rehearse.words import describe
from referee.sql.questions import Questions, column_of
from referee.workflow.check import Reading, identity_options, read
from referee.workflow.config import Config, parse_table, read_config
from referee.workflow.contributions import Contributions
from referee.workflow.scripts import script_of

# Below are the people of rehearsals.
_FIRST_USER = 0x1000
_SHOWN = 5

# Name, target, actions and validity of every foreign key of a column; parameters: schema, table, column.
_REFERENCES = """
    select k.conname, n.nspname, t.relname,
           array(select a.attname::text from unnest(k.confkey) with ordinality as part (number, place)
                 join pg_catalog.pg_attribute a on a.attrelid = k.confrelid and a.attnum = part.number
                 order by part.place),
           k.confdeltype::text, k.confupdtype::text, k.convalidated
    from pg_catalog.pg_constraint k
    join pg_catalog.pg_class t on t.oid = k.confrelid
    join pg_catalog.pg_namespace n on n.oid = t.relnamespace
    join pg_catalog.pg_attribute c on c.attrelid = k.conrelid and c.attnum = any (k.conkey)
    where k.contype = 'f' and k.conrelid = to_regclass(format('%%I.%%I', %s::text, %s::text)) and c.attname = %s
    order by k.conname
"""
_TRIGGER = """
    select g.tgenabled::text from pg_catalog.pg_trigger g
    where g.tgrelid = to_regclass(format('%%I.%%I', %s::text, %s::text)) and g.tgname = %s
"""
_FUNCTION = """
    select format('%%s SECURITY %%s %%s', pg_get_userbyid(f.proowner),
                  case when f.prosecdef then 'DEFINER' else 'INVOKER' end,
                  array_to_string(array(select unnest(f.proconfig) order by 1), ', '))
    from pg_catalog.pg_proc f where f.oid = to_regprocedure(%s)
"""
_POLICIES = """
    select format('%%s FOR %%s TO %%s', policyname, cmd, array_to_string(roles, ', '))
    from pg_catalog.pg_policies where schemaname = %s and tablename = %s
"""
_ACTIONS = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}

Parameters = Sequence[object] | Mapping[str, object]


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with an account."""

    id: UUID
    name: str = ""
    email: str | None = None
    phone: str | None = None
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class _Bearer(Person):
    """The person whom a token names, whatever their id is."""

    uuid: str = ""

    @property
    def id(self) -> str:
        return self.uuid


@dataclass(frozen=True)
class Actor:
    """Sends requests in one role, as PostgREST does: each statement is a transaction with its role and claims.

    ``preamble`` is the statement that begins such a transaction. In a transaction of one's own, over any driver, it
    makes everything behind it act in this role.
    """

    stage: Stage = field(repr=False)
    preamble: str

    def execute(self, statement: str, parameters: Parameters | None = None) -> list[Row]:
        """The rows of one request; it is committed. Raises FailedStatementError, and nothing is kept then."""
        session = self.stage.session(Step("api", LOGIN, statement))
        session.run(f"begin; {self.preamble}")
        try:
            rows = session.rows(statement, parameters)
            session.run("commit")
        finally:
            if session.in_transaction:
                session.run("rollback")
        return rows


@dataclass
class Database:
    """A clone of the migrated project, for one test. What is done in it is gone with it."""

    name: str
    playground: Playground = field(repr=False)
    _stage: Stage = field(repr=False)
    _numbers: Iterator[int] = field(default_factory=lambda: count(_FIRST_USER), repr=False)

    @property
    def url(self) -> str:
        """A URL for psycopg, asyncpg and other drivers: the role that runs migrations logs in."""
        return self.url_for()

    def url_for(self, driver: str | None = None, user: str | None = None) -> str:
        """A URL for another role, or in the form of SQLAlchemy for a driver such as ``psycopg`` or ``asyncpg``."""
        server = self.playground.server
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        role = escape(user or server.migration_role, safe="")
        return f"{scheme}://{role}@/{self.name}?host={escape(str(server.folder), safe='/')}&port={server.port}"

    def execute(self, statement: str, parameters: Parameters | None = None) -> list[Row]:
        """The rows of a statement that the role of the migrations runs and commits: no policy binds it."""
        role = self.playground.server.migration_role
        return self._stage.session(Step("owner", role, statement)).rows(statement, parameters)

    # People

    def sign_up(
        self,
        name: str = "",
        by: str = "email",
        *,
        email: str | None = None,
        phone: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> User:
        """Lets somebody sign up, statement by statement as the sign-up service does it.

        ``by`` is one of ``rehearse.sign_ups.WAYS``. Raises StatementError, with the SQLSTATE and with what the person
        is told, where the database refuses.
        """
        person = self._person(name, by, email, phone)
        given = {"name": name} if name else {}
        refusal = self._stage.perform(sign_up(by, person, {**given, **(metadata or {})}))
        if refusal is not None:
            heard = told(refusal.step, refusal.report)
            message = f"The sign-up by {by} fails with {describe(refusal.report)}. The person is told: {heard}."
            raise StatementError(message, refusal.report.sqlstate)
        return User(UUID(person.id), name, person.email, person.phone, person.anonymous)

    def _person(self, name: str, by: str, email: str | None, phone: str | None) -> Person:
        self.playground.need_supabase("sign_up")
        number = next(self._numbers)
        if by == "anonymous":
            return Person(number, name, anonymous=True)
        if by == "phone":
            return Person(number, name, phone=phone or f"49301{number:07d}")
        plain = name.lower() if name.isascii() and name.isalnum() else "user"
        return Person(number, name, email or f"{plain}.{number - _FIRST_USER + 1}@example.org", phone)

    def delete_user(self, user: User | UUID | str) -> None:
        """Deletes an account as the sign-up service does it. Raises StatementError where the database refuses."""
        self.playground.need_supabase("delete_user")
        refusal = self._stage.perform(gotrue.delete(self._bearer(user)))
        if refusal is not None:
            message = f"The deletion fails with {describe(refusal.report)}. {told(refusal.step, refusal.report)}."
            raise StatementError(message, refusal.report.sqlstate)

    def as_user(self, user: User | UUID | str, **claims: object) -> Actor:
        """Somebody who signed in: role authenticated, with their token. ``claims`` are added to it, or replace some."""
        actor = self._actor("authenticated", self._bearer(user))
        if not claims:
            return actor
        merged = f"current_setting('request.jwt.claims')::jsonb || {quoted_json(claims)}::jsonb"
        return Actor(self._stage, f"{actor.preamble}; select set_config('request.jwt.claims', ({merged})::text, true)")

    def as_anon(self) -> Actor:
        """A visitor without a token of their own."""
        return self._actor("anon", None)

    def as_service_role(self) -> Actor:
        """A job with the service key: no policy binds it, and there is no auth.uid()."""
        return self._actor("service_role", None)

    def _actor(self, role: str, person: Person | None) -> Actor:
        self.playground.need_supabase(f"acting as {role}")
        return Actor(self._stage, preamble(role, person, self.playground.platform.api_path))

    def _bearer(self, user: User | UUID | str) -> _Bearer:
        if not isinstance(user, User):
            user = self._known(UUID(str(user)))
        number = user.id.int & 0xFFFFFFFFFFFF
        return _Bearer(number, user.name, user.email, user.phone, user.anonymous, uuid=str(user.id))

    def _known(self, uuid: UUID) -> User:
        """What the account of that id says, where there is one."""
        query = "select raw_user_meta_data ->> 'name', email, phone, is_anonymous from auth.users where id = %s"
        for name, email, phone, anonymous in self.execute(query, [uuid]):
            return User(uuid, name or "", email, phone, bool(anonymous))
        return User(uuid)

    # What should hold

    def orphans(self) -> list[str]:
        """A sentence for each foreign key of the project that has orphans."""
        ask = self.playground.questions.orphans
        keys = [key for table in self.playground.schema.own_tables for key in table.foreign_keys]
        return [f"{key.ref}: {key.target} lacks {rows}" for key in keys if (rows := self._breaking(ask(key)))]

    def unmirrored(self, user: User | UUID | str | None = None) -> list[str]:
        """A sentence for each mirror that lacks rows of its source, or has rows that the source lacks.

        Mirrors on which nothing relies are left out. ``user`` asks for one user only.
        """
        ask = self.playground.questions
        only = None if user is None else self._bearer(user).id
        found = []
        for identity, mirror in self.playground.mirrors():
            if rows := self._breaking(ask.unmirrored(identity, mirror), only):
                found.append(f"{mirror.target} has no row for {rows}")
            if rows := self._breaking(ask.stray(identity, mirror), only):
                found.append(f"{mirror.target} has a stray row for {rows}")
        return found

    def _breaking(self, question: Question, only: str | None = None) -> str:
        """The first references that break a promise, in words; empty where none does."""
        columns = [f"{column_of('r', column)}::text" for column in question.columns]
        where = question.condition + (f" and {columns[0]} = {literal(only)}" if only else "")
        rows = self._as_superuser(
            f"select distinct {', '.join(columns)} from {question.rows} where {where} order by 1 limit {_SHOWN + 1}"
        )
        texts = ["/".join(map(str, row)) for row in rows[:_SHOWN]]
        return ", ".join(texts) + (", ..." if len(rows) > _SHOWN else "")

    def _as_superuser(self, statement: str, parameters: Parameters | None = None) -> list[Row]:
        step = Step("superuser", self.playground.server.superuser, statement)
        return self._stage.session(step).rows(statement, parameters)

    def references(self, table: str, column: str) -> list[tuple[str, Target]]:
        """Name and target of the foreign keys of a column; the table as SQL writes it. Raises UsageError."""
        rows = self._as_superuser(_REFERENCES, [*_table(table).table, column])
        return [(name, Target(QName(schema, other), tuple(columns))) for name, schema, other, columns, *_ in rows]

    def keys(self, table: str, column: str) -> list[str]:
        """The foreign keys of one column, as ``public.users(id) ON DELETE CASCADE ON UPDATE NO ACTION``, with NOT VALID
        behind it where that is so. Raises UsageError.
        """
        rows = self._as_superuser(_REFERENCES, [*_table(table).table, column])
        return sorted(
            f"{Target(QName(schema, other), tuple(columns))} ON DELETE {_ACTIONS[on_delete]} "
            f"ON UPDATE {_ACTIONS[on_update]}{'' if is_valid else ' NOT VALID'}"
            for _, schema, other, columns, on_delete, on_update, is_valid in rows
            if len(columns) == 1
        )

    def trigger(self, table: str, name: str) -> str | None:
        """The state of a trigger as ``pg_trigger.tgenabled`` has it, "O" for one that fires; None without one."""
        rows = self._as_superuser(_TRIGGER, [*_table(table).table, name])
        return str(rows[0][0]) if rows else None

    def function(self, signature: str) -> str | None:
        """Owner, rights and settings of a function: ``postgres SECURITY DEFINER search_path=""``; None without one."""
        rows = self._as_superuser(_FUNCTION, [signature])
        return str(rows[0][0]) if rows else None

    def policies(self, table: str) -> list[str]:
        """The policies of a table: ``Users see themselves FOR SELECT TO authenticated``. Raises UsageError."""
        return sorted(str(text) for (text,) in self._as_superuser(_POLICIES, list(_table(table).table)))

    def close(self) -> None:
        """Gives the database back: what was done in it is gone."""
        self._stage.close()
        self.playground.clones.give_back(self.name)


@dataclass(frozen=True)
class Playground:
    """A server on which the project is migrated once. ``failures`` are statements that it refused."""

    server: Server
    platform: Platform
    template: str
    schema: Schema
    identities: Identities
    failures: tuple[Failure, ...]
    clones: Clones = field(repr=False)

    @cached_property
    def questions(self) -> Questions:
        return Questions(self.schema)

    def create_database(self) -> Database:
        """A clone, in milliseconds; to be closed."""
        name = self.clones.take()
        return Database(name, self, Stage(self.server, name))

    def mirrors(self) -> Iterator[tuple[Identity, Mirror]]:
        """The mirrors on which something relies: a user reference, or a trigger that fills them."""
        for identity in self.identities.all:
            relied_on = {reference.key.target.table for reference in identity.references}
            for mirror in identity.mirrors:
                if mirror.table in relied_on or mirror.synced_by:
                    yield identity, mirror

    def need_supabase(self, what: str) -> None:
        if self.platform.name != "supabase":
            raise UsageError(
                f"{what} needs the roles and tables of Supabase, and this project was taken for plain Postgres. Say "
                '`platform = "supabase"` in referee.toml if it is not.'
            )


@contextmanager
def open_playground(
    path: str | os.PathLike[str] = ".", config: Config | None = None, programs: Programs | str | None = None
) -> Iterator[Playground]:
    """The project at ``path`` on a throw-away server, for the time of a block.

    ``programs`` are as for ``check_exact``. Raises UsageError where they are not there, ReadError and ServerError.
    """
    config = config if config is not None else read_config(path)
    with Contributions(config.cache) as contributions:
        reading = read(path, config, contributions)
    if isinstance(programs, str):
        programs = find_programs(programs, reading.migrations.major_version)
    with start_server(reading.platform, programs) as server:
        playground = _migrated(server, reading, config)
        try:
            yield playground
        finally:
            playground.clones.close()


def _migrated(server: Server, reading: Reading, config: Config) -> Playground:
    platform = reading.platform
    template = server.create_database(platform.default_mode)
    outcome = run_scripts(server, template, [script_of(source) for source in reading.migrations.files])
    with server.connect(template, server.superuser) as session:
        schema = read_catalog(session, platform.managed_schemas)
    found = identify(schema, identity_options(config, platform))
    return Playground(server, platform, template, schema, found, outcome.failures, Clones(server, template))


def _table(text: str) -> Target:
    found = parse_table(text)
    if found is None:
        raise UsageError(f'"{text}" is no table; write it as schema.table or schema.table(column).')
    return found


def target(text: str) -> Target:
    """A table and its column as SQL writes them. Raises UsageError where the column is missing."""
    found = _table(text)
    if not found.columns:
        raise UsageError(f'"{text}" names no column; write it as schema.table(column).')
    return found


__all__ = ["Actor", "Database", "Playground", "User", "open_playground", "target"]
