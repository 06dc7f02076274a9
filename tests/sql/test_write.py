"""Every change becomes statements that a server takes, whatever the names."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from referee.model import change as changes
from referee.model.change import Change
from referee.model.names import FunctionName, QName, Ref, Target, clip
from referee.model.schema import (
    Check,
    Column,
    Composite,
    Domain,
    Enum,
    ForeignKey,
    Function,
    Grant,
    Index,
    Key,
    Namespace,
    Policy,
    Role,
    Schema,
    Table,
    Trigger,
    View,
)
from referee.postgres.server import Server
from referee.sql import clauses
from referee.sql.write import _WRITERS, UnwritableError, Writer, sequence_of
from tests.compare.applying import apply, compared, forward, read, run, summaries

HOSTILE = (
    "Org's",
    'mem"bers',
    "org;id",
    "select",
    "x" * 63,
    "é" * 31,
    "🎸",
    "a--b",
    "a/*b",
    "$$",
    "back\\slash",
    "%s",
    "{0}",
    " ",
    "line\nbreak",
    "'); drop table public.t; --",
)


def hostile_schema(base: Schema, name: str) -> Schema:
    """Something of everything, all of it under one name as far as Postgres lets things share it."""
    table, other = QName(name, name), QName(name, "plain")
    enum, domain, composite = QName(name, "e"), QName(name, clip(name, 20) + "_d"), QName(name, "c")
    function, touch = FunctionName(name, name, ("text",)), FunctionName(name, clip(name, 20) + "_t")
    columns = (
        Column(name, "uuid", True),
        Column("label", f"{enum}", True, default=f"'it''s'::{enum}"),
        Column("made", "timestamp with time zone", False, default="now()"),
        Column("number", "bigint", True, identity="always"),
        Column("double", "integer", False, generated="(1 + 1)"),
    )
    full = Table(
        table,
        columns,
        keys=(Key(table, clip(name, 40) + "_pkey", (name,), primary=True), Key(table, "t_key", ("label", "made"))),
        checks=(Check(table, clip(name, 40) + "_check", "(number > 0)"),),
        foreign_keys=(
            ForeignKey(
                table,
                clip(name, 40) + "_fkey",
                (name,),
                Target(QName("auth", "users"), ("id",)),
                "CASCADE",
                "RESTRICT",
                deferrable=True,
            ),
        ),
        indexes=(
            Index(table, clip(name, 40) + "_pkey", (name,), True),
            Index(table, "t_idx", (name, "made"), predicate="(made IS NOT NULL)", include=("number",)),
            Index(table, "t_key", ("label", "made"), True),
        ),
        triggers=(
            Trigger(
                table,
                name,
                touch.qualified,
                "BEFORE",
                frozenset({"insert", "update"}),
                (name,),
                when="(new.number > 0)",
                arguments=("Org's", "a\\b"),
            ),
        ),
        policies=(
            Policy(table, name, "update", True, ("authenticated",), "(number > 0)", "(number > 1)"),
            Policy(table, clip(name, 40) + "_r", "all", False, ("public",), "true"),
        ),
        row_security=True,
        force_row_security=True,
        owner="postgres",
        grants=(
            Grant("anon", frozenset({"SELECT"})),
            Grant("authenticated", frozenset({"SELECT", "INSERT"})),
            Grant("service_role", frozenset({"UPDATE"}), (name,)),
        ),
    )
    plain = Table(
        other,
        (Column(name, f"{domain}", False), Column("many", f"{composite}[]", False), Column("at", "integer", True)),
        foreign_keys=(ForeignKey(other, "f", ("at",), Target(other, ("at",)), validated=False),),
        keys=(
            Key(other, "plain_at_key", ("at",)),
            Key(other, "plain_many_key", ("many",), deferrable=True, initially_deferred=True),
        ),
        indexes=(Index(other, "plain_at_key", ("at",), True), Index(other, "plain_many_key", ("many",), True)),
        owner="postgres",
    )
    functions = (
        Function(
            function,
            "sql",
            "SETOF text",
            f"select '{name.replace(chr(39), chr(39) * 2)}' || ' $function$ '",
            volatility="stable",
            strict=True,
            settings=(("search_path", '"", "$user"'), ("statement_timeout", "3s")),
            argument_names=(name,),
            owner="postgres",
            grants=(Grant("authenticated", frozenset({"EXECUTE"})),),
        ),
        Function(
            touch,
            "plpgsql",
            "trigger",
            "begin return new; end",
            security_definer=True,
            settings=(("search_path", '""'),),
            owner="postgres",
            grants=(Grant("public", frozenset({"EXECUTE"})),),
        ),
    )
    return replace(
        base,
        namespaces={
            **base.namespaces,
            name: Namespace(name, "postgres", (Grant("anon", frozenset({"USAGE"})),)),
        },
        tables={**base.tables, table: full, other: plain},
        enums={**base.enums, enum: Enum(enum, ("it's", 'a"b', "c\\d"))},
        domains={**base.domains, domain: Domain(domain, "text", True, "'x'::text", ("(VALUE <> ''::text)",))},
        composites={
            **base.composites,
            composite: Composite(composite, (Column(name, "integer"), Column("b", "text[]"))),
        },
        functions={**base.functions, **{one.name: one for one in functions}},
        views={
            **base.views,
            QName(name, "v"): View(QName(name, "v"), f"SELECT {table}.made FROM {table}", owner="postgres"),
        },
    )


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_whatever_the_names_a_schema_is_made_as_it_is_stated_and_goes_again(server: Server, name: str) -> None:
    with server.database() as database:
        base = read(server, database)
        wanted = hostile_schema(base, name)
        apply(server, database, base, forward(compared(base, wanted).differences))
        made = read(server, database)
        assert summaries(compared(wanted, made)) == []
        assert made.tables[QName(name, name)].foreign_keys == wanted.tables[QName(name, name)].foreign_keys
        assert made.functions[FunctionName(name, name, ("text",))].body == (
            wanted.functions[FunctionName(name, name, ("text",))].body
        )
        apply(server, database, made, forward(compared(made, base).differences))
        assert summaries(compared(base, read(server, database))) == []


def test_there_is_a_writer_for_every_change() -> None:
    assert set(get_args(Change)) == set(_WRITERS)


@pytest.mark.parametrize(
    "text",
    [
        "true) with check (true",
        "1), (2",
        "1; drop table t",
        "1) from t where (true",
        "",
        "/*",
        "select 1; select 2",
        "1 as x",
    ],
)
def test_what_is_more_than_an_expression_is_refused(text: str) -> None:
    with pytest.raises(UnwritableError):
        clauses.expression(text)


@pytest.mark.parametrize(
    "text",
    ["uuid, 1", "uuid as x", "uuid; drop table t", "uuid from t", "uuid --", 'text collate "C"', "uuid) , (1", ""],
)
def test_what_is_more_than_a_type_is_refused(text: str) -> None:
    with pytest.raises(UnwritableError):
        clauses.type_name(text)


@pytest.mark.parametrize(
    "text",
    ["uuid", "character varying(10)[]", "timestamp(3) without time zone", '"a--b"."x;y"', "interval day to second"],
)
def test_types_are_taken_as_postgres_prints_them(text: str) -> None:
    assert clauses.type_name(text) == text


def test_an_expression_that_ends_in_a_comment_swallows_nothing() -> None:
    assert clauses.expression("true -- )") == "(true -- )\n)"


@pytest.mark.parametrize("text", ["select 1; drop table t", "insert into t values (1)", "drop table t"])
def test_a_view_holds_one_query(text: str) -> None:
    with pytest.raises(UnwritableError):
        clauses.query(text)


def test_a_statement_from_elsewhere_has_to_be_of_its_kind() -> None:
    index = Index(QName("public", "t"), "i", (None,))
    with pytest.raises(UnwritableError):
        Writer(Schema()).write(changes.AddIndex(index, "drop table public.t"))
    with pytest.raises(UnwritableError):
        Writer(Schema()).write(changes.AddIndex(index))
    text = "create index i on public.t (lower(name))"
    assert [statement.text for statement in Writer(Schema()).write(changes.AddIndex(index, text))] == [text]


def test_the_sequence_of_a_default_is_found_with_its_quotes() -> None:
    assert sequence_of("nextval('public.t_id_seq'::regclass)") == "public.t_id_seq"
    assert sequence_of("nextval('\"Org''s\".\"a b\"'::regclass)") == '"Org\'s"."a b"'
    assert sequence_of("now()") is None
    with pytest.raises(UnwritableError):
        sequence_of("nextval('x; drop table t')")


# Each kind on a server


SETUP = """
create table public.users (id uuid primary key references auth.users (id), name text, age int not null);
create table public.bands (id uuid primary key, owner uuid, name text, seat int, made timestamptz default now());
alter table public.bands add constraint bands_owner_fkey foreign key (owner) references public.users (id);
create index bands_owner_idx on public.bands (owner);
alter table public.bands enable row level security;
create policy own on public.bands for select to authenticated using (owner = auth.uid());
create function public.touch() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger touch before update of owner on public.bands for each row execute function public.touch();
create trigger on_user after insert on auth.users for each row execute function public.touch();
create function public.double(n int default 2, out twice int) language sql as 'select 2 * n';
create type public.mood as enum ('good', 'bad');
create materialized view public.names as select name from public.users;
create extension citext with schema extensions;
"""
USERS, BANDS, SOURCE = QName("public", "users"), QName("public", "bands"), QName("auth", "users")


@pytest.fixture
def made(server: Server, database: str) -> Schema:
    outcome = run(server, database, [part for part in SETUP.split(";\n") if part.strip()])
    assert not outcome.failures
    return read(server, database)


def column(name: str) -> Ref:
    return Ref("column", *BANDS, name)


def key(schema: Schema, table: QName = BANDS) -> ForeignKey:
    [found] = schema.tables[table].foreign_keys
    return found


def after(server: Server, database: str, schema: Schema, *wanted: Change) -> Schema:
    apply(server, database, schema, wanted)
    return read(server, database)


def test_foreign_keys_are_retargeted_and_get_other_actions(server: Server, database: str, made: Schema) -> None:
    found = after(server, database, made, changes.RetargetForeignKey(key(made), Target(SOURCE, ("id",))))
    assert key(found) == replace(key(made), target=Target(SOURCE, ("id",)))
    found = after(server, database, found, changes.SetOnDelete(key(found), "SET NULL"))
    assert key(found).on_delete == "SET NULL"
    loose = replace(key(found), validated=False, name="x;y", deferrable=True)
    found = after(server, database, found, changes.ReplaceForeignKey(key(found), loose))
    assert key(found) == loose
    found = after(server, database, found, changes.ValidateForeignKey(loose.ref))
    assert key(found).validated
    found = after(server, database, found, changes.EnforceForeignKey(key(found), False))
    assert not key(found).enforced
    found = after(server, database, found, changes.EnforceForeignKey(replace(key(found), validated=True)))
    assert (key(found).enforced, key(found).validated) == (True, True)
    found = after(server, database, found, changes.DropConstraint(key(found).ref))
    assert found.tables[BANDS].foreign_keys == ()
    found = after(server, database, found, changes.AddForeignKey(BANDS, ("owner",), Target(USERS, ("id",)), "CASCADE"))
    assert (key(found).name, key(found).on_delete, key(found).validated) == ("bands_owner_fkey", "CASCADE", True)


def test_a_key_whose_triggers_are_disabled_is_enforced_again(server: Server, database: str, made: Schema) -> None:
    with server.connect(database, server.superuser) as session:
        session.run("alter table public.bands disable trigger all")
    found = read(server, database)
    assert not key(found).enforced
    found = after(server, database, found, changes.EnforceForeignKey(key(found)))
    assert key(found).enforced


def test_columns_change_their_types_under_keys_and_policies(server: Server, database: str, made: Schema) -> None:
    bands = made.tables[BANDS]
    found = after(
        server,
        database,
        made,
        changes.AlterColumnType(column("made"), "date"),
        changes.AlterColumnType(column("seat"), "bigint"),
        changes.SetNotNull(column("name")),
        changes.SetDefault(column("name"), "'x -- y'::text -- z"),
        changes.AddColumn(BANDS, Column("Org's", "text", True, default="'it''s'::text")),
        changes.SetDefault(column("seat"), "nextval('public.seats'::regclass)"),
    ).tables[BANDS]
    assert [one.type for one in found.columns] == ["uuid", "uuid", "text", "bigint", "date", "text"]
    assert found.column("made") == Column("made", "date", default="now()")
    assert found.column("seat") == Column("seat", "bigint", default="nextval('public.seats'::regclass)")
    assert found.column("name") == Column("name", "text", True, default="'x -- y'::text")
    schema = read(server, database)
    text = after(server, database, schema, changes.DropConstraint(key(schema).ref))
    text = after(server, database, text, changes.AlterColumnType(column("owner"), "uuid"))
    assert text.tables[BANDS].policies == bands.policies
    assert text.tables[BANDS].triggers == bands.triggers


def test_a_column_that_a_view_reads_keeps_its_type(made: Schema) -> None:
    with pytest.raises(UnwritableError, match=r"public\.names"):
        Writer(made).write(changes.AlterColumnType(Ref("column", *USERS, "name"), "varchar"))


def test_columns_become_identity_and_computed_columns(server: Server, database: str, made: Schema) -> None:
    found = after(
        server,
        database,
        made,
        changes.SetIdentity(column("seat"), "always"),
        changes.AddColumn(BANDS, Column("twice", "integer", generated="(seat * 2)")),
        changes.DropDefault(column("made")),
    )
    assert found.tables[BANDS].column("seat") == Column("seat", "integer", True, identity="always")
    assert found.tables[BANDS].column("made") == Column("made", "timestamp with time zone")
    found = after(
        server,
        database,
        found,
        changes.SetIdentity(column("seat"), "by default"),
        changes.SetGenerated(column("twice"), "(seat * 3)"),
    )
    assert found.tables[BANDS].column("twice") == Column("twice", "integer", generated="(seat * 3)")
    found = after(
        server,
        database,
        found,
        changes.SetIdentity(column("seat"), ""),
        changes.SetGenerated(column("twice"), None),
        changes.DropColumn(column("name")),
    )
    assert found.tables[BANDS].column("seat") == Column("seat", "integer", True)
    assert found.tables[BANDS].column("twice") == Column("twice", "integer")
    assert found.tables[BANDS].column("name") is None
    with pytest.raises(UnwritableError):
        Writer(found).write(changes.SetGenerated(column("seat"), "1"))


def test_a_primary_key_is_replaced_under_the_keys_that_need_it(server: Server, database: str, made: Schema) -> None:
    users = made.tables[USERS]
    assert users.primary_key is not None
    again = replace(users.primary_key, name='mem"bers')
    found = after(server, database, made, changes.DropConstraint(users.primary_key.ref), changes.AddKey(again))
    assert found.tables[USERS].primary_key == again
    assert key(found) == key(made)


def test_triggers_of_the_host_are_enabled_by_making_them_anew(server: Server, database: str, made: Schema) -> None:
    with server.connect(database, server.superuser) as session:
        session.run("alter table auth.users disable trigger on_user")
    disabled = read(server, database)
    ref = Ref("trigger", *SOURCE, "on_user")
    found = after(server, database, disabled, changes.EnableTrigger(ref))
    assert found.tables[SOURCE].triggers == made.tables[SOURCE].triggers
    own = Ref("trigger", *BANDS, "touch")
    found = after(server, database, found, changes.SetTriggerState(own, "disabled"))
    assert [trigger.enabled for trigger in found.tables[BANDS].triggers] == ["disabled"]
    found = after(server, database, found, changes.SetTriggerState(own, "always"))
    assert [trigger.enabled for trigger in found.tables[BANDS].triggers] == ["always"]
    with pytest.raises(UnwritableError):
        Writer(found).write(changes.EnableTrigger(Ref("trigger", *SOURCE, "nobody")))


def test_triggers_come_and_go(server: Server, database: str, made: Schema) -> None:
    [trigger] = made.tables[BANDS].triggers
    other = replace(trigger, events=frozenset({"insert", "delete"}), update_columns=(), timing="AFTER", when="true")
    found = after(server, database, made, changes.ReplaceTrigger(other))
    assert found.tables[BANDS].triggers[0].events == {"insert", "delete"}
    found = after(server, database, found, changes.DropTrigger(other))
    assert found.tables[BANDS].triggers == ()
    deferred = replace(
        trigger, timing="AFTER", constraint=True, deferrable=True, initially_deferred=True, update_columns=()
    )
    found = after(server, database, found, changes.CreateTrigger(deferred))
    assert found.tables[BANDS].triggers == (deferred,)


def test_what_needs_a_decision_is_not_written_here(made: Schema) -> None:
    function, trigger = Ref("function", "public", "sync", "()"), Ref("trigger", *SOURCE, "sync")
    for change in (
        changes.CreateSyncTrigger(Target(SOURCE, ("id",)), Target(USERS, ("id",))),
        changes.RepairSyncFunction(function, trigger, ("mend it",)),
    ):
        with pytest.raises(UnwritableError, match="referee fix"):
            Writer(made).write(change)


def test_an_identity_key_is_added(server: Server, database: str, made: Schema) -> None:
    found = after(server, database, made, changes.DropConstraint(key(made, USERS).ref))
    change = changes.AddIdentityKey(Target(USERS, ("id",)), Target(SOURCE, ("id",)))
    found = after(server, database, found, change)
    assert key(found, USERS) == replace(key(made, USERS), on_delete="CASCADE")


def test_functions_are_replaced_also_where_only_a_drop_will_do(server: Server, database: str, made: Schema) -> None:
    name = FunctionName("public", "touch")
    touch = made.functions[name]
    other = replace(touch, body="begin new.name := 'x'; return new; end", security_definer=True)
    found = after(server, database, made, changes.ReplaceFunction(other))
    assert found.functions[name] == other
    safe = replace(other, settings=(("search_path", '""'),), security_definer=False)
    found = after(server, database, found, changes.AlterFunction(safe))
    assert found.functions[name] == safe
    double = found.functions[FunctionName("public", "double", ("integer",))]
    text = "create function public.double(m integer, out twice bigint) language sql as 'select 3::bigint * m'"
    wanted = replace(double, returns="bigint", argument_names=("m",), body="select 3::bigint * m")
    found = after(server, database, found, changes.ReplaceFunction(wanted, text))
    assert found.functions[double.name] == wanted
    found = after(server, database, found, changes.DropFunction(wanted))
    assert double.name not in found.functions


def test_policies_views_types_and_row_security(server: Server, database: str, made: Schema) -> None:
    [policy] = made.tables[BANDS].policies
    names = made.views[QName("public", "names")]
    other = replace(policy, using="(name = 'a;b'::text)", roles=("anon", "authenticated"))
    found = after(
        server,
        database,
        made,
        changes.ReplacePolicy(other),
        changes.SetRowSecurity(BANDS, False, True),
        changes.CreatePolicy(USERS, "insert", "authenticated", "id"),
        changes.CreatePolicy(USERS, "select", "authenticated", "id"),
        changes.ReplaceView(replace(names, definition="select age from public.users")),
        changes.AlterType(
            made.enums[QName("public", "mood")], Enum(QName("public", "mood"), ("new", "good", "so'so", "bad"))
        ),
    )
    assert found.tables[BANDS].policies == (other,)
    assert (found.tables[BANDS].row_security, found.tables[BANDS].force_row_security) == (False, True)
    assert {one.command for one in found.tables[USERS].policies} == {"insert", "select"}
    assert "age" in found.views[QName("public", "names")].definition
    assert found.enums[QName("public", "mood")].labels == ("new", "good", "so'so", "bad")
    with pytest.raises(UnwritableError, match="new"):
        Writer(found).write(
            changes.AlterType(found.enums[QName("public", "mood")], made.enums[QName("public", "mood")])
        )


def test_extensions_roles_and_rights(server: Server, database: str, made: Schema) -> None:
    role = Role("Org's role", inherit=False, member_of=frozenset({"anon"}), search_path=("a;b", "public"))
    touch = made.functions[FunctionName("public", "touch")].ref
    entry = next(
        entry for entry in made.default_grants if entry[:2] == ("postgres", "public") and entry.kind == "table"
    )
    given = (Grant("anon", frozenset({"SELECT"})),)
    found = after(
        server,
        database,
        made,
        changes.CreateRole(role),
        changes.GrantRights(Ref("table", *BANDS), Grant(role.name, frozenset({"SELECT"}), ("id", "name"))),
        changes.GrantRights(Ref("schema", "", "public"), Grant(role.name, frozenset({"USAGE"}))),
        changes.RevokeRights(touch, Grant("public", frozenset({"EXECUTE"}))),
        changes.MoveExtension("citext", "public"),
        changes.SetDefaultRights(entry, given, made.default_grants[entry]),
    )
    assert found.roles[role.name] == role
    assert Grant(role.name, frozenset({"SELECT"}), ("name",)) in found.tables[BANDS].grants
    assert Grant("public", frozenset({"EXECUTE"})) not in found.functions[FunctionName("public", "touch")].grants
    assert found.extensions["citext"] == "public"
    assert found.default_grants[entry] == given
    bare = replace(role, inherit=True, member_of=frozenset({"authenticated"}), search_path=None)
    found = after(
        server,
        database,
        found,
        changes.AlterRole(role, bare),
        changes.DropExtension("citext"),
        changes.RevokeRights(Ref("table", *BANDS), Grant(role.name, frozenset({"SELECT"}), ("id", "name"))),
        changes.RevokeRights(Ref("schema", "", "public"), Grant(role.name, frozenset({"USAGE"}))),
    )
    assert found.roles[role.name] == bare
    assert "citext" not in found.extensions
    found = after(server, database, found, changes.DropRole(bare))
    assert role.name not in found.roles


def test_the_history_is_written(server: Server, database: str, made: Schema) -> None:
    change = changes.RecordMigration("2025", "it's", ("select 'a\\b'", "select 2"))
    apply(server, database, made, [change, change])
    with server.connect(database) as session:
        rows = session.rows("select version, name, statements from supabase_migrations.schema_migrations")
    assert rows == [("2025", "it's", ["select 'a\\b'", "select 2"])]
    apply(server, database, made, [changes.ForgetMigration("2025")])
    with server.connect(database) as session:
        assert session.rows("select from supabase_migrations.schema_migrations") == []


def test_tables_indexes_and_owners(server: Server, database: str, made: Schema) -> None:
    index = Index(BANDS, "Org's", ("name", "made"), True, nulls_not_distinct=True)
    found = after(
        server,
        database,
        made,
        changes.AddIndex(index),
        changes.CreateIndex(BANDS, ("seat",)),
        changes.RebuildIndex(Ref("index", "public", "bands_owner_idx")),
        changes.AddCheck(Check(BANDS, "c", "seat > 0", False)),
    )
    assert index in found.tables[BANDS].indexes
    assert [check.validated for check in found.tables[BANDS].checks] == [False]
    found = after(
        server,
        database,
        found,
        changes.DropIndex(index),
        changes.ValidateCheck(found.tables[BANDS].checks[0].ref),
        changes.DropTable(made.tables[USERS]),
        changes.DropView(made.views[QName("public", "names")]),
    )
    assert USERS not in found.tables
    assert [check.validated for check in found.tables[BANDS].checks] == [True]
    assert "Org's" not in {one.name for one in found.tables[BANDS].indexes}
    role = Role("keeper")
    with server.connect(database, server.superuser) as session:
        session.run("create role keeper; grant keeper to postgres; grant create on schema public to keeper")
    owned = after(server, database, read(server, database), changes.SetOwner(Ref("table", *BANDS), role.name))
    assert owned.tables[BANDS].owner == "keeper"


def test_what_no_statement_can_do_is_said() -> None:
    writer = Writer(Schema())
    function = Function(FunctionName("public", "f"), "sql", "SETOF record", "select 1")
    foreign = ForeignKey(BANDS, "k", ("a",), Target(USERS, ("id",)), enforced=False)
    for change in (
        changes.CreateFunction(function),
        changes.CreateFunction(replace(function, returns="integer", kind="aggregate")),
        changes.CreateForeignKey(foreign),
        changes.EnforceForeignKey(replace(foreign, enforced=True), False),
        changes.CreateForeignKey(replace(foreign, enforced=True, target=Target(USERS, ()))),
        changes.CreateTable(Table(BANDS, kind="partitioned")),
        changes.RepairSyncFunction(Ref("function", "public", "f", "()"), Ref("trigger", *SOURCE, "t"), ("x",)),
        changes.AlterColumnType(column("x"), "uuid"),
    ):
        with pytest.raises(UnwritableError):
            writer.write(change)
