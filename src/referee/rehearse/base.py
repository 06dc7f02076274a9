"""The common ground of all worlds: a control user who exists everywhere, and a row ready for each user reference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from referee.model.identity import Identity, Mirror, Reference, Write
from referee.model.names import QName, quote
from referee.model.rehearsal import Step
from referee.model.schema import Schema, Table, Trigger
from referee.postgres.psql import role_settings
from referee.postgres.session import Session, literal
from referee.rehearse.people import CONTROL, OTHER, Person, person
from referee.rehearse.requests import OUTSIDE, Settings
from referee.rehearse.rows import Row, RowMaker, Unmade, Users
from referee.rehearse.stage import LIMITS, Theatre

_ACCOUNTS = QName("auth", "users")

# The session in which a superuser prepares what production has by other means.
_SESSION = "superuser"

#: Source and mirror filled by hand: what local tests do.
FIXTURE = person(0xD0, "fixture")
EVERYWHERE = (CONTROL, OTHER, FIXTURE)
#: An account from before there was a trigger: nothing has made its mirror row.
UNMIRRORED = person(0xDF, "unmirrored")
#: Those whose mirror rows stand beside each other in the worlds.
UPSERTER, HASTY, GHOST = person(0xD2, "upserter"), person(0xD3, "hasty"), person(0xD4, "ghost")


@dataclass(frozen=True)
class Upsert:
    """How the application writes one mirror: the row, whose key is to be replaced by the user's id.

    ``change`` is a change of it: column and value; None where it has no column to change. People whose rows are there
    at the same time have rows of their own in ``rows``, by number: what is unique must differ between them.
    """

    mirror: Mirror
    row: Row
    has_email: bool
    change: tuple[str, str] | None = None
    rows: Mapping[int, Row] = field(default_factory=dict)

    def row_of(self, person: Person) -> Row:
        return self.rows.get(person.number, self.row)

    def changes(self, person: Person) -> Mapping[str, str]:
        email = {"email": literal(person.email)} if self.has_email and person.email else {}
        return {self.mirror.column: person.literal, **email}

    def statement(self, person: Person) -> str:
        """INSERT ... ON CONFLICT DO UPDATE, as PostgREST writes an upsert."""
        columns = dict.fromkeys([*self.row_of(person).values, *self.changes(person)])
        settings = ", ".join(f"{quote(column)} = excluded.{quote(column)}" for column in columns)
        return f"{self.insert(person)} on conflict ({quote(self.mirror.column)}) do update set {settings}"

    def insert(self, person: Person) -> str:
        """The mirror's row of somebody, as a plain INSERT."""
        return self.row_of(person).insert(self.changes(person))

    def update(self, person: Person) -> str | None:
        """An UPDATE of the user's row, as PostgREST writes it."""
        if self.change is None:
            return None
        column, value = self.change
        where = f"{quote(self.mirror.column)} = {person.literal}"
        return f"update {self.mirror.table} set {quote(column)} = {value} where {where}"


@dataclass(frozen=True)
class Prepared:
    """A user reference with the row that tries it; ``reason`` is why there is none."""

    identity: Identity
    reference: Reference
    row: Row | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Stamp:
    """A trigger that writes the session's user into user references, and how to set it off.

    ``insert`` is a row without the columns that the trigger fills, ``update`` a row that is there with the column to
    change. ``columns`` are those that it fills.
    """

    identity: Identity
    write: Write
    trigger: Trigger
    columns: tuple[str, ...]
    event: str
    statement: str = ""
    where: str = ""
    row: Row | None = None
    reason: str | None = None


@dataclass
class Base:
    """A database in which the control user and the rows that others hang on are committed.

    ``settings`` are those that PostgREST applies for the roles which it impersonates. Of the mirrors in
    ``unmade_mirrors`` nobody has a row, of those in ``unmade_upserts`` the application cannot write one: each with the
    reason.
    """

    database: str
    superuser: str
    schema: Schema
    rows: dict[int, list[Row]] = field(default_factory=lambda: defaultdict(list))
    """What was inserted for each person who exists from the beginning, by number."""
    upserts: list[Upsert] = field(default_factory=list)
    prepared: list[Prepared] = field(default_factory=list)
    stamps: list[Stamp] = field(default_factory=list)
    unmade_mirrors: dict[QName, str] = field(default_factory=dict)
    unmade_upserts: dict[QName, str] = field(default_factory=dict)
    settings: Settings = field(default_factory=dict)

    def no_upsert(self) -> str:
        """Why the application has no mirror to write."""
        unmade = self.unmade_mirrors | self.unmade_upserts
        reasons = [f"no row of {table} could be made: {reason}" for table, reason in unmade.items()]
        return "; ".join(reasons) or "there is no mirror"

    def steps_for(self, people: Sequence[Person], rows: Iterable[Row], statements: Iterable[str] = ()) -> list[Step]:
        """What a superuser runs so that these people exist everywhere and these rows stand, with all they hang on.

        So do those of EVERYWHERE whom the rows or the ``statements`` to come name.
        """
        rows, statements = list(rows), list(statements)
        texts = self._texts(people, rows)
        named = [one for one in EVERYWHERE if any(one.literal in text for text in (*texts, *statements))]
        if any(one not in people for one in named):
            # Nobody of EVERYWHERE hangs on another one of them, so once is enough.
            texts = self._texts(list(dict.fromkeys([*people, *named])), rows)
        return [self.by_superuser(text) for text in (OUTSIDE, *texts)] if texts else []

    def _texts(self, people: Iterable[Person], rows: Iterable[Row]) -> list[str]:
        needed: dict[int, Row] = {}
        for row in (*(row for one in people for row in self.rows[one.number]), *rows):
            for one in (*row.ancestors(), row):
                needed.setdefault(id(one), one)
        return [text for row in needed.values() for text in row.statements()]

    def by_superuser(self, sql: str) -> Step:
        """A statement that a superuser runs to set the scene, or to look what came of it."""
        return Step(_SESSION, self.superuser, sql)


