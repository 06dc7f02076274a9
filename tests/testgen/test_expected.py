from __future__ import annotations

from referee.testgen.expected import by_column, enabled_letter, policy_text, rights
from tests.testgen.schemas import POSTS, PROFILES, TRIGGER, expected


def test_a_wrong_reference_is_expected_at_the_canonical_table_with_its_own_actions() -> None:
    text = PROFILES + POSTS + "create table public.likes (fan uuid references auth.users (id) on delete cascade);"
    text += "create table public.notes (author uuid references public.profiles (id));"
    found = {one.column: one.text for one in expected(text).references if one.table.name == "likes"}
    assert found == {"fan": "public.profiles(id) ON DELETE CASCADE ON UPDATE NO ACTION"}


def test_the_identity_key_itself_is_expected() -> None:
    found = [str(one.target) for one in expected(PROFILES + POSTS).references if one.table.name == "profiles"]
    assert found == ["auth.users(id)"]


def test_a_dual_reference_keeps_both_targets() -> None:
    text = (
        PROFILES
        + POSTS
        + (
            "create table public.tasks (who uuid references auth.users (id) on delete cascade,"
            " foreign key (who) references public.profiles (id));"
        )
    )
    keys = {f"{table.name}.{column}": said for table, column, said in by_column(expected(text).references)}
    assert keys["tasks.who"] == [
        "auth.users(id) ON DELETE CASCADE ON UPDATE NO ACTION",
        "public.profiles(id) ON DELETE NO ACTION ON UPDATE NO ACTION",
    ]


def test_the_trigger_is_expected_with_its_function() -> None:
    (mirror,) = expected(PROFILES + POSTS + TRIGGER).mirrors
    assert mirror.goes_with_source
    assert mirror.trigger is not None
    assert mirror.function is not None
    assert enabled_letter(mirror.trigger) == "O"
    assert rights(mirror.function) == 'postgres SECURITY DEFINER search_path=""'


def test_policies_as_texts() -> None:
    text = (
        PROFILES + POSTS + 'create policy "Own row" on public.profiles for select to authenticated, anon using (true);'
    )
    (mirror,) = expected(text).mirrors
    assert [policy_text(policy) for policy in mirror.policies] in (
        ["Own row FOR SELECT TO anon, authenticated"],
        ["Own row FOR SELECT TO authenticated, anon"],
    )


def test_the_same_schema_gives_the_same_whatever_the_order_of_its_tables() -> None:
    one, other = (
        PROFILES + "create table public.a (x uuid references auth.users (id));" + POSTS,
        PROFILES + POSTS + ("create table public.a (x uuid references auth.users (id));"),
    )
    assert expected(one) == expected(other)
