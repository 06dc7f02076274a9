"""A plan, and its files beside those that a project has."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from referee.fixing.embeddings import changes_types, embeddings
from referee.fixing.migration import plan_steps
from referee.fixing.order import Dialect, Part, cut, text_of, way_back
from referee.model.plan import Plan, Question
from referee.model.repair import FileChange, Proposal
from referee.model.schema import Schema
from referee.read.projects import Migrations
from referee.read.replay.naming import choose_name, join_columns
from referee.workflow.check import Reading

_STAMP = "%Y%m%d%H%M%S"
_IN_FOLDERS = frozenset({"migration.sql", "up.sql"})
_NUMBERED = re.compile(r"(?P<lead>V?)(?P<number>\d+)(?P<separator>__|[_.\-])", re.IGNORECASE)


def make_plan(
    reading: Reading, proposals: Sequence[Proposal], answers: Mapping[str, str], exposed: Collection[str] = ()
) -> tuple[Plan, tuple[Proposal, ...], tuple[Question, ...]]:
    """The plan for what is applied of the proposals, those for which there are no steps, and what was asked.

    ``exposed`` are the schemas that an API shows to clients.
    """
    schema = reading.replayed.schema
    wanted = [one.change for one in proposals if one.is_applied]
    found = plan_steps(
        schema,
        wanted,
        answers,
        lambda table, columns, label, taken: choose_name(table, join_columns(columns), label, taken),
        {mirror.target: identity.source for identity in reading.identities.all for mirror in identity.mirrors},
    )
    planned = [change for change in wanted if change not in found.failed]
    embedded = embeddings(schema, planned, found.added, exposed)
    plan = Plan(
        fingerprint(schema),
        found.steps,
        (),
        found.verification,
        embedded,
        changes_types(embedded, planned, exposed),
    )
    unplanned = tuple(replace(one, reason=found.failed[one.change]) for one in proposals if one.change in found.failed)
    return plan, unplanned, found.questions


def fingerprint(schema: Schema) -> str:
    """A hash of the project's own tables, functions and views that does not depend on how they were read."""
    digest = hashlib.blake2b(digest_size=16)
    for line in sorted(_facts(schema)):
        digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def _facts(schema: Schema) -> Iterator[str]:
    for table in schema.own_tables:
        yield from (f"{table.name} column {column.name} {column.type} {column.not_null}" for column in table.columns)
        yield from (f"{key.ref} {key.columns} {key.primary}" for key in table.keys)
        for key in table.foreign_keys:
            yield f"{key.ref} {key.columns} {key.target} {key.on_delete} {key.on_update} {key.match} {key.validated}"
        yield from (f"{policy.ref} {policy.command} {policy.roles}" for policy in table.policies)
        yield from (f"{index.ref} {index.columns} {index.unique}" for index in table.indexes)
    for trigger in schema.own_triggers:
        yield f"{trigger.ref} {trigger.timing} {sorted(trigger.events)} {trigger.function}"
    yield from (str(function.name) for function in schema.functions.values() if not schema.is_managed(function.name[0]))


# Files


# The first line of a file, that of one outside a transaction, and what stands around a statement with semicolons in it,
# as the tools' documentation has them (goose 3, sql-migrate 1.7, dbmate 2, node-pg-migrate 7).
_DIALECTS = (
    (
        re.compile(r"^--[ \t]*\+goose[ \t]+up\b", re.IGNORECASE | re.MULTILINE),
        Dialect(
            "-- +goose Up",
            "-- +goose NO TRANSACTION\n-- +goose Up",
            "-- +goose StatementBegin",
            "-- +goose StatementEnd",
        ),
    ),
    (
        re.compile(r"^--[ \t]*\+migrate[ \t]+up\b", re.IGNORECASE | re.MULTILINE),
        Dialect(
            "-- +migrate Up",
            "-- +migrate Up notransaction",
            "-- +migrate StatementBegin",
            "-- +migrate StatementEnd",
        ),
    ),
    (
        re.compile(r"^--[ \t]*migrate:up\b", re.IGNORECASE | re.MULTILINE),
        Dialect("-- migrate:up", "-- migrate:up transaction:false", splits=False),
    ),
    (
        re.compile(r"^--[-\s]*up[ \t]+migration\b", re.IGNORECASE | re.MULTILINE),
        Dialect("-- Up Migration", "-- Up Migration", splits=False),
    ),
)
_UNKNOWN = Dialect(splits=False)


