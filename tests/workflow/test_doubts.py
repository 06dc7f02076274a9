"""What was not understood may have made what a trigger's function misses."""

from __future__ import annotations

from pathlib import Path

import pytest

from referee.workflow.check import check
from referee.workflow.config import Config

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


def test_what_was_not_understood_of_other_tables_does_not_matter(tmp_path: Path) -> None:
    doubtful = "alter table public.bands add column edited_at timestamptz defaultt now();"
    assert confidence(tmp_path, f"{BROKEN}\n{doubtful}") == "certain"
