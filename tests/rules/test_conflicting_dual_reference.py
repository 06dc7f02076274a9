import pytest

from referee.model.change import Safety, SetOnDelete
from referee.rules.conflicting_dual_reference import ConflictingDualReference
from tests.rules.checking import problems

RULE = ConflictingDualReference()


def dual(to_source: str, to_mirror: str, identity_key: str = "references auth.users (id) on delete cascade") -> str:
    return f"""
        create table public.profiles (id uuid primary key {identity_key});
        create table public.posts (author uuid references public.profiles (id) on delete cascade);
        create table public.reviews (
          who uuid
            constraint to_mirror references public.profiles (id) on delete {to_mirror}
            constraint to_source references auth.users (id) on delete {to_source}
        );
    """


@pytest.mark.parametrize(
    ("to_source", "to_mirror", "consequence"),
    [
        ("no action", "set null", "fails with 23503"),
        ("restrict", "cascade", "fails with 23503 (23001 from PostgreSQL 18 on)"),
        ("cascade", "set null", "deletes the row"),
        ("set null", "cascade", "keeps the row and empties the column"),
    ],
)
def test_the_key_to_the_source_decides(to_source: str, to_mirror: str, consequence: str) -> None:
    [problem] = problems(RULE, dual(to_source, to_mirror))
    assert problem.object.part == "to_source"
    assert f"ON DELETE {to_source.upper()} to auth.users(id), but {to_mirror.upper()} to" in problem.cause
    assert consequence in problem.consequence
    assert f"the {to_mirror.upper()} of to_mirror never runs" in problem.consequence


@pytest.mark.parametrize("action", ["no action", "cascade", "set null"])
def test_keys_that_agree_are_no_conflict(action: str) -> None:
    assert problems(RULE, dual(action, action)) == []


def test_keys_of_two_columns_are_no_dual_reference() -> None:
    text = dual("cascade", "cascade")
    assert problems(RULE, text + "alter table public.reviews add other uuid references auth.users (id);") == []


def test_deleting_rows_is_shown_but_not_proposed() -> None:
    [kept] = problems(RULE, dual("set null", "cascade"))
    [emptied] = problems(RULE, dual("no action", "set null"))
    assert kept.remedy is not None
    assert emptied.remedy is not None
    assert (kept.remedy.safety, emptied.remedy.safety) == (Safety.SHOW_ONLY, Safety.UNSAFE)
    assert isinstance(emptied.remedy.change, SetOnDelete)
    assert emptied.remedy.change.action == "SET NULL"


@pytest.mark.parametrize(
    ("to_source", "to_mirror", "key", "action", "safety"),
    [
        ("set null", "no action", "to_mirror", "SET NULL", Safety.UNSAFE),
        ("cascade", "restrict", "to_mirror", "CASCADE", Safety.SHOW_ONLY),
        ("cascade", "set null", "to_source", "SET NULL", Safety.UNSAFE),
        ("no action", "restrict", "to_source", "RESTRICT", Safety.UNSAFE),
    ],
)
def test_an_action_that_refuses_does_not_become_the_one_that_decides(
    to_source: str, to_mirror: str, key: str, action: str, safety: Safety
) -> None:
    [problem] = problems(RULE, dual(to_source, to_mirror))
    assert problem.remedy is not None
    assert isinstance(problem.remedy.change, SetOnDelete)
    change = problem.remedy.change
    assert (change.key.name, change.action, problem.remedy.safety) == (key, action, safety)


def test_between_two_mirrors_the_nearer_one_decides() -> None:
    [problem] = problems(
        RULE,
        """
        create table public.users (id uuid primary key references auth.users (id) on delete cascade);
        create table public.profiles (id uuid primary key references public.users (id) on delete cascade);
        create table public.reviews (
          who uuid constraint far references public.profiles (id) on delete cascade
            constraint near references public.users (id) on delete set null
        );
        """,
    )
    assert problem.object.part == "near"
