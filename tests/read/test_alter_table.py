"""ALTER TABLE with several actions does them in Postgres' passes, not in the order of the text."""

from __future__ import annotations

import pytest

from referee.model.names import QName
from referee.model.schema import Schema
from referee.model.source import Source
from referee.platforms import PLAIN
from referee.postgres.server import Server
from referee.read.replay import replay

BEFORE = "create table public.a (id int, old int check (old > 0), kept int default 1 not null);"
STATEMENTS = {
    "a check on a column that is added behind it": "add check (fresh > 0), add column fresh int",
    "a key on a column that is added behind it": "add primary key (fresh), add column fresh int",
    "a foreign key on a key that is added behind it": "add foreign key (old) references public.a (id), add unique (id)",
    "a column that makes room for its own name": "add column old text, drop column old",
    "a default for a column that is added behind it": "alter column fresh set default 2, add column fresh int",
    "a default that goes and a type that comes": (
        "alter column kept type text, alter column kept drop not null, alter column kept drop default"
    ),
}


def replayed(action: str) -> tuple[Schema, int]:
    found = replay([Source("1.sql", f"{BEFORE} alter table public.a {action};")], PLAIN)
    return found.schema, len(found.gaps)


@pytest.mark.parametrize("action", STATEMENTS.values(), ids=STATEMENTS)
def test_actions_run_in_passes(server: Server, database: str, action: str) -> None:
    with server.connect(database, server.superuser) as session:
        session.run(f"{BEFORE} alter table public.a {action}")
        rows = session.rows(
            "select attname, format_type(atttypid, atttypmod), attnotnull from pg_attribute"
            " where attrelid = 'public.a'::regclass and attnum > 0 and not attisdropped order by attnum"
        )
        constraints = session.rows(
            "select conname from pg_constraint where conrelid = 'public.a'::regclass and contype <> 'n' order by 1"
        )
    schema, gaps = replayed(action)
    table = schema.tables[QName("public", "a")]
    assert gaps == 0
    assert [(column.name, column.type, column.not_null) for column in table.columns] == rows
    named = {
        *(key.name for key in table.keys),
        *(check.name for check in table.checks),
        *(key.name for key in table.foreign_keys),
    }
    assert named == {name for (name,) in constraints}
