"""Scripts read into records: in groups, and exactly as one by one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from referee.sql import script
from referee.sql.script import read_script
from referee.sql.statements import CreateTable, Script, Statement, Unreadable

_CASES = sorted((Path(__file__).parents[1] / "read" / "cases").rglob("*.sql"))
_PIECES = (
    "create table a (id uuid primary key, who uuid references auth.users (id) on delete cascade)",
    "create table \"Org's\" (id int default 1, t text check (t <> ';'))",
    "create table müsik (id int references a (id))",
    "alter table a alter column id set default gen_random_uuid()",
    "alter table a add constraint k foreign key (id) references b (id) not valid",
    "create index on a (id) where id is not null",
    "create policy p on a using (id = auth.uid()) with check (true)",
    "create function f() returns trigger language plpgsql as $$begin new.x := ';'; return new; end$$",
    "insert into a select * from b",
    "select set_config('search_path', '', false)",
    "create tabel broken (",
    "drop table a -- the end",
    "/* ; */ create type mood as enum ('a;b')",
    "comment on table a is 'nothing'",
)


def _one_by_one(text: str, monkeypatch: pytest.MonkeyPatch) -> Script:
    with monkeypatch.context() as patch:
        patch.setattr(script, "parse_together", lambda texts: None)
        return read_script(text)


@pytest.mark.parametrize("path", _CASES, ids=lambda path: path.stem)
def test_a_group_says_what_its_statements_say_one_by_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = path.read_text(encoding="utf-8")
    assert read_script(text) == _one_by_one(text, monkeypatch)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(_PIECES), max_size=12), st.sampled_from((";\n", " ; ", ";;\n-- between\n")))
def test_any_order_of_statements_reads_the_same_in_groups(pieces: list[str], between: str) -> None:
    text = between.join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        assert read_script(text) == _one_by_one(text, patch)


def test_places_in_a_group_are_places_in_the_file() -> None:
    text = "create table a (id int);\n\n  create table b (x int references a (id));"
    statement = read_script(text).statements[1]
    assert isinstance(statement.action, CreateTable)
    key = statement.action.columns[0].constraints[0]
    assert text[key.start : key.end] == "references a (id)"
    assert text[statement.start : statement.end] == "create table b (x int references a (id))"


def test_rows_behind_copy_are_data_that_nobody_looked_at() -> None:
    text = "create table a (id int);\ncopy a from stdin;\n1\n2\n\\.\ncreate table b (id int);\n"
    data = [one.action for one in read_script(text).statements if isinstance(one.action, Unreadable)]
    assert [(one.kind, one.message, text[one.start : one.end]) for one in data] == [
        ("data", "2 rows of COPY", "1\n2\n\\.")
    ]


@pytest.mark.parametrize("text", ["copy a from stdin;\n\\.\n", "copy a to stdout;", "copy a from '/tmp/x.csv';"])
def test_a_copy_without_rows_leaves_no_gap(text: str) -> None:
    found: tuple[Statement, ...] = read_script(text).statements
    assert found == ()


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("\\i other.sql", "skipped-file"),
        ("\\ir 'sub dir/other.sql'", "skipped-file"),
        ("\\include_relative other.sql", "skipped-file"),
        ("\\copy a (id) from 'a.csv' csv", "data"),
        ("select 'drop table a'\n\\gexec", "dynamic-sql"),
    ],
)
def test_what_a_command_of_psql_brings_in_is_told(command: str, kind: str) -> None:
    text = f"create table a (id int);\n{command}\ncreate table b (id int);\n"
    [gap] = [one.action for one in read_script(text).statements if isinstance(one.action, Unreadable)]
    assert gap.kind == kind
    assert text[gap.start : gap.end] == command.splitlines()[-1]
    assert [type(one.action) for one in read_script(text).statements] == [CreateTable, Unreadable, CreateTable]


@pytest.mark.parametrize(
    "text",
    [
        "\\set x 1\n\\restrict abc\n\\if :x\n\\endif\n\\connect app\n\\information",
        "select '\n\\i other.sql\n';",
        "create function f() returns int language sql as $$\n\\i other.sql\n$$;",
        "-- \\i other.sql",
        "\\copy a to 'a.csv'",
    ],
)
def test_other_commands_and_what_looks_like_them_leave_no_gap(text: str) -> None:
    assert not any(isinstance(one.action, Unreadable) for one in read_script(text).statements)
