from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referee.model.finding import Note
from referee.model.names import QName, Ref, Target
from referee.model.origins import BodyOrigin, Origins, Place
from referee.model.source import Location, Source, Span
from referee.workflow.locate import fingerprint, in_order, locate
from tests.workflow.findings import finding, problem

pytestmark = pytest.mark.usefixtures("own_rules")

TEXT = "create table public.songs (\n  created_by uuid references auth.users (id)\n);\n-- ä\nselect 'body';\n"
TABLE, KEY = Ref("table", "public", "songs"), Ref("constraint", "public", "songs", "songs_created_by_fkey")
FUNCTION = Ref("function", "public", "stamp", "()")


def span(words: str) -> Span:
    start = TEXT.index(words)
    return Span("a.sql", start, start + len(words))


ORIGINS = Origins(
    sources={"a.sql": Source("a.sql", TEXT)},
    anchors={KEY: span("references auth.users (id)"), TABLE: span("public.songs")},
    bodies={FUNCTION: BodyOrigin(span("body"))},
)


def test_a_finding_points_at_the_anchor_of_its_object() -> None:
    found = locate("lost-key", problem(), ORIGINS)
    assert found.location == Location("a.sql", 2, 19, 2, 45)
    assert (found.rule, found.problem) == ("lost-key", problem())


def test_a_place_of_its_own_comes_first() -> None:
    found = locate("lost-key", replace(problem(), place=Place(FUNCTION, (0, 2))), ORIGINS)
    assert found.location == Location("a.sql", 5, 9, 5, 11)


def test_an_object_without_a_text_of_its_own_is_found_at_its_table() -> None:
    assert locate("lost-key", problem("inherited_fkey"), ORIGINS).location == Location("a.sql", 1, 14, 1, 26)


def test_what_no_file_holds_has_no_place() -> None:
    assert locate("lost-key", problem(), Origins()).location is None
    assert locate("lost-key", replace(problem(), object=FUNCTION), Origins()).location is None


def test_notes_are_located_too() -> None:
    notes = (Note("see the table", Place(TABLE)), Note("in general"), Note("elsewhere", Place(FUNCTION)))
    first, second, third = locate("lost-key", replace(problem(), related=notes), ORIGINS).related
    assert (first.message, first.object, first.location) == (
        "see the table",
        "public.songs",
        Location("a.sql", 1, 14, 1, 26),
    )
    assert (second.object, second.location) == (None, None)
    assert (third.object, third.location) == ("public.stamp()", None)


def test_findings_stand_in_the_order_of_file_line_and_object() -> None:
    nowhere = locate("lost-key", problem("z"), Origins())
    expected = [
        finding(file="a.sql", line=2, name="b"),
        finding(file="a.sql", line=10, name="a"),
        finding(file="a.sql", line=10, name="b"),
        finding(file="b.sql", line=1, name="a"),
        nowhere,
    ]
    assert list(in_order(reversed(expected))) == expected


def test_the_fingerprint_depends_on_what_is_wrong_and_on_nothing_else() -> None:
    base = fingerprint("lost-key", problem())
    moved = replace(problem(), place=Place(FUNCTION, (3, 4)), cause="Other words.", consequence="", remedy=None)
    assert fingerprint("lost-key", moved) == base
    others = [
        fingerprint("late-trigger", problem()),
        fingerprint("lost-key", problem("other")),
        fingerprint("lost-key", problem(key="2")),
        fingerprint("lost-key", replace(problem(), columns=("x",))),
        fingerprint("lost-key", replace(problem(), target=Target(QName("auth", "users"), ("email",)))),
        fingerprint("lost-key", replace(problem(), target=None)),
    ]
    assert len({base, *others}) == len(others) + 1


def test_the_fingerprint_is_the_same_tomorrow() -> None:
    # Baselines keep fingerprints: whoever changes how they are made makes every baseline worthless.
    text = b'["lost-key","public.songs.songs_created_by_fkey",["created_by"],"auth.users(id)",""]'
    assert fingerprint("lost-key", problem()) == blake2b(text, digest_size=8).hexdigest()


def test_the_fingerprint_of_what_is_about_a_file_counts_its_path_from_the_project() -> None:
    here, above = replace(problem(), file="supabase/seed.sql"), replace(problem(), file="app/supabase/seed.sql")
    assert fingerprint("lost-key", here, ".") == fingerprint("lost-key", above, "app")
    assert fingerprint("lost-key", here, ".") != fingerprint("lost-key", problem(), ".")
    assert fingerprint("lost-key", here, ".") != fingerprint("lost-key", replace(here, file="supabase/b.sql"), ".")
    inside = replace(problem(), object=Ref("file", "", "../tests/a.sql"))
    absolute = replace(problem(), object=Ref("file", "", "/srv/app/tests/a.sql"))
    assert fingerprint("lost-key", inside, "..") == fingerprint("lost-key", absolute, "/srv/app")


@given(st.text(), st.text(), st.text(), st.text())
def test_hostile_names_do_not_run_into_each_other(name: str, key: str, other_name: str, other_key: str) -> None:
    same = (name, key) == (other_name, other_key)
    prints = fingerprint("r", problem(name, key)), fingerprint("r", problem(other_name, other_key))
    assert (prints[0] == prints[1]) is same
