"""The rules about the order of migrations: what they report, and what only looks like it."""

from __future__ import annotations

import pytest

from referee.identity import IdentityOptions, identify
from referee.model.finding import Confidence, Problem, Severity
from referee.model.origins import Place
from referee.model.source import Source
from referee.platforms import platform
from referee.read.replay import replay
from referee.rules import ALL, PlanRule
from tests import bandbook

BY_ID = {rule.id: rule for rule in ALL if isinstance(rule, PlanRule)}

PROFILES = "create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);"
SONGS = "create table public.songs (edited_by uuid references auth.users (id));"
# A second reference to the mirror, so that it is the canonical table by vote.
BANDS = "create table public.bands (owner uuid references public.profiles (id), at uuid references public.profiles);"
BACKFILL = "insert into public.profiles (id) select u.id from auth.users u on conflict do nothing;"
DROP = "alter table public.songs drop constraint songs_edited_by_fkey;"
ADD = "alter table public.songs add constraint songs_edited_by_fkey foreign key (edited_by) references public.profiles"
VALIDATE = "alter table public.songs validate constraint songs_edited_by_fkey;"
FUNCTION = """create function public.sync() returns trigger language plpgsql security definer set search_path = '' as $$
begin insert into public.profiles (id) values (new.id) on conflict do nothing; return new; end $$;"""
TRIGGER = "create trigger sync after insert on auth.users for each row execute function public.sync();"
START = f"{PROFILES}\n{SONGS}\n{BANDS}"


def problems(rule: str, *files: str) -> list[Problem]:
    """The problems of one rule in migrations that run one after the other."""
    sources = [Source(f"{number}.sql", text) for number, text in enumerate(files, 1)]
    read = replay(sources, platform("supabase"))
    assert [gap.message for gap in read.gaps] == []
    identities = identify(read.schema, IdentityOptions(platform("supabase")))
    return list(BY_ID[rule].check_history(read.schema, identities, read.history))


def places(rule: str, *files: str) -> list[str]:
    """Where the problems are: file and line."""
    sources = [Source(f"{number}.sql", text) for number, text in enumerate(files, 1)]
    read = replay(sources, platform("supabase"))
    found = []
    for problem in problems(rule, *files):
        location = read.origins.location(problem.place or Place(problem.object))
        assert location is not None
        found.append(f"{location.file}:{location.line}")
    return sorted(found)


def test_there_are_six() -> None:
    assert sorted(BY_ID) == [
        "backfill-before-trigger",
        "destructive-retarget",
        "key-before-backfill",
        "key-without-lock-timeout",
        "recreated-split",
        "validate-with-add",
    ]


@pytest.mark.parametrize("rule", BY_ID)
@pytest.mark.parametrize("variant", bandbook.VARIANTS)
def test_one_migration_that_makes_everything_has_no_order_to_get_wrong(rule: str, variant: bandbook.Variant) -> None:
    assert problems(rule, bandbook.migration(variant)) == []


# The naive repair of docs: drop, add, trigger, backfill


def test_the_naive_repair_is_wrong_about_the_key_only() -> None:
    naive = "\n".join([DROP, f"{ADD};", FUNCTION, TRIGGER, BACKFILL])
    assert places("key-before-backfill", START, naive) == ["2.sql:2"]
    assert places("backfill-before-trigger", START, naive) == []
    assert places("key-without-lock-timeout", START, naive) == ["2.sql:1"]


def test_what_referee_writes_itself_is_in_order() -> None:
    files = [
        f"set lock_timeout = '500ms';\n{FUNCTION}\n{TRIGGER}\nreset lock_timeout;",
        BACKFILL,
        f"set lock_timeout = '500ms';\n{ADD.replace('_fkey', '_new')} not valid;",
        VALIDATE.replace("_fkey", "_new"),
        f"set lock_timeout = '500ms';\n{DROP}",
    ]
    for rule in BY_ID:
        assert problems(rule, START, *files) == []


# key-before-backfill


