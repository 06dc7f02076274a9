from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referee.model.source import Location, Source, Span
from referee.render.plain import Excerpt, clean, columns, count, excerpt, width, wrap


@pytest.mark.parametrize(
    ("text", "cells"), [("", 0), ("abc", 3), ("bänd", 4), ("ba\u0308nd", 4), ("🎸", 2), ("漢字", 4), ("a\u200db", 2)]
)
def test_width_in_cells(text: str, cells: int) -> None:
    assert width(text) == cells


def test_what_could_steer_a_terminal_is_escaped() -> None:
    assert clean("a\x1b[31m\n\r\t\x07\x9b\u202e\u2066") == r"a\x1b[31m\n\r\t\x07\x9b\u202e\u2066"
    assert clean("Org's bänd 🎸 👩‍🎤") == "Org's bänd 🎸 👩‍🎤"


@given(st.text())
def test_no_cleaned_text_has_a_second_line_or_a_control_character(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned.splitlines()) <= 1
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in cleaned)


def test_wrapping_keeps_words_whole() -> None:
    assert wrap("one two three", 20, "  ") == ["  one two three"]
    assert wrap("a" * 30 + " b", 20, "  ") == ["  " + "a" * 30, "  b"]
    assert wrap("public.on-delete-x " * 2, 20, "") == ["public.on-delete-x", "public.on-delete-x"]


def test_columns_stand_below_each_other() -> None:
    assert columns([["a", "b"], ["🎸🎸", ""], ["ccc", "d"]]) == ["a     b", "🎸🎸", "ccc   d"]
    assert columns([]) == []


def marked(text: str, start: int, end: int, room: int = 80) -> Excerpt:
    source = Source("a.sql", text)
    return excerpt(source, Location.of(Span("a.sql", start, end), source), room)


def test_an_excerpt_has_no_indentation() -> None:
    assert marked("create (\n    owner uuid references users,\n)", 24, 40) == ("owner uuid ", "references users", ",")


def test_carets_are_as_wide_as_what_they_mark() -> None:
    assert marked("🎸🎸 x", 0, 2).carets == "^^^^"
    assert marked("abc", 1, 1).carets == "^"
    assert marked("", 0, 0).carets == "^"


def test_of_several_lines_the_first_is_marked_to_its_end() -> None:
    assert marked("a references\r\n  users (id)", 2, 24) == ("a ", "references", "")


def test_tabs_become_blanks_in_step_with_the_carets() -> None:
    assert marked("\ta\tbc", 3, 5) == ("a    ", "bc", "")


def test_a_long_line_is_cut_around_what_is_marked() -> None:
    text = "x" * 200 + "MARK" + "y" * 200
    part = marked(text, 200, 204, room=60)
    assert part.marked == "MARK"
    assert part.before.startswith("…x")
    assert part.after.endswith("y…")
    assert width(part.before + part.marked + part.after) <= 60


@given(st.text(max_size=120), st.integers(0, 120), st.integers(0, 120), st.integers(40, 90))
def test_an_excerpt_fits_and_marks_something(text: str, start: int, end: int, room: int) -> None:
    start, end = sorted((min(start, len(text)), min(end, len(text))))
    part = marked(text, start, end, room)
    assert len(part.carets) >= 1
    assert width("".join(part)) <= room + 1
    assert clean("".join(part)) == "".join(part)


def test_numbers_with_their_nouns() -> None:
    assert [count(0, "file"), count(1, "file"), count(2, "body", "bodies")] == ["0 files", "1 file", "2 bodies"]