def account(person: Person, source: QName) -> Row:
    """The source's row of a person, as a seed writes it, with triggers off."""
    values = {
        "id": person.literal,
        "instance_id": "'00000000-0000-0000-0000-000000000000'",
        "aud": "'authenticated'",
        "role": "'authenticated'",
        "email": literal(person.email or ""),
        "encrypted_password": "''",
        "email_confirmed_at": "now()",
        "confirmation_token": "''",
        "recovery_token": "''",
        "email_change_token_new": "''",
        "email_change": "''",
        "raw_app_meta_data": """'{"provider":"email","providers":["email"]}'""",
        "raw_user_meta_data": "'{}'",
        "created_at": "now()",
        "updated_at": "now()",
    }
    return Row(source, values, quiet=True)


def users_of(identities: Iterable[Identity]) -> Users:
    """The columns of a schema that hold a user."""
    columns: defaultdict[QName, set[str]] = defaultdict(set)
    mirrors: dict[QName, str] = {}
    for identity in identities:
        for mirror in identity.mirrors:
            mirrors.setdefault(mirror.table, mirror.column)
        for reference in identity.references:
            columns[reference.key.table].add(reference.column)
    return Users({table: frozenset(names) for table, names in columns.items()}, mirrors)


def prepare(
    server: Theatre,
    template: str,
    schema: Schema,
    identities: Sequence[Identity],
    supplied: Mapping[QName, Mapping[str, str]],
) -> Base:
    """Makes the base on a clone of ``template``, which holds the project's migrations."""
    base = Base(server.create_database(template=template), server.superuser, schema)
    with server.connect(base.database, base.superuser, LIMITS) as session:
        base.settings = _impersonated(session)
        session.run(f"begin; {OUTSIDE}")
        maker = RowMaker(session, schema, users_of(identities), supplied, (OTHER,))
        for identity in identities:
            _add_people(base, maker, identity)
        for identity in identities:
            _add_upserts(base, maker, identity)
            base.prepared += [_prepare(maker, identity, reference) for reference in _tried(identity)]
            base.stamps += _stamps(maker, identity)
        session.run("commit")
    return base


def _impersonated(session: Session) -> Settings:
    """The settings of roles that PostgREST applies when it impersonates them: those that anybody may change.

    Source: PostgREST's documentation, "Impersonated Role Settings" (version 12).
    """
    anybodys = {name for (name,) in session.rows("select name from pg_catalog.pg_settings where context = 'user'")}
    return {
        role: tuple((name, value) for name, value in settings if name in anybodys)
        for role, settings in role_settings(session).items()
    }


def _add_people(base: Base, maker: RowMaker, identity: Identity) -> None:
    for one in (*EVERYWHERE, UNMIRRORED):
        if not base.rows[one.number]:
            row = _account(maker, identity, one)
            if row is None:
                continue
            for statement in row.statements():
                maker.session.run(statement)
            maker.adopt(row, one)
            base.rows[one.number].append(row)
    for mirror in _in_order(identity.mirrors):
        for one in EVERYWHERE:
            try:
                row = mirror_row(maker, mirror, one)
            except Unmade as reason:
                base.unmade_mirrors[mirror.table] = str(reason)
                continue
            base.rows[one.number].append(row)


def _account(maker: RowMaker, identity: Identity, owner: Person) -> Row | None:
    """The source's row of somebody; None where it was inserted on the way, or none could be made."""
    source = identity.source
    if source.table == _ACCOUNTS:
        return account(owner, source.table)
    try:
        row = maker.another(source.table, owner, quiet=True, changes={source.columns[0]: owner.literal})
    except Unmade:
        return None
    maker.adopt(row, owner)
    return None


def mirror_row(maker: RowMaker, mirror: Mirror, owner: Person) -> Row:
    """The mirror's row of somebody, inserted with triggers off so that none has a say in it. Raises Unmade."""
    table = maker.schema.table(mirror.table)
    changes = {mirror.column: owner.literal, **_email(table, owner)}
    row = maker.another(mirror.table, owner, quiet=True, changes=changes)
    maker.adopt(row, owner)
    return row


