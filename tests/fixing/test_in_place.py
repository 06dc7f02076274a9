"""Edits touch the text that they are about and nothing else."""

from __future__ import annotations

import pytest

from referee.fixing.in_place import NotInPlaceError
from referee.fixing.sync import UndecidedError
from referee.model import change as changes
from referee.model.names import QName, Ref, Target
from referee.model.schema import ForeignKey, Schema
from tests.fixing.sql import edited, schema_of

AUTH = Target(QName("auth", "users"), ("id",))
USERS = Target(QName("public", "users"), ("id",))
MIRROR = "create table public.users (id uuid primary key references auth.users on delete cascade);\n"


def key_of(schema: Schema, table: str, namespace: str = "public") -> ForeignKey:
    [key] = schema.tables[QName(namespace, table)].foreign_keys
    return key


def retargeted(text: str, to: Target = USERS, table: str = "songs") -> str:
    return edited(text, [changes.RetargetForeignKey(key_of(schema_of(text), table), to)])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("references auth.users (id)", "references public.users (id)"),
        ("REFERENCES auth.users(id) ON DELETE SET NULL", "REFERENCES public.users(id) ON DELETE SET NULL"),
        ('references "auth"."users"("id")', 'references "public"."users"("id")'),
        ("references AUTH . USERS ( ID )", "references public.users ( ID )"),
        ("references auth.users", "references public.users"),
        (
            "constraint who references /* whom? */ auth.users -- here\n (id) match simple deferrable",
            "constraint who references /* whom? */ public.users -- here\n (id) match simple deferrable",
        ),
    ],
)
def test_retargeting_keeps_everything_else(before: str, after: str) -> None:
    text = "create table public.songs (\n  id int, -- one\n\tby uuid {}\n);\n"
    assert retargeted(MIRROR + text.format(before)) == MIRROR + text.format(after)


def test_a_key_written_by_alter_table_is_edited_there() -> None:
    text = (
        f"{MIRROR}create table public.songs (by uuid);\n"
        "alter table public.songs add constraint f foreign key (by) references auth.users(id) not valid;\n"
    )
    assert retargeted(text) == text.replace("auth.users(id)", "public.users(id)")


def test_columns_are_named_where_they_are_not_the_primary_key() -> None:
    text = (
        "create table public.users (n int primary key, id uuid unique not null references auth.users);\n"
        "create table public.songs (by uuid references auth.users);\n"
    )
    assert retargeted(text).endswith("(by uuid references public.users (id));\n")


def test_a_reference_to_what_comes_later_is_not_written() -> None:
    text = f"create table public.songs (by uuid references auth.users);\n{MIRROR}"
    with pytest.raises(NotInPlaceError, match="created behind"):
        retargeted(text)


def test_line_ends_stay_and_new_lines_get_them() -> None:
    text = "create table public.users (\r\n  id uuid primary key\r\n);\r\n\r\nselect 1;\r\n"
    found = edited(text, [changes.CreateSyncTrigger(AUTH, USERS)])
    assert found.startswith("create table public.users (\r\n  id uuid primary key\r\n);\r\n\r\n-- Added by referee")
    assert "\n" not in found.replace("\r\n", "")
    assert found.endswith("\r\n\r\nselect 1;\r\n")


def test_on_delete_is_written_or_replaced() -> None:
    text = f"{MIRROR}create table public.songs (by uuid references users (id) on update cascade on delete no action);\n"
    change = changes.SetOnDelete(key_of(schema_of(text), "songs"), "SET NULL")
    assert edited(text, [change]) == text.replace("on delete no action", "on delete set null")
    bare = f"{MIRROR}create table public.songs (by uuid references users (id) deferrable);\n"
    assert edited(bare, [changes.SetOnDelete(key_of(schema_of(bare), "songs"), "CASCADE")]) == bare.replace(
        "users (id) deferrable", "users (id) on delete cascade deferrable"
    )


def test_both_changes_of_one_key_fit_together() -> None:
    text = f"{MIRROR}create table public.songs (by uuid not null references auth.users (id));\n"
    key = key_of(schema_of(text), "songs")
    column = Ref("column", "public", "songs", "by")
    wanted: list[changes.Change] = [
        changes.RetargetForeignKey(key, USERS),
        changes.SetOnDelete(key, "SET NULL"),
        changes.SetNotNull(column, False),
    ]
    assert edited(text, wanted) == text.replace(
        "uuid not null references auth.users (id)", "uuid references public.users (id) on delete set null"
    )


def test_an_identity_key_goes_behind_what_the_column_says() -> None:
    text = "CREATE TABLE public.users (\n  id uuid PRIMARY KEY, -- theirs\n  CHECK (id is not null)\n);\n"
    found = edited(text, [changes.AddIdentityKey(USERS, AUTH)])
    assert found == text.replace("KEY,", "KEY REFERENCES auth.users (id) ON DELETE CASCADE,")


def test_not_valid_is_taken_away() -> None:
    text = (
        f"{MIRROR}create table public.songs (by uuid);\n"
        "alter table public.songs add constraint f foreign key (by) references users (id) NOT VALID;\n"
    )
    assert edited(text, [changes.ValidateForeignKey(key_of(schema_of(text), "songs").ref)]) == text.replace(
        " NOT VALID", ""
    )


