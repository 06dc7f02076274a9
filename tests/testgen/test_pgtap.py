from __future__ import annotations

import re

import pytest

from referee.sql.split import split
from referee.testgen.pgtap import WAYS, literal, render
from tests.testgen.schemas import HOSTILE, POSTS, PROFILES, TRIGGER, expected

FULL = PROFILES + POSTS + TRIGGER + "create policy p on public.profiles for select using (true);"


def planned(text: str) -> int:
    found = re.search(r"SELECT plan\((\d+)\)", text)
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("ways", [(), ("email",), WAYS])
def test_the_plan_counts_the_assertions(ways: tuple[str, ...]) -> None:
    text = render(expected(FULL, *ways))
    statements = [cut.text(text) for cut in split(text)]
    assert planned(text) == sum(one.startswith(("SELECT is(", "SELECT lives_ok(")) for one in statements)
    assert (statements[0], statements[-1]) == ("BEGIN", "ROLLBACK")


def test_every_way_to_sign_up_has_its_row_looked_for() -> None:
    text = render(expected(FULL, *WAYS))
    for title in ("sign-up by e-mail", "sign-up through Google", "sign-up by phone", "anonymous sign-up"):
        assert f"'{title} passes'" in text
    assert text.count("and leaves its row in public.profiles") == len(WAYS)
    assert "and its row in public.profiles goes with it" in text


def test_the_phone_is_no_e_mail() -> None:
    text = render(expected(FULL, "phone"))
    assert "NULL, ''49301234567'', ''phone''" in text


def test_what_is_not_there_is_not_written() -> None:
    text = render(expected(PROFILES + POSTS))
    assert "sign_up" not in text
    assert "What fills" not in text
    assert "policies" not in text


def test_hostile_names_are_quoted() -> None:
    text = render(expected(HOSTILE, "email"))
    assert [cut.unclosed for cut in split(text)] == [-1] * sum(1 for _ in split(text))
    assert 'FROM public."Org\'s"' in text


@pytest.mark.parametrize(
    ("text", "written"), [("a", "'a'"), ("Org's", "'Org''s'"), ("a\\b", "E'a\\\\b'"), ("😀", "'😀'")]
)
def test_constants(text: str, written: str) -> None:
    assert literal(text) == written


def test_a_line_break_in_a_name_ends_no_comment() -> None:
    table = 'public."profiles\n; drop table a; --"'
    text = render(expected(FULL.replace("public.profiles", table)))
    assert f"What users may do with {table}".replace("\n", " ") in text
    assert not [cut for cut in split(text) if cut.text(text).lower().startswith("drop")]