def _email(table: Table | None, owner: Person) -> Mapping[str, str]:
    if table is None or owner.email is None or not _has_email(table):
        return {}
    return {"email": literal(owner.email)}


def _has_email(table: Table) -> bool:
    column = table.column("email")
    return column is not None and column.generated is None and column.type.startswith(("text", "character varying"))


def _in_order(mirrors: Iterable[Mirror]) -> list[Mirror]:
    """Mirrors after the ones that their own keys reference."""
    left = list(mirrors)
    found: list[Mirror] = []
    while left:
        names = {mirror.table for mirror in left}
        ready = [
            one for one in left if one.identity_key is None or one.identity_key.target.table not in names - {one.table}
        ]
        found += ready or left
        left = [one for one in left if one not in found]
    return found


def _add_upserts(base: Base, maker: RowMaker, identity: Identity) -> None:
    for mirror in _in_order(identity.mirrors):
        table = maker.schema.table(mirror.table)
        if mirror.table in base.unmade_mirrors or table is None:
            continue
        try:
            row, *rows = [
                maker.make(mirror.table, CONTROL, {mirror.column: UNMIRRORED}) for _ in (None, UPSERTER, HASTY, GHOST)
            ]
        except Unmade as reason:
            base.unmade_upserts[mirror.table] = str(reason)
            continue
        change = _change(maker, table, (mirror.column,))
        own = {one.number: row for one, row in zip((UPSERTER, HASTY, GHOST), rows, strict=True)}
        base.upserts.append(Upsert(mirror, row, _has_email(table), change, own))


def _tried(identity: Identity) -> Iterator[Reference]:
    """The references to try: all but the key by which a mirror hangs on its source."""
    for reference in identity.references:
        mirror = identity.mirror_by_table.get(reference.key.table)
        if mirror is None or mirror.column != reference.column:
            yield reference


def _prepare(maker: RowMaker, identity: Identity, reference: Reference) -> Prepared:
    table = reference.key.table
    # A reference in a mirror is tried with the row of somebody who has none yet.
    whose = {maker.users.mirrors[table]: UNMIRRORED} if table in maker.users.mirrors else {}
    try:
        row = maker.make(table, CONTROL, {**whose, reference.column: FIXTURE})
    except Unmade as reason:
        return Prepared(identity, reference, reason=str(reason))
    return Prepared(identity, reference, row)


def _stamps(maker: RowMaker, identity: Identity) -> Iterator[Stamp]:
    """The writes of triggers that reach user references, event by event."""
    for write in identity.writes:
        if write.where != "trigger" or write.owner.kind != "function":
            continue
        reached = {(key.table, column) for key in write.reaches for column in key.columns}
        tables = dict.fromkeys(table for table, column in write.columns if (table, column) in reached)
        for name in tables:
            columns = tuple(column for table, column in write.columns if table == name and (table, column) in reached)
            table = maker.schema.table(name)
            for trigger in table.triggers if table is not None else ():
                if trigger.function == write.owner.owner and trigger.enabled in ("origin", "always"):
                    for event in ("insert", "update"):
                        if event in trigger.events:
                            yield _stamp(maker, Stamp(identity, write, trigger, columns, event))


def _stamp(maker: RowMaker, stamp: Stamp) -> Stamp:
    name = stamp.trigger.table
    try:
        row = maker.parent(name, CONTROL) if stamp.event == "update" else maker.make(name, CONTROL)
    except Unmade as reason:
        return replace(stamp, reason=str(reason))
    if stamp.event == "insert":
        values = {column: value for column, value in row.values.items() if column not in stamp.columns}
        kept = Row(row.table, values, row.parents, row.quiet, row.overriding)
        return replace(stamp, statement=kept.insert(), row=kept)
    table = maker.schema.table(name)
    assert table is not None
    primary = table.primary_key
    if primary is None or not all(column in row.values for column in primary.columns):
        return replace(stamp, reason=f"{name} has no primary key by which to find the row to update")
    where = " and ".join(f"{quote(column)} = {row.values[column]}" for column in primary.columns)
    change = _change(maker, table, primary.columns, stamp.trigger.update_columns)
    if change is None:
        return replace(stamp, reason=f"{name} has no column that could be updated")
    changed = f"{quote(change[0])} = {change[1]}"
    return replace(stamp, statement=f"update {name} set {changed} where {where}", where=where, row=row)


def _change(maker: RowMaker, table: Table, fixed: Sequence[str], watched: Sequence[str] = ()) -> tuple[str, str] | None:
    """A column and a value to update it with, another one where that is easy; only of ``watched`` ones if there are."""
    users = maker.users.columns(table.name)
    keys = {column for key in table.foreign_keys for column in key.columns}
    checked = " ".join(check.expression for check in table.checks)
    columns = [
        column
        for column in table.columns
        if column.generated is None
        and not column.identity
        and column.name not in users
        and column.name not in fixed
        and (not watched or column.name in watched)
    ]
    for column in columns:
        if column.type == "text" and column.name not in keys and column.name not in checked and column.name != "email":
            return column.name, "'changed'"
    return (columns[0].name, quote(columns[0].name)) if columns else None
