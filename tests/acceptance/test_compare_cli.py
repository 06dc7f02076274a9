"""`referee compare` beside `supabase db diff`: who sees a fault, and whose statements remove it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.drift import MISSING, Row, line, playing_field, rows

from tests.compare.bandbook import FAULTS

PAGE = Path(__file__).parents[2] / "docs" / "compare.md"

# What the CLI does not see, and what the hosted `postgres` may not run.
UNSEEN = {"key's triggers disabled"}
REFUSED = {"trigger disabled": "must be owner of table users"}


@pytest.fixture(scope="module")
def played(supabase_cli: str) -> Iterator[dict[str, Row]]:
    with playing_field(Path(supabase_cli)) as field:
        yield {row.fault: row for row in rows(field)}


def test_referee_explains_and_removes_every_fault_in_the_eyes_of_both(played: dict[str, Row]) -> None:
    assert list(played) == [*(fault.name for fault in FAULTS), MISSING]
    for name, row in played.items():
        assert row.judged is not None, name
        assert row.judged.consequence.text, name
        assert row.cured, name


def test_the_cli_sees_all_but_one_and_removes_what_postgres_may(played: dict[str, Row]) -> None:
    assert {name for name, row in played.items() if not row.sql} == UNSEEN
    for name, row in played.items():
        if name in REFUSED:
            assert row.sql_left == REFUSED[name]
        elif name == MISSING:
            assert row.sql_left == "migration 20251201000000 later is on the left and not on the right"
        else:
            assert row.sql_cured is (name not in UNSEEN), (name, row.sql_left)


def test_the_page_holds_the_table(played: dict[str, Row]) -> None:
    page = PAGE.read_text(encoding="utf-8").splitlines()
    assert [row.fault for row in played.values() if line(row) not in page] == []