def test_a_key_that_is_validated_too_early() -> None:
    text = "\n".join([DROP, f"{ADD} not valid;", VALIDATE, BACKFILL])
    assert places("key-before-backfill", START, text) == ["2.sql:3"]


def test_a_key_to_a_mirror_that_is_still_empty_is_certain_to_fail() -> None:
    songs = "create table public.songs (edited_by uuid);"
    files = [songs, f"{PROFILES}\n{ADD};", BACKFILL]
    [problem] = problems("key-before-backfill", *files)
    assert (problem.confidence, problem.severity) == (Confidence.CERTAIN, Severity.ERROR)
    assert places("key-before-backfill", *files) == ["2.sql:2"]


@pytest.mark.parametrize(
    "text",
    [
        f"{BACKFILL}\n{DROP}\n{ADD};",
        f"{DROP}\n{ADD} not valid;\n{BACKFILL}",
        # A new column holds nothing.
        f"alter table public.songs add column owner uuid references public.profiles (id);\n{BACKFILL}",
        # So does a new table.
        f"create table public.shows (by uuid references public.profiles (id));\n{BACKFILL}",
        # Rows that come from elsewhere than the source.
        f"{DROP}\n{ADD};\ninsert into public.profiles (id) select owner from public.bands;",
        # Taken back.
        f"begin;\n{DROP}\n{ADD};\nrollback;\n{BACKFILL}",
    ],
)
def test_keys_that_are_not_too_early(text: str) -> None:
    assert problems("key-before-backfill", START, text) == []


# backfill-before-trigger


def test_a_backfill_in_a_do_block_and_a_trigger_in_a_later_file() -> None:
    block = f"do $$\nbegin\n  {BACKFILL}\nend $$;"
    files = [f"{START}\n{FUNCTION}", block, TRIGGER]
    [problem] = problems("backfill-before-trigger", *files)
    assert problem.confidence is Confidence.CERTAIN
    assert places("backfill-before-trigger", *files) == ["2.sql:3"]


@pytest.mark.parametrize(
    "files",
    [
        (f"{START}\n{FUNCTION}\n{TRIGGER}", BACKFILL),
        # Somebody noticed.
        (f"{START}\n{FUNCTION}\n{BACKFILL}\n{TRIGGER}", BACKFILL),
        # The trigger is only made anew.
        (f"{START}\n{FUNCTION}\n{TRIGGER}", f"drop trigger sync on auth.users;\n{BACKFILL}\n{TRIGGER}"),
        (f"{START}\n{BACKFILL}",),
    ],
)
def test_backfills_that_miss_nobody(files: tuple[str, ...]) -> None:
    assert problems("backfill-before-trigger", *files) == []


# validate-with-add


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{DROP}\n{ADD} not valid;\n{VALIDATE}", ["2.sql:3"]),
        (f"{DROP}\ndo $$ begin\n{ADD} not valid;\n{VALIDATE}\nend $$;", ["2.sql:4"]),
        (f"begin;\n{DROP}\n{ADD} not valid;\ncommit;\n{VALIDATE}", []),
        (f"-- +goose NO TRANSACTION\n{DROP}\n{ADD} not valid;\n{VALIDATE}", []),
        (
            (
                f"create table public.t (edited_by uuid);\n{ADD.replace('songs', 't')} not valid;"
                f"\n{VALIDATE.replace('songs', 't')}"
            ),
            [],
        ),
    ],
)
def test_validation_in_the_transaction_that_adds(text: str, found: list[str]) -> None:
    assert places("validate-with-add", START, text) == found


# key-without-lock-timeout


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{DROP}\n{ADD};", ["2.sql:1"]),
        (f"set lock_timeout to '2s';\n{DROP}\n{ADD};", []),
        (f"select set_config('lock_timeout', '2s', true);\n{DROP}", []),
        (f"set lock_timeout = 0;\n{DROP}", ["2.sql:2"]),
        (f"set lock_timeout = '2s';\nreset lock_timeout;\n{DROP}", ["2.sql:3"]),
        (
            "create table public.t (u uuid references auth.users);\nalter table public.t drop constraint t_u_fkey;",
            [],
        ),
        # Neither end is about users.
        (
            (
                "alter table public.songs add id uuid unique, add song uuid;\n"
                "alter table public.songs add foreign key (song) references public.songs (id);"
            ),
            [],
        ),
    ],
)
def test_locks_on_the_users_table_without_a_limit(text: str, found: list[str]) -> None:
    assert places("key-without-lock-timeout", START, text) == found


