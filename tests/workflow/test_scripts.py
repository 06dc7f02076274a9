"""From files to what a server runs."""

from __future__ import annotations

import pytest

from referee.model.source import Source
from referee.workflow.scripts import script_of


@pytest.mark.parametrize(
    ("text", "atomic"),
    [
        ("create table a (id int);", True),
        ("-- +goose Up\n-- +goose NO TRANSACTION\nalter type t add value 'x';", False),
        ("-- migrate:up transaction:false\nalter type t add value 'x';", False),
        ("-- migrate:up\nalter type t add value 'x';", True),
        ("-- no-transaction\nalter type t add value 'x';", False),
        ("select '-- no-transaction';", True),
    ],
)
def test_a_file_is_one_transaction_unless_its_tool_is_told_otherwise(text: str, atomic: bool) -> None:
    assert script_of(Source("1_a.sql", text)).atomic is atomic


def test_version_and_name_come_from_the_file_name() -> None:
    script = script_of(Source("supabase/migrations/20240101000000_first.sql", "select 1;"))
    assert (script.version, script.name) == ("20240101000000", "first")
    assert script_of(Source("schema.sql", "select 1;")).version is None
