"""Steps for a database in use: their order, and what they bring along."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from referee.fixing.migration import plan_steps
from referee.fixing.order import Dialect, Part, cut, text_of, way_back
from referee.model import change as changes
from referee.model.names import QName, Ref, Target
from referee.model.plan import Phase
from referee.model.remedy import Mend
from referee.postgres.server import Server
from tests.fixing.sql import schema_of
from tests.identity.sql import SYNC

AUTH = Target(QName("auth", "users"), ("id",))
USERS = Target(QName("public", "users"), ("id",))
TEXT = (
    "create table public.users (id uuid primary key references auth.users on delete cascade);\n"
    "create table public.songs (by uuid references auth.users (id) on delete cascade);\n"
)


def named(table: str, columns: tuple[str, ...], label: str, is_taken: Callable[[str], bool]) -> str:
    return f"{table}_{label}"


def test_a_mirror_with_a_trigger_still_lacks_the_accounts_from_before_it() -> None:
    schema = schema_of(TEXT + SYNC)
    [key] = schema.tables[QName("public", "songs")].foreign_keys
    found = plan_steps(schema, [changes.RetargetForeignKey(key, USERS)], {}, named, {USERS: AUTH})
    assert [step.phase for step in found.steps] == [Phase.BACKFILL, Phase.VALIDATE, Phase.VALIDATE, Phase.CONTRACT]
    assert found.steps[0].sql.startswith("insert into public.users (id)")


def test_the_backfill_comes_once_and_behind_the_trigger() -> None:
    schema = schema_of(TEXT)
    [key] = schema.tables[QName("public", "songs")].foreign_keys
    wanted: list[changes.Change] = [changes.RetargetForeignKey(key, USERS), changes.CreateSyncTrigger(AUTH, USERS)]
    found = plan_steps(schema, wanted, {}, named, {USERS: AUTH})
    assert [step.phase for step in found.steps].count(Phase.BACKFILL) == 1
    assert found.steps[2].sql.startswith("create trigger")


def test_a_part_is_one_transaction_with_at_most_one_strong_lock() -> None:
    schema = schema_of(TEXT)
    [key] = schema.tables[QName("public", "songs")].foreign_keys
    index = changes.CreateIndex(QName("public", "songs"), ("by",))
    wanted: list[changes.Change] = [
        changes.RetargetForeignKey(key, USERS),
        changes.CreateSyncTrigger(AUTH, USERS),
        index,
    ]
    parts = cut(plan_steps(schema, wanted, {}, named).steps)
    assert all(sum(step.alone for step in part.steps) <= 1 for part in parts)
    [concurrent] = [part for part in parts if not part.steps[0].in_transaction]
    assert len(concurrent.steps) == 1
    assert "set statement_timeout = 0" in text_of(concurrent, 1, 1)
    # A tool may send a file as one message, which is one transaction as soon as it holds two statements.
    assert "set " not in text_of(concurrent, 1, 1, Dialect(splits=False))


def test_every_validation_is_a_transaction_of_its_own() -> None:
    schema = schema_of(TEXT + "create table public.gigs (by uuid references auth.users (id));")
    wanted = [
        changes.RetargetForeignKey(key, USERS)
        for name in ("songs", "gigs")
        for key in schema.tables[QName("public", name)].foreign_keys
    ]
    names = [part.name for part in cut(plan_steps(schema, wanted, {}, named, {USERS: AUTH}).steps)]
    assert names == [
        *("backfill_users", "add_key_songs", "add_key_gigs", "validate_key_songs", "validate_key_gigs"),
        *("drop_old_key_songs", "drop_old_key_gigs"),
    ]


def test_a_key_that_keeps_its_target_is_replaced_in_one_statement() -> None:
    """Two keys along the same columns would make requests that embed the table ambiguous."""
    schema = schema_of(TEXT + SYNC)
    [key] = schema.tables[QName("public", "songs")].foreign_keys
    replaced, validated = plan_steps(schema, [changes.SetOnDelete(key, "SET NULL")], {}, named).steps
    assert replaced.sql == (
        "alter table public.songs drop constraint songs_by_fkey,\n  add constraint songs_by_fkey foreign key (by)"
        " references auth.users (id) on delete set null not valid"
    )
    assert validated.sql == "alter table public.songs validate constraint songs_by_fkey"
    back = way_back([replaced, validated])
    assert back.index("on delete cascade not valid") < back.index("validate constraint songs_by_fkey")


def test_the_way_back_can_be_run_again_and_after_a_part_of_the_plan() -> None:
    schema = schema_of(TEXT)
    [key] = schema.tables[QName("public", "songs")].foreign_keys
    wanted: list[changes.Change] = [
        changes.RetargetForeignKey(key, USERS),
        changes.CreateSyncTrigger(AUTH, USERS),
        changes.CreateIndex(QName("public", "songs"), ("by",)),
    ]
    back = way_back(plan_steps(schema, wanted, {}, named).steps, ("say so",))
    assert back.count("drop ") == back.count(" if exists ") == 5
    assert "-- Afterwards: say so" in back


def test_tools_find_their_marks() -> None:
    schema = schema_of(TEXT)
    wanted: list[changes.Change] = [
        changes.CreateSyncTrigger(AUTH, USERS),
        changes.CreateIndex(QName("public", "songs"), ("by",)),
    ]
    parts = cut(plan_steps(schema, wanted, {}, named).steps)
    goose = Dialect("-- +goose Up", "-- +goose NO TRANSACTION\n-- +goose Up", "-- begin", "-- end")
    trigger, index, backfill = [text_of(part, 1, 1, goose) for part in parts]
    assert trigger.startswith("-- +goose Up\n")
    # Only the function has semicolons in it.
    assert trigger.count("-- begin\ncreate or replace function") == trigger.count("-- begin") == 1
    assert trigger.count("$$;\n-- end\n") == trigger.count("-- end") == 1
    assert index.startswith("-- +goose NO TRANSACTION\n-- +goose Up\n")
    assert "-- begin" not in index + backfill


def test_each_step_says_what_it_touches_and_whether_it_may_run_again() -> None:
    schema = schema_of(TEXT)
    [key] = schema.tables[QName("public", "songs")].foreign_keys
    steps = plan_steps(schema, [changes.RetargetForeignKey(key, USERS)], {}, named, {USERS: AUTH}).steps
    backfill, added, validated, swapped = [replace(step, rows=1_234_567) for step in steps]
    assert [step.size for step in (backfill, added, validated, swapped)] == [
        *("1,234,567 rows", "no rows, only the catalog", "about 1,234,567 rows", "no rows, only the catalog"),
    ]
    texts = [text_of(Part("", (step,)), 1, 1) for step in (backfill, added)]
    assert "-- Touches: 1,234,567 rows\n" in texts[0]
    assert ["does no harm" in text for text in texts] == [True, False]
    assert steps[0].size is None


def test_an_index_of_a_partitioned_table_is_built_partition_by_partition(server: Server, database: str) -> None:
    text = (
        "create table public.events (id int, by uuid references auth.users (id), at date) partition by range (at);\n"
        "create table public.events_1 partition of public.events for values from ('2024-01-01') to ('2025-01-01');\n"
        "create table public.events_2 partition of public.events default;\n"
    )
    change = changes.CreateIndex(QName("public", "events"), ("by",))
    found = plan_steps(schema_of(text), [change], {}, named)
    assert [step.in_transaction for step in found.steps] == [False, False, True]
    with server.connect(database, server.superuser) as session:
        for sql in (*text.split(";\n"), *[step.sql for step in found.steps]):
            if sql:
                session.run(sql)
        attached = "select count(*) from pg_inherits where inhparent = 'public.events_idx'::regclass"
        assert session.value(attached) == 2
        assert session.value("select count(*) from pg_index where indrelid = 'public.events_1'::regclass") == 1
        for step in found.steps:
            for sql in step.undo or ():
                session.run(sql)
        assert session.value("select count(*) from pg_index where indrelid = 'public.events_1'::regclass") == 0


@pytest.mark.parametrize(("former", "wanted"), [("varchar(10)", "text"), ("varchar(10)", "character varying(20)")])
def test_a_type_that_keeps_the_rows_is_changed(former: str, wanted: str, server: Server, database: str) -> None:
    text = f"create table public.bands (id {wanted} primary key);\n"
    text += f"create table public.songs (by {former} references public.bands);\n"
    change = changes.AlterColumnType(Ref("column", "public", "songs", "by"), wanted)
    [step] = plan_steps(schema_of(text), [change], {}, named).steps
    with server.connect(database, server.superuser) as session:
        session.run(f"{text} insert into bands values ('a'); insert into songs values ('a')")
        place = "select pg_relation_filenode('public.songs')"
        before = session.value(place)
        session.run(step.sql)
        assert session.value(place) == before
        assert session.value("select by from public.songs") == "a"


@pytest.mark.parametrize(
    ("former", "wanted"), [("int", "bigint"), ("varchar(20)", "character varying(10)"), ("text", "uuid")]
)
def test_a_type_that_needs_the_rows_written_anew_is_left_to_a_person(former: str, wanted: str) -> None:
    change = changes.AlterColumnType(Ref("column", "public", "songs", "by"), wanted)
    found = plan_steps(schema_of(f"create table public.songs (by {former});"), [change], {}, named)
    assert found.steps == ()
    assert f"type {wanted}" in found.failed[change]


def test_a_disabled_trigger_fires_again_and_a_rewritten_function_goes_back(server: Server, database: str) -> None:
    body = "begin insert into users (id) values (new.id); return new; end"
    text = TEXT + f"create function public.f() returns trigger language plpgsql as $$ {body} $$;\n"
    text += "create trigger t after insert on public.songs for each row execute function public.f();\n"
    text += "alter table public.songs disable trigger t;\n"
    trigger, function = Ref("trigger", "public", "songs", "t"), Ref("function", "public", "f", "()")
    repair = changes.RepairSyncFunction(function, trigger, ("run it as owner",), (Mend("missing-privilege"),))
    found = plan_steps(schema_of(text), [changes.EnableTrigger(trigger), repair], {}, named)
    facts = "select prosecdef, proconfig, tgenabled = 'D' from pg_proc join pg_trigger on tgfoid = pg_proc.oid "
    facts += "where proname = 'f'"
    with server.connect(database, server.superuser) as session:
        session.run(text)
        before = session.rows(facts)
        for step in found.steps:
            session.run(step.sql)
        assert session.rows(facts) == [(True, ['search_path=""'], False)]
        for step in reversed(found.steps):
            for sql in step.undo or ():
                session.run(sql)
        assert session.rows(facts) == before == [(False, None, True)]


UNCHECKED = (
    "create table public.songs (by uuid);\n"
    "alter table public.songs add constraint k foreign key (by) references auth.users (id) not valid;\n"
)


@pytest.mark.parametrize("way", ["another action", "another target"])
def test_a_key_that_nothing_had_checked_and_that_is_changed_besides_is_validated(way: str) -> None:
    schema = schema_of(TEXT.splitlines()[0] + UNCHECKED + SYNC)
    [key] = schema.tables[QName("public", "songs")].foreign_keys
    changed = (
        changes.SetOnDelete(key, "SET NULL") if way == "another action" else changes.RetargetForeignKey(key, USERS)
    )
    found = plan_steps(schema, [changed, changes.ValidateForeignKey(key.ref)], {}, named)
    [validated] = [step for step in found.steps if "validate constraint" in step.sql]
    # The way back is to a key that nobody had looked through.
    assert validated.undo == ()
    alone = plan_steps(schema, [changed], {}, named)
    assert [step for step in alone.steps if "validate constraint" in step.sql] == []


@pytest.mark.parametrize("kind", ["retarget", "act", "add", "empty"])
def test_a_key_of_a_partitioned_table_waits_for_an_hour_that_somebody_chooses(kind: str) -> None:
    """Before PostgreSQL 18: "cannot add NOT VALID foreign key on partitioned table" (42809)."""
    name = QName("public", "events")
    schema = schema_of(
        TEXT + "create table public.events (id int, by uuid not null references auth.users (id), other uuid)\n"
        "  partition by range (id);\n"
    )
    [key] = schema.tables[name].foreign_keys
    wanted: dict[str, changes.Change] = {
        "retarget": changes.RetargetForeignKey(key, USERS),
        "act": changes.SetOnDelete(key, "SET NULL"),
        "add": changes.AddForeignKey(name, ("other",), USERS),
        "empty": changes.SetNotNull(Ref("column", *name, "by"), False),
    }
    found = plan_steps(schema, [wanted[kind]], {}, named, {USERS: AUTH})
    assert found.steps == ()
    [reason] = found.failed.values()
    assert "public.events is partitioned" in reason
    text = {
        "retarget": "alter table public.events drop constraint events_by_fkey, add constraint events_by_fkey foreign "
        "key (by) references public.users (id)",
        "act": "references auth.users (id) on delete set null",
        "add": "add constraint events_fkey foreign key (other) references public.users (id)",
        "empty": "the key that would empty it waits",
    }
    assert reason.endswith(text[kind])


def test_a_function_that_fails_sign_ups_does_not_wait_for_indexes() -> None:
    body = "begin insert into users (id) values (new.id); return new; end"
    text = TEXT + f"create function public.f() returns trigger language plpgsql as $$ {body} $$;\n"
    text += "create trigger t after insert on public.songs for each row execute function public.f();\n"
    trigger, function = Ref("trigger", "public", "songs", "t"), Ref("function", "public", "f", "()")
    repair = changes.RepairSyncFunction(function, trigger, ("run it as owner",), (Mend("missing-privilege"),))
    index = changes.CreateIndex(QName("public", "songs"), ("by",))
    found = plan_steps(schema_of(text), [index, repair], {}, named)
    assert [step.sql.split(" public.")[0] for step in found.steps] == [
        "create or replace function",
        "create index concurrently songs_idx on",
    ]
