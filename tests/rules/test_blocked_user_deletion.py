import pytest

from referee.model.change import SetOnDelete
from referee.model.finding import Confidence, Severity
from referee.rules.blocked_user_deletion import BlockedUserDeletion
from tests.rules.checking import problems

RULE = BlockedUserDeletion()
USERS = "create table public.users (id uuid primary key references auth.users (id) on delete cascade);"


def blocked(text: str) -> list[str]:
    return [f"{problem.object.name}.{problem.object.part}" for problem in problems(RULE, text)]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("uuid references auth.users", ("23503", Severity.WARNING, "SET NULL [unsafe]")),
        ("uuid not null references auth.users", ("23503", Severity.WARNING, "CASCADE [show-only]")),
        ("uuid references auth.users on delete restrict", ("23503 (23001", Severity.INFO, "SET NULL [unsafe]")),
        ("uuid not null references auth.users on delete set null", ("23502", Severity.WARNING, "CASCADE [show-only]")),
        (
            "uuid not null references auth.users on delete set default",
            ("23502", Severity.WARNING, "CASCADE [show-only]"),
        ),
    ],
)
def test_keys_that_refuse(column: str, expected: tuple[str, Severity, str]) -> None:
    [problem] = problems(RULE, f"create table public.a (x {column});")
    sqlstate, severity, remedy = expected
    assert f"fails with {sqlstate}" in problem.consequence
    assert (problem.severity, problem.confidence) == (severity, Confidence.CERTAIN)
    assert problem.remedy is not None
    assert isinstance(problem.remedy.change, SetOnDelete)
    assert f"{problem.remedy.change.action} [{problem.remedy.safety}]" == remedy


@pytest.mark.parametrize(
    "column",
    [
        "uuid references auth.users on delete cascade",
        "uuid references auth.users on delete set null",
        "uuid references auth.users on delete set default",
        "uuid not null default gen_random_uuid() references auth.users on delete set default",
        "uuid references auth.users not enforced",
    ],
)
def test_keys_that_let_go(column: str) -> None:
    assert blocked(f"create table public.a (x {column});") == []


def test_the_chain_is_printed_whole() -> None:
    [problem] = problems(
        RULE,
        USERS
        + """
        create table public.bands (id int primary key, owner uuid references public.users (id) on delete cascade);
        create table public.songs (band int references public.bands (id));
        """,
    )
    assert problem.cause == (
        "Deleting a user comes to a key that refuses: auth.users -> public.users CASCADE -> public.bands CASCADE ->"
        " public.songs(band) NO ACTION."
    )
    assert problem.consequence == (
        "Deleting a user fails with 23503 as soon as a row of public.songs refers to what goes along in public.bands."
    )
    assert [note.place.ref.part for note in problem.related if note.place] == ["users_id_fkey", "bands_owner_fkey"]


def test_behind_a_mirror_a_row_refers_to_the_user() -> None:
    [problem] = problems(RULE, USERS + "create table public.a (x uuid references public.users (id));")
    assert problem.consequence == "Deleting a user fails with 23503 as soon as a row of public.a refers to the user."


def test_an_identity_key_that_refuses_blocks_every_user() -> None:
    [problem] = problems(RULE, "create table public.users (id uuid primary key references auth.users (id));")
    assert problem.consequence == "No user who has a row in public.users can be deleted: 23503."
    assert problem.remedy is not None
    assert "ON DELETE CASCADE" in problem.remedy.change.describe()


def test_behind_a_key_that_refuses_nothing_is_reached() -> None:
    text = USERS.replace("on delete cascade", "") + "create table public.a (x uuid references public.users (id));"
    assert blocked(text) == ["users.users_id_fkey"]


def test_a_mirror_without_identity_key_is_not_reached() -> None:
    text = (
        "create table public.users (id uuid primary key); create table public.a (x uuid references public.users (id));"
    )
    assert blocked(text + "create policy own on public.users using (id = auth.uid());") == []


def test_in_a_dual_reference_the_key_to_the_source_decides() -> None:
    dual = "create table public.a (x uuid references public.users (id) {mirror} references auth.users (id) {source});"
    assert blocked(USERS + dual.format(mirror="", source="on delete cascade")) == []
    assert blocked(USERS + dual.format(mirror="", source="on delete set null")) == []
    assert blocked(USERS + dual.format(mirror="on delete cascade", source="")) == ["a.a_x_fkey1"]


def test_a_table_that_another_chain_empties_is_likely() -> None:
    [problem] = problems(
        RULE,
        "create table public.a (x uuid references auth.users on delete cascade, y uuid references auth.users);",
    )
    assert (problem.columns, problem.confidence) == (("y",), Confidence.LIKELY)


def test_rows_of_one_user_that_refer_to_each_other_go_together() -> None:
    tree = """
        create table public.folders (
          id int primary key, owner uuid references auth.users on delete cascade, parent int references public.folders
        );
    """
    assert blocked(tree) == []


def test_rows_of_a_mirror_that_refer_to_each_other_are_different_users() -> None:
    assert blocked(USERS + "alter table public.users add boss uuid references public.users (id);") == [
        "users.users_boss_fkey"
    ]


def test_set_null_of_some_columns() -> None:
    text = """
        create table public.users (
          id uuid primary key references auth.users (id) on delete cascade, t int, unique (t, id)
        );
        create table public.a (
          t int not null, x uuid, foreign key (t, x) references public.users (t, id) on delete set null {columns}
        );
    """
    assert blocked(text.format(columns="(x)")) == []
    assert blocked(text.format(columns="")) == ["a.a_t_x_fkey"]


def test_a_source_with_two_identities_is_followed_once() -> None:
    text = """
        create schema test;
        create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
        create table public.posts (author uuid references public.profiles (id));
        create table test.profiles (id uuid primary key references auth.users (id) on delete cascade);
        create table test.posts (author uuid references test.profiles (id));
    """
    assert blocked(text) == ["posts.posts_author_fkey", "posts.posts_author_fkey"]
