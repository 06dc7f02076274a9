"""What was not understood may have made what a trigger's function misses."""

from __future__ import annotations

from pathlib import Path

import pytest

from referee.model.finding import Finding
from referee.workflow.check import check
from referee.workflow.config import Config
from referee.workflow.status import exit_status

BROKEN = """
create table public.songs (id uuid primary key);
create table public.bands (id uuid primary key);
create function public.stamp() returns trigger language plpgsql set search_path = '' as $$
begin
  new.edited_at := now();
  return new;
end;
$$;
create trigger stamp before insert on public.songs for each row execute function public.stamp();
"""


def confidence(folder: Path, text: str) -> str:
    path = folder / "1.sql"
    path.write_text(text)
    [finding] = check(path, Config(select=("broken-function-reference",), cache=False)).findings
    return str(finding.problem.confidence)


def test_a_missing_field_is_certain_where_everything_was_understood(tmp_path: Path) -> None:
    assert confidence(tmp_path, BROKEN) == "certain"


@pytest.mark.parametrize(
    "doubtful",
    [
        "alter table public.songs add column edited_at timestamptz defaultt now();",
        "alter table if exists Songs add column edited_at timestamptz, add column id int;",
        (
            "do $$ declare t text; begin for t in select unnest(string_to_array(current_setting('my.t'), ',')) loop"
            " execute format('alter table %I add column edited_at timestamptz', t); end loop; end $$;"
        ),
    ],
)
def test_it_is_likely_where_a_statement_about_its_table_was_not(tmp_path: Path, doubtful: str) -> None:
    assert confidence(tmp_path, f"{BROKEN}\n{doubtful}") == "likely"


def test_a_block_that_was_given_up_leaves_all_that_it_names_in_doubt(tmp_path: Path) -> None:
    given_up = (
        "do $$ declare t text; begin foreach t in array array['songs', 'bands'] loop"
        " execute format('drop table %I', t);"
        " execute format('alter table %I rename to %I', t || '_new', t); end loop; end $$;"
    )
    assert confidence(tmp_path, f"{BROKEN}\n{given_up}") == "likely"


def with_program(folder: Path, sql: str, program: str) -> Finding:
    (folder / "migrations").mkdir()
    (folder / "migrations" / "1_start.sql").write_text(sql)
    (folder / "migrations" / "2_more.go").write_text(program)
    diagnosis = check(folder / "migrations", Config(select=("broken-function-reference",), cache=False))
    assert (exit_status(diagnosis, Config(strict_gaps=True)), exit_status(diagnosis, Config())) == (2, 1)
    [finding] = diagnosis.findings
    return finding


def test_it_is_likely_where_some_migrations_are_programs(tmp_path: Path) -> None:
    assert str(with_program(tmp_path, BROKEN, "package migrations // adds bands").problem.confidence) == "likely"


def test_it_is_possible_where_a_program_names_the_table(tmp_path: Path) -> None:
    finding = with_program(tmp_path, BROKEN, 'db.Exec(`ALTER TABLE public."Songs" ADD COLUMN edited_at timestamptz`)')
    assert str(finding.problem.confidence) == "possible"
    assert finding.related[-1].message.endswith("2_more.go, a program that was not read, names songs")


def test_it_is_possible_where_a_program_names_what_is_missing(tmp_path: Path) -> None:
    missing = BROKEN.replace("new.edited_at := now();", "insert into public.history values (new.id);")
    finding = with_program(tmp_path, missing, "createTable('history')")
    assert str(finding.problem.confidence) == "possible"
    assert finding.related[-1].message.endswith("2_more.go, a program that was not read, names history")


def test_a_program_that_cannot_be_read_leaves_everything_in_doubt(tmp_path: Path) -> None:
    (tmp_path / "2_more.go").symlink_to("gone")
    assert confidence(tmp_path, BROKEN) == "certain"  # one file was named
    [finding] = check(tmp_path, Config(select=("broken-function-reference",), cache=False)).findings
    assert str(finding.problem.confidence) == "likely"


def test_what_was_not_understood_of_other_tables_does_not_matter(tmp_path: Path) -> None:
    doubtful = "alter table public.bands add column edited_at timestamptz defaultt now();"
    assert confidence(tmp_path, f"{BROKEN}\n{doubtful}") == "certain"