def plan_files(migrations: Migrations, plan: Plan) -> tuple[FileChange, ...]:
    """The files of a plan, and the one that leads back."""
    found = [FileChange(path, None, text) for path, text in _texts(migrations, plan)]
    folder, name = os.path.split(found[0].path)
    if name.lower() in _IN_FOLDERS:
        folder, name = os.path.split(folder)
        base = os.path.dirname(folder)
    else:
        base = os.path.dirname(folder) if migrations.kind == "supabase" else folder
    number = _NUMBERED.match(name)
    lead = name[: number.end()] if number is not None else ""
    back = os.path.join(base, "rollbacks", f"{lead}fix_user_references_rollback.sql")
    text = way_back(plan.steps, tuple(_forgetting(migrations, found)))
    return (*found, FileChange(back.replace(os.sep, "/"), None, text, "rollback"))


def _forgetting(migrations: Migrations, files: Sequence[FileChange]) -> Iterator[str]:
    """The command after which the host's history has the files no more, so that they can be pushed again."""
    if migrations.kind == "supabase":
        versions = [os.path.basename(file.path).partition("_")[0] for file in files]
        yield f"supabase migration repair --status reverted {' '.join(versions)}"


def dialect_of(migrations: Migrations) -> Dialect:
    """What the tool of a project wants in its files, as the last of them shows."""
    if migrations.kind == "supabase":
        return Dialect()
    last = migrations.files[-1].text[:16_000]
    return next((dialect for mark, dialect in _DIALECTS if mark.search(last)), _UNKNOWN)


def _texts(migrations: Migrations, plan: Plan) -> Iterator[tuple[str, str]]:
    parts = cut(plan.steps)
    dialect = dialect_of(migrations)
    for number, (part, path) in enumerate(zip(parts, _paths(migrations, parts), strict=True), 1):
        yield path, text_of(part, number, len(parts), dialect)


def _paths(migrations: Migrations, parts: Sequence[Part]) -> Iterator[str]:
    last = migrations.files[-1].path
    folder = os.path.dirname(last)
    if migrations.kind == "supabase" and migrations.declarative:
        folder = os.path.join(os.path.dirname(folder), "migrations")
    end = ".sql"
    names = [os.path.basename(source.path) for source in migrations.files]
    if names[-1].lower().endswith(".up.sql"):  # golang-migrate and sqlx pair them with .down.sql
        end = ".up.sql"
    if names[-1].lower() in _IN_FOLDERS:  # Prisma, Hasura and Diesel give each migration a folder
        end = f"/{names[-1]}"
        names = [os.path.basename(os.path.dirname(source.path)) for source in migrations.files]
        folder = os.path.dirname(folder)
    for part, lead in zip(parts, _leads(names, len(parts), migrations.kind == "supabase"), strict=True):
        yield os.path.join(folder, f"{lead}{part.name}{end}").replace(os.sep, "/")


def _leads(names: Sequence[str], count: int, stamped: bool) -> Iterator[str]:
    """What the names of new files begin with, so that they run behind those that exist: as those begin."""
    found = _NUMBERED.match(names[-1])
    width = len(found["number"]) if found is not None else 14
    if stamped or found is None or width == len("20250101000000"):
        separator = "_" if found is None or stamped else found["separator"]
        numbers = [match["number"] for name in names if (match := _NUMBERED.match(name))]
        at = _after(max(numbers, default="0"))
        for number in range(count):
            yield f"{(at + timedelta(seconds=number)).strftime(_STAMP)}{separator}"
        return
    last = max(int(match["number"]) for name in names if (match := _NUMBERED.match(name)))
    for number in range(last + 1, last + 1 + count):
        yield f"{found['lead']}{number:0{width}d}{found['separator']}"


def _after(version: str) -> datetime:
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    try:
        return max(now, datetime.strptime(version, _STAMP) + timedelta(seconds=1))
    except ValueError:
        return now
