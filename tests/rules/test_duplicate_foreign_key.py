from __future__ import annotations

from referee.model.change import DropConstraint, Safety
from referee.model.finding import Severity
from referee.rules.duplicate_foreign_key import DuplicateForeignKey
from tests.rules.checking import problems

RULE = DuplicateForeignKey()
BANDS = "create table public.bands (id uuid primary key, other uuid unique);"
SONGS = "create table public.songs (band uuid references public.bands (id), second uuid);"


def test_the_generated_second_name_is_the_duplicate() -> None:
    text = BANDS + SONGS + "alter table public.songs add foreign key (band) references public.bands (id);"
    [problem] = problems(RULE, text)
    assert problem.object.part == "songs_band_fkey1"
    assert problem.severity is Severity.INFO
    assert problem.remedy is not None
    assert problem.remedy.change == DropConstraint(problem.object)
    assert problem.related[0].place is not None
    assert problem.related[0].place.ref.part == "songs_band_fkey"


def test_two_actions_are_a_warning_and_a_question() -> None:
    add = "alter table public.songs add constraint k foreign key (band) references public.bands (id) on delete cascade;"
    [problem] = problems(RULE, BANDS + SONGS + add)
    assert problem.severity is Severity.WARNING
    assert problem.remedy is not None
    assert problem.remedy.safety is Safety.SHOW_ONLY
    assert "ON DELETE NO ACTION" in problem.consequence
    assert "ON DELETE CASCADE" in problem.consequence


def test_three_keys_are_two_duplicates() -> None:
    add = "alter table public.songs add foreign key (band) references public.bands (id);"
    assert [problem.object.part for problem in problems(RULE, BANDS + SONGS + add + add)] == [
        "songs_band_fkey1",
        "songs_band_fkey2",
    ]


def test_keys_that_differ_are_no_duplicates() -> None:
    for more in (
        "alter table public.songs add foreign key (second) references public.bands (id);",
        "alter table public.songs add foreign key (band) references public.bands (other);",
        "alter table public.songs add foreign key (band) references auth.users (id);",
    ):
        assert problems(RULE, BANDS + SONGS + more) == []


def test_the_order_of_columns_does_not_make_a_difference() -> None:
    text = (
        "create table public.a (x int, y int, primary key (x, y));"
        "create table public.b (x int, y int, foreign key (x, y) references public.a (x, y),"
        " constraint k foreign key (y, x) references public.a (y, x));"
    )
    assert len(problems(RULE, text)) == 1


def test_of_names_that_had_to_be_shortened_the_first_stays_too() -> None:
    table = "n" * 63
    text = BANDS + f"create table public.{table} (band uuid references public.bands (id));"
    text += f"alter table public.{table} add foreign key (band) references public.bands (id);"
    [problem] = problems(RULE, text)
    assert problem.object.part == f"{'n' * 52}_band_fkey1"
