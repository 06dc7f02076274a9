"""Steps for a database in use: their order, and what they bring along."""

from __future__ import annotations

from collections.abc import Callable

from referee.fixing.migration import plan_steps
from referee.fixing.order import cut, text_of
from referee.model import change as changes
from referee.model.names import QName, Target
from referee.model.plan import Phase
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
    assert "set " not in text_of(concurrent, 1, 1)
