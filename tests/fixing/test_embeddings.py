"""Which rows API requests may embed before and after a plan."""

from __future__ import annotations

from referee.fixing.embeddings import changes_types, embeddings
from referee.model import change as changes
from referee.model.names import QName, Ref, Target
from referee.model.plan import Embedding
from referee.model.schema import ForeignKey
from tests.fixing.sql import schema_of

USERS = Target(QName("public", "users"), ("id",))
SONGS, NOTES = QName("public", "songs"), QName("private", "notes")
SCHEMA = schema_of(
    "create schema private;"
    "create table public.users (id uuid primary key);"
    "create table public.people (id uuid primary key);"
    "create table public.songs (by uuid references public.users (id), edited_by uuid references auth.users (id),"
    " seen_by uuid references public.people (id), heard_by uuid);"
    "create table private.notes (by uuid references auth.users (id));"
)
BY, EDITED_BY, SEEN_BY = SCHEMA.tables[SONGS].foreign_keys
[NOTE_BY] = SCHEMA.tables[NOTES].foreign_keys


def found(*wanted: changes.Change, added: tuple[ForeignKey, ...] = ()) -> list[tuple[str, str, str]]:
    changed = embeddings(SCHEMA, wanted, added, ("public",))
    assert all(entry.referencing == SONGS for entry in changed)
    return [(entry.change, entry.referenced.name, entry.key) for entry in changed]


def test_a_table_of_a_hidden_schema_was_never_embedded() -> None:
    assert found(changes.RetargetForeignKey(EDITED_BY, USERS)) == [
        # songs?select=*,users(*) worked along the only key, and now there are two.
        ("ambiguous", "users", "songs_by_fkey"),
        ("gained", "users", "songs_edited_by_fkey"),
    ]
    assert found(changes.RetargetForeignKey(NOTE_BY, USERS)) == []


def test_a_retarget_between_two_visible_tables_loses_one_and_gains_one() -> None:
    assert found(changes.RetargetForeignKey(SEEN_BY, USERS)) == [
        ("ambiguous", "users", "songs_by_fkey"),
        ("gained", "users", "songs_seen_by_fkey"),
        ("lost", "people", "songs_seen_by_fkey"),
    ]


def test_what_is_replaced_at_once_is_no_second_way() -> None:
    both = changes.RetargetForeignKey(SEEN_BY, USERS), changes.DropConstraint(BY.ref)
    assert found(*both) == [("lost", "users", "songs_by_fkey"), *found(both[0])[1:]]


def test_new_keys_are_ways_too() -> None:
    people = Target(QName("public", "people"), ("id",))
    key = ForeignKey(SONGS, "songs_heard_by_fkey", ("heard_by",), people, "NO ACTION")
    wanted = changes.AddForeignKey(SONGS, ("heard_by",), people)
    assert found(wanted, added=(key,)) == [
        ("gained", "people", "songs_heard_by_fkey"),
        ("ambiguous", "people", "songs_seen_by_fkey"),
    ]


def test_types_change_with_relations_and_with_columns_that_take_null() -> None:
    way = Embedding("gained", SONGS, USERS.table, "k")
    looser = changes.SetNotNull(Ref("column", *SONGS, "by"), False)
    hidden = changes.SetNotNull(Ref("column", *NOTES, "by"), False)
    assert changes_types((way,), (), ("public",))
    assert changes_types((), (looser,), ("public",))
    assert not changes_types((), (hidden,), ("public",))
