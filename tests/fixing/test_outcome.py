"""What a schema has to arrive at, and what would be a surprise."""

from __future__ import annotations

from referee.fixing.outcome import surprises
from referee.model import change as changes
from referee.model.names import QName, Ref, Target
from tests.fixing.sql import schema_of

PARENT = "create table public.events (id int, by uuid{}, at uuid not null) partition by range (id);\n"
PARTS = (
    "create table public.early partition of public.events for values from (0) to (10) partition by range (id);\n"
    "create table public.first partition of public.early for values from (0) to (5);\n"
)
BY = Ref("column", "public", "events", "by")


def test_what_becomes_of_a_column_becomes_of_it_in_every_partition() -> None:
    before, after = schema_of(PARENT.format(" not null") + PARTS), schema_of(PARENT.format("") + PARTS)
    assert surprises(before, after, [changes.SetNotNull(BY, False)]) == []
    assert surprises(before, after, []) == [
        f"column public.{table}.by is changed" for table in ("early", "events", "first")
    ]


def test_another_column_of_a_partition_is_a_surprise() -> None:
    before = schema_of(PARENT.format(" not null") + PARTS)
    after = schema_of(PARENT.format("") + PARTS + "alter table public.first alter id set not null;\n")
    assert surprises(before, after, [changes.SetNotNull(BY, False)]) == ["column public.first.id is changed"]


def test_a_new_key_may_wait_for_its_rows_and_an_old_one_may_not() -> None:
    songs = "create table public.songs (by uuid);\n"
    added = "alter table public.songs add foreign key (by) references auth.users (id) on delete set null{};\n"
    table, to = QName("public", "songs"), Target(QName("auth", "users"), ("id",))
    waiting = schema_of(songs + added.format(" not valid"))
    [key] = schema_of(songs + added.format("").replace(" on delete set null", "")).tables[table].foreign_keys
    wanted: list[changes.Change] = [
        changes.AddForeignKey(table, ("by",), to),
        changes.SetOnDelete(key, "SET NULL"),
    ]
    assert surprises(schema_of(songs), waiting, wanted) == []
    [told] = surprises(schema_of(songs + added.format("")), waiting, wanted[1:])
    assert told.startswith("public.songs.songs_by_fkey is ForeignKey(")
