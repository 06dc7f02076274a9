from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referee.read.sections import up_part

UP, DOWN = "create table t ();", "drop table t;"

FORMATS = [
    pytest.param("-- +goose Up\n{up}\n-- +goose Down\n{down}\n", id="goose"),
    pytest.param("-- +goose up\n{up}\n--+goose DOWN\n{down}\n", id="goose, other spelling"),
    pytest.param("-- +migrate Up\n{up}\n-- +migrate Down notransaction\n{down}\n", id="sql-migrate"),
    pytest.param("-- migrate:up\n{up}\n\n-- migrate:down transaction:false\n{down}\n", id="dbmate"),
    pytest.param("-- Up Migration\n{up}\n-- Down Migration\n{down}\n", id="node-pg-migrate"),
    pytest.param("{up}\n---- create above / drop below ----\n{down}\n", id="tern"),
    pytest.param("-- +goose Up\r\n{up}\r\n-- +goose Down\r\n{down}\r\n", id="line ends of Windows"),
]


@pytest.mark.parametrize("layout", FORMATS)
def test_the_way_down_is_blanked_in_place(layout: str) -> None:
    text = layout.format(up=UP, down=DOWN)
    read = up_part(text)
    assert UP in read
    assert "drop table" not in read
    assert len(read) == len(text)
    assert [i for i, c in enumerate(read) if c == "\n"] == [i for i, c in enumerate(text) if c == "\n"]
    assert read.index(UP) == text.index(UP)


def test_what_follows_a_second_way_up_is_read() -> None:
    text = f"-- +goose Down\n{DOWN}\n-- +goose Up\n{UP}"
    assert up_part(text).endswith(f"-- +goose Up\n{UP}")
    assert DOWN not in up_part(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        UP,
        "-- This migration goes down in history\ncreate table t ();",
        "select '-- +goose';",
        "insert into notes values ('migrate:down');",
        "-- rollback: see the other migration\nselect 1;",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert up_part(text) == text


@given(
    st.lists(st.sampled_from(["-- +goose Up\n", "-- +goose Down\n", "-- migrate:down\n", "a\n", "ä🎸", "\r\n", ";"]))
)
def test_length_and_lines_never_change(parts: list[str]) -> None:
    text = "".join(parts)
    read = up_part(text)
    assert len(read) == len(text)
    assert all(a == b or a == " " for a, b in zip(read, text, strict=True))
    assert read.count("\n") == text.count("\n")