def test_a_default_that_makes_ids_is_taken_away() -> None:
    text = "create table public.users (id uuid default gen_random_uuid() primary key);\n"
    found = edited(text, [changes.DropDefault(Ref("column", "public", "users", "id"))])
    assert found == "create table public.users (id uuid primary key);\n"


def test_the_second_of_two_keys_goes_with_its_actions() -> None:
    text = (
        f"{MIRROR}create table public.songs (by uuid references users (id) references users (id) on delete cascade);\n"
    )
    second = schema_of(text).tables[QName("public", "songs")].foreign_keys[1]
    found = edited(text, [changes.DropConstraint(second.ref)])
    assert found == f"{MIRROR}create table public.songs (by uuid references users (id));\n"


def test_a_column_that_nobody_can_fill_is_asked_about() -> None:
    text = (
        "create table public.teams (id uuid primary key);\n"
        "create table public.users (id uuid primary key, team uuid not null references teams (id));\n"
    )
    with pytest.raises(UndecidedError, match="team"):
        edited(text, [changes.CreateSyncTrigger(AUTH, USERS)])
    answer = {"value public.users.team": "'00000000-0000-0000-0000-000000000001'"}
    found = edited(text, [changes.CreateSyncTrigger(AUTH, USERS)], answer)
    assert "'00000000-0000-0000-0000-000000000001'" in found


def test_hostile_names_stay_names() -> None:
    text = (
        'create schema "Org\'s";\n'
        'create table "Org\'s"."mem""bers; drop" ("select" uuid primary key references auth.users on delete cascade);\n'
        'create table "Org\'s"."order" ("by;" uuid references auth.users (id));\n'
    )
    target = Target(QName("Org's", 'mem"bers; drop'), ("select",))
    key = key_of(schema_of(text), "order", "Org's")
    wanted: list[changes.Change] = [changes.RetargetForeignKey(key, target), changes.CreateSyncTrigger(AUTH, target)]
    schema = schema_of(edited(text, wanted))
    assert key_of(schema, "order", "Org's").target == target
    assert [trigger.function.schema for trigger in schema.tables[AUTH.table].triggers] == ["Org's"]


def test_on_delete_is_written_behind_match() -> None:
    key = "foreign key (by) references public.users match full on update cascade"
    text = f"{MIRROR}create table public.songs (by uuid, {key});"
    change = changes.SetOnDelete(key_of(schema_of(text), "songs"), "CASCADE")
    assert "match full on delete cascade on update cascade" in edited(text, [change])


def test_a_reference_to_what_becomes_a_key_later_is_not_written_before() -> None:
    text = (
        "create table public.users (id uuid not null);\n"
        "create table public.songs (by uuid references auth.users);\n"
        "alter table public.users add primary key (id);\n"
        "alter table public.users add foreign key (id) references auth.users;\n"
    )
    with pytest.raises(NotInPlaceError, match="gets the key"):
        retargeted(text)
    added = edited(text, [changes.AddForeignKey(QName("public", "songs"), ("by",), USERS)])
    assert added.index("add foreign key (by) references public.users") > added.index("add primary key")


TWICE = "create table public.songs (by uuid references public.users{});\n"


@pytest.mark.parametrize(
    ("with_both", "without"),
    [
        (TWICE.format(" constraint again references public.users on delete cascade"), TWICE.format("")),
        (TWICE.format(", constraint again foreign key (by) references public.users match full"), TWICE.format("")),
        (
            TWICE.format(", \n  constraint again\n foreign key (by) references public.users, at int"),
            TWICE.format(", at int"),
        ),
        (
            TWICE.format("")
            + "alter table public.songs\n  add constraint again foreign key (by) references public.users"
            " on delete set null;  -- oh\nselect 1;\n",
            TWICE.format("") + "select 1;\n",
        ),
    ],
)
def test_the_second_of_two_keys_goes(with_both: str, without: str) -> None:
    change = changes.DropConstraint(Ref("constraint", "public", "songs", "again"))
    assert edited(MIRROR + with_both, [change]) == MIRROR + without


def test_a_key_that_shares_its_statement_is_left() -> None:
    text = "alter table public.songs add at int, add constraint again foreign key (by) references public.users;\n"
    change = changes.DropConstraint(Ref("constraint", "public", "songs", "again"))
    with pytest.raises(NotInPlaceError):
        edited(MIRROR + TWICE.format("") + text, [change, change])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("by varchar(10) not null references public.bands", "by text not null references public.bands"),
        (
            "by CHARACTER VARYING (10) CONSTRAINT f REFERENCES public.bands",
            "by text CONSTRAINT f REFERENCES public.bands",
        ),
        (
            "by varchar(10), foreign key (by) references public.bands",
            "by text, foreign key (by) references public.bands",
        ),
    ],
)
def test_a_column_takes_the_type_of_what_it_references(before: str, after: str) -> None:
    bands = "create table public.bands (id text primary key);\n"
    change = changes.AlterColumnType(Ref("column", "public", "songs", "by"), "text")
    assert edited(f"{bands}create table public.songs ({before});\n", [change]) == (
        f"{bands}create table public.songs ({after});\n"
    )


def test_a_type_with_a_default_is_left() -> None:
    change = changes.AlterColumnType(Ref("column", "public", "songs", "by"), "bigint")
    with pytest.raises(NotInPlaceError, match="values of its own"):
        edited("create table public.songs (by int default 1);\n", [change])
