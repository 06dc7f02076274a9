from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from referee.compare.snapshot import read_snapshot, write_snapshot
from referee.errors import ReadError
from referee.model.schema import Schema
from referee.model.source import Source
from referee.platforms import SUPABASE
from referee.postgres.server import Server
from referee.read.replay import replay
from referee.workflow.compare import compare
from referee.workflow.snapshot import snapshot_of
from tests import bandbook
from tests.compare import schemas
from tests.compare.applying import run

MORE = """
create function public.find(q text, most int default 10) returns table (id uuid, title text) language sql stable
  as 'select id, title from public.songs where title = q limit most';
create index songs_lower_idx on public.songs (lower(title) desc);
create function public.count_songs() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger counted after insert on public.songs referencing new table as added
  for each statement execute function public.count_songs();
"""


def replayed(text: str = "") -> Schema:
    return replay([Source("a.sql", bandbook.migration("fixed_with_identity_key") + text)], SUPABASE).schema


def text_of(schema: Schema) -> str:
    return write_snapshot(schema, kind="project", name="x", platform="supabase")


def test_a_snapshot_is_read_back_as_it_was() -> None:
    schema = replayed(MORE)
    assert read_snapshot(text_of(schema), "x").schema == schema


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_any_schema_is_read_back(data: st.DataObject) -> None:
    schema = data.draw(schemas.schemas(_BASE))
    assert read_snapshot(text_of(schema), "x").schema == schema


_BASE = replay([], SUPABASE).schema


def test_the_same_schema_is_the_same_text_whatever_its_order() -> None:
    schema = replayed()
    turned = Schema(**{name: dict(reversed(getattr(schema, name).items())) for name in Schema.__dataclass_fields__})
    assert text_of(schema) == text_of(turned)


def test_one_change_is_a_few_lines() -> None:
    before = text_of(replayed()).splitlines()
    after = text_of(replayed("alter table public.bands add column genre text;")).splitlines()
    assert 0 < len(set(after) - set(before)) + len(after) - len(before) < 10


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no snapshot"),
        ("[]", "is no snapshot"),
        ('{"version": 2}', "version 2"),
        ('{"version": 1, "tables": [1]}', "is no snapshot"),
        ("create table t ();", "is no snapshot"),
    ],
)
def test_other_files_are_refused_in_a_sentence(text: str, told: str) -> None:
    with pytest.raises(ReadError, match=told):
        read_snapshot(text, "file.json")


def test_a_snapshot_stands_for_its_database(server: Server, fixed: str, tmp_path: Path) -> None:
    path = tmp_path / "production.json"
    path.write_text(snapshot_of(server.url(fixed)), encoding="utf-8")
    found = compare(str(path), server.url(fixed)).comparison
    assert (found.differences, found.folded) == ((), ())
    assert (found.left.kind, found.left.server) == ("snapshot", server.major)
    assert snapshot_of(str(path)).splitlines()[10:] == path.read_text(encoding="utf-8").splitlines()[10:]
    history = json.loads(path.read_text(encoding="utf-8"))["history"]
    assert history == [["20251106000000", "baseline"], ["20251201000000", "later"]]


def test_a_snapshot_holds_what_facts_leave_out(server: Server, fixed: str, tmp_path: Path) -> None:
    path = tmp_path / "production.json"
    with server.database(template=fixed) as richer, server.database(template=fixed) as poorer:
        with server.connect(richer) as session:
            session.run(MORE)
        path.write_text(snapshot_of(server.url(richer)), encoding="utf-8")
        result = compare(str(path), server.url(poorer))
        assert len(result.comparison.differences) == 4
        assert not run(server, poorer, result.fixes("right")).failures
        assert compare(server.url(richer), server.url(poorer)).comparison.differences == ()
        with server.connect(poorer) as session:
            arguments = session.value("select pg_get_function_arguments('public.find'::regproc)")
            index = session.value("select pg_get_indexdef('public.songs_lower_idx'::regclass)")
            trigger = session.value("select pg_get_triggerdef(oid) from pg_trigger where tgname = 'counted'")
    assert arguments == "q text, most integer DEFAULT 10"
    assert index.endswith("(lower(title) DESC)")
    assert "REFERENCING NEW TABLE AS added" in trigger
