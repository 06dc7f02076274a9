"""Whatever the schema: editing its files and migrating its database arrive at the same place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from referee.fixing.outcome import differences
from referee.model.names import quote
from referee.model.repair import Repair
from referee.model.schema import Schema
from referee.model.source import Source
from referee.platforms import SUPABASE
from referee.postgres.scripts import run_scripts
from referee.postgres.server import Server
from referee.read.catalog import read_catalog
from referee.workflow.config import Config
from referee.workflow.fix import Request, fix
from referee.workflow.scripts import script_of

CONFIG = Config(cache=False)
NAMES = (
    "profiles",
    "Profiles",
    'mem"bers',
    "Org's",
    "org;id",
    "select",
    "user",
    "with space",
    "é👩‍🚀",
    "n" * 63,
    "a_rather_long_name_for_a_table_or_a_column_of_some_application_1",
    "$$",
)
COLUMNS = (
    "email text not null",
    "email text",
    "email text not null unique",
    "full_name text",
    "name varchar(20) not null",
    "active boolean not null",
    "created_at timestamptz not null default now()",
)
ACTIONS = ("", " on delete cascade", " on delete set null", " on delete no action", " on update cascade")


@dataclass(frozen=True)
class Reference:
    """One column that holds a user."""

    column: str
    right: bool
    not_null: bool
    action: str
    written: str
    """Whether the key stands with its column, or is a constraint of its own: behind the columns, or added later."""
    besides: str
    """A second key of the column: the same again, one to the other table, or none."""


@st.composite
def projects(draw: st.DrawFn) -> str:
    schema = draw(st.sampled_from(("public", "app", "Org's", "select")))
    names = draw(st.lists(st.sampled_from(NAMES), min_size=3, max_size=5, unique_by=lambda name: name[:63].lower()))
    mirror, *tables = names
    key = draw(st.sampled_from(("id", "user id", "User")))
    extra = draw(st.lists(st.sampled_from(COLUMNS), max_size=3, unique_by=lambda text: text.split()[0]))
    linked = draw(st.booleans())
    lines = [] if schema == "public" else [f"create schema {quote(schema)};"]
    own = f"{quote(schema)}.{quote(mirror)}"
    parts = [f"{quote(key)} uuid primary key{' references auth.users (id) on delete cascade' * linked}", *extra]
    lines.append(f"create table {own} (\n{_listed(parts)}\n);")
    lines.append(f"create table {quote(schema)}.anchor (by uuid references {own} on delete cascade, at uuid,")
    lines.append(f"  foreign key (at) references {own} ({quote(key)}) on delete cascade);")
    lines.append(f"create index on {quote(schema)}.anchor (by);\ncreate index on {quote(schema)}.anchor (at);")
    lines.append(f"alter table {own} enable row level security;")
    lines += [
        f"create policy can_{command} on {own} for {command} using ({quote(key)} = auth.uid());"
        for command in ("select", "update")
    ]
    for table in tables:
        references = draw(st.lists(_reference(), min_size=1, max_size=2, unique_by=lambda one: one.column))
        composite = draw(st.booleans())
        name = f"{quote(schema)}.{quote(table)}"
        lines.append(_table(name, references, own, key, composite))
        if composite and draw(st.booleans()):
            lines.append(_of_two_columns(f"{quote(schema)}.{quote('Of two')}", name, references[0]))
            break
    return "\n".join(lines) + "\n"


def _reference() -> st.SearchStrategy[Reference]:
    return st.builds(
        Reference, st.sampled_from(("owner", "Editor", "by;")), st.booleans(), st.booleans(),
        st.sampled_from(ACTIONS), st.sampled_from(("inline", "behind", "later", "unchecked")),
        st.sampled_from(("", "", "", "again", "other")),
    )  # fmt: skip


def _table(name: str, references: Sequence[Reference], mirror: str, key: str, composite: bool) -> str:
    """A table with user references; ``composite`` puts the first of them into the primary key."""
    columns, constraints, later = ["id int" if composite else "id int primary key"], [], []
    for one in references:
        targets = [f"references {mirror} ({quote(key)})", "references auth.users (id)"]
        target, other = targets if one.right else reversed(targets)
        action = "" if composite and one is references[0] and "set null" in one.action else one.action
        refuses = " not null" if one.not_null and "set null" not in one.action else ""
        own = f"foreign key ({quote(one.column)}) {target}{action}"
        columns.append(f"{quote(one.column)} uuid{refuses}{f' {target}{action}' if one.written == 'inline' else ''}")
        if one.written == "behind":
            constraints.append(own)
        elif one.written != "inline":
            later.append(f"alter table {name} add {own}{' not valid' if one.written == 'unchecked' else ''};")
        if one.besides:
            second = target if one.besides == "again" else other
            later.append(f"alter table {name} add foreign key ({quote(one.column)}) {second}{action};")
    if composite:
        constraints.append(f"primary key (id, {quote(references[0].column)})")
    return "\n".join([f"create table {name} (\n{_listed([*columns, *constraints])}\n);", *later])


def _of_two_columns(name: str, table: str, reference: Reference) -> str:
    """A table whose key leads to the two columns of another table's, the second of which is a user."""
    column = quote(reference.column)
    key = f"foreign key (of, {column}) references {table} (id, {column}) match full on update cascade"
    return f"create table {name} (\n{_listed(['of int', f'{column} uuid references auth.users (id)', key])}\n);"


def _listed(parts: Sequence[str]) -> str:
    return ",\n".join([f"  {part}" for part in parts])


def write(folder: Path, text: str) -> Path:
    migrations = folder / "supabase" / "migrations"
    migrations.mkdir(parents=True)
    (folder / "supabase" / "config.toml").write_text("[db]\nmajor_version = 17\n")
    (migrations / "20250101000000_all.sql").write_text(text, encoding="utf-8")
    return folder


def built(server: Server, files: Sequence[Source]) -> Schema:
    with server.database() as database:
        outcome = run_scripts(server, database, [script_of(file) for file in files])
        assert [failure.report for failure in outcome.failures] == []
        with server.connect(database, server.superuser) as session:
            return read_catalog(session, SUPABASE.managed_schemas)


def files_of(repair: Repair, text: str) -> list[Source]:
    if repair.way == "in-place":
        return [Source(file.path, file.after) for file in repair.files] or [Source("x.sql", text)]
    new = [Source(file.path, file.after) for file in repair.files if file.kind == "migration"]
    return [Source("20250101000000_all.sql", text), *new]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=projects())
def test_both_ways_build_the_same_schema(server: Server, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = write(Path(folder, "p"), text)
        edited = fix(project, CONFIG, Request("in-place", verify=False))
        planned = fix(project, CONFIG, Request("migration", verify=False))
        assert {one.change.kind for one in edited.applied} == {one.change.kind for one in planned.applied}
        left = differences(built(server, files_of(edited, text)), built(server, files_of(planned, text)))
        assert {str(ref): how for ref, how in left.items()} == {}


# Each takes two servers and some ten seconds.
@settings(max_examples=50 if os.environ.get("REFEREE_ACCEPTANCE") else 3, deadline=None)
@given(text=projects())
def test_both_proofs_hold(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = write(Path(folder, "p"), text)
        for way in ("in-place", "migration"):
            repair = fix(project, CONFIG, Request(way))
            if repair.files:
                assert repair.proof is not None
                assert [check for check in repair.proof.checks if not check.passed] == []