def test_it_is_information_once_for_each_file() -> None:
    [problem] = problems("key-without-lock-timeout", START, f"{ADD.replace('_fkey', '_2')};\n{DROP}")
    assert problem.severity is Severity.INFO
    assert "and 1 other key besides" in problem.cause
    assert "everybody who uses auth.users" in problem.consequence


# destructive-retarget

MONEY = "create table public.payouts (payee uuid not null);"
KEY = "alter table public.payouts add foreign key (payee) references public.profiles (id);"


@pytest.mark.parametrize(
    "lost",
    [
        "delete from public.payouts where payee not in (select id from public.profiles);",
        "delete from public.payouts where not exists (select 1 from public.profiles p where p.id = payee);",
        "delete from public.payouts where payee <> all (select id from public.profiles);",
        (
            "delete from public.payouts where payee in (select o.payee from public.payouts o"
            " left join public.profiles p on p.id = o.payee where p.id is null);"
        ),
        "delete from public.payouts;",
        "do $$ begin delete from public.payouts where payee not in (select id from public.profiles); end $$;",
    ],
)
def test_rows_that_are_deleted_to_make_a_key_fit(lost: str) -> None:
    [problem] = problems("destructive-retarget", f"{START}\n{MONEY}", f"{lost}\n{KEY}")
    assert (problem.severity, str(problem.object)) == (Severity.ERROR, "public.payouts.payouts_payee_fkey")
    assert places("destructive-retarget", f"{START}\n{MONEY}", f"{lost}\n{KEY}") == ["2.sql:1"]


@pytest.mark.parametrize("where", ["edited_by is not null", "edited_by not in (select id from public.profiles)"])
def test_columns_that_are_emptied_to_make_a_key_fit(where: str) -> None:
    [problem] = problems(
        "destructive-retarget", START, f"{DROP}\nupdate public.songs set edited_by = null where {where};\n{ADD};"
    )
    assert problem.severity is Severity.WARNING


@pytest.mark.parametrize(
    "text",
    [
        # The mirror has just got every row that it could.
        f"{BACKFILL}\ndelete from public.payouts where payee not in (select id from public.profiles);\n{KEY}",
        # Another reason to delete.
        f"delete from public.payouts where payee is null;\n{KEY}",
        f"delete from public.payouts where payee in (select id from public.profiles where false);\n{KEY}",
        # No key is in sight.
        "delete from public.payouts where payee not in (select id from public.profiles);",
        # Another table's key.
        f"delete from public.payouts where payee not in (select id from public.profiles);\n{DROP}\n{ADD};",
    ],
)
def test_deletions_for_other_reasons(text: str) -> None:
    assert problems("destructive-retarget", f"{START}\n{MONEY}", text) == []


# recreated-split


def test_a_repair_that_adds_keys_to_the_wrong_side() -> None:
    repair = f"create table public.venues (by uuid references auth.users (id));\n{DROP}\n{ADD};"
    [problem] = problems("recreated-split", START, repair)
    assert str(problem.expected_target) == "public.profiles(id)"
    assert str(problem.object) == "public.venues.venues_by_fkey"
    assert places("recreated-split", START, repair) == ["2.sql:1"]


def test_a_wrong_key_in_another_migration_or_one_that_is_moved_later_is_no_repair_gone_wrong() -> None:
    wrong = "create table public.venues (by uuid references auth.users (id));"
    assert problems("recreated-split", START, f"{DROP}\n{ADD};", wrong) == []
    moved = "alter table public.venues drop constraint venues_by_fkey, add foreign key (by) references public.profiles;"
    assert problems("recreated-split", START, f"{wrong}\n{DROP}\n{ADD};", moved) == []
