from __future__ import annotations

from referee.testgen.mutations import mutations
from tests.testgen.schemas import POSTS, PROFILES, TRIGGER, built

POLICY = "create policy p on public.profiles for select using (true);"


def faults(text: str) -> list[str]:
    return [fault.text for fault in mutations(*built(text))]


def test_every_kind_of_fault() -> None:
    assert faults(PROFILES + POSTS + TRIGGER + POLICY) == [
        "drop the trigger on_auth_user_created on auth.users",
        "let public.handle_new_user() be SECURITY INVOKER",
        "let public.posts.posts_author_fkey reference auth.users(id) instead of public.profiles(id)",
        "leave public.posts.posts_author_fkey NOT VALID",
        "let public.posts.posts_author_fkey act ON DELETE CASCADE instead of SET NULL",
        "leave public.profiles.profiles_id_fkey NOT VALID",
        "let public.profiles.profiles_id_fkey act ON DELETE NO ACTION instead of CASCADE",
        "drop the policy p on public.profiles",
    ]


def test_a_key_that_is_not_valid_cannot_be_left_so() -> None:
    text = (
        PROFILES + "create table public.posts (author uuid);"
        "alter table public.posts add foreign key (author) references public.profiles (id) not valid;"
    )
    assert [fault for fault in faults(text) if "NOT VALID" in fault] == [
        "leave public.profiles.profiles_id_fkey NOT VALID"
    ]


def test_a_cascade_becomes_no_action() -> None:
    found = faults(PROFILES + "create table public.a (b uuid references public.profiles (id) on delete cascade);")
    assert "let public.a.a_b_fkey act ON DELETE NO ACTION instead of CASCADE" in found
