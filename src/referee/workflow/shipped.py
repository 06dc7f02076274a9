"""Which migrations a database has run, and how a project delivers new ones."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from referee.errors import UsageError
from referee.model.names import QName
from referee.model.repair import Way
from referee.postgres.session import connect, describe
from referee.read.projects import Migrations
from referee.read.supabase import MIGRATION
from referee.workflow.generators import generator_of

# Marks stand at the top of a file.
_HEAD = 16_000

_HISTORY = "select version from supabase_migrations.schema_migrations"
_MADE = "select min(name) from unnest(%s::text[]) as made (name) where to_regclass(name) is not null"
_HAS_HISTORY = "select to_regclass('supabase_migrations.schema_migrations') is not null"


@dataclass(frozen=True, slots=True)
class Shipped:
    """``known`` is whether anything tells; ``paths`` are the files that have run, ``because`` says how it is known."""

    known: bool
    paths: frozenset[str]
    because: str


def shipped(
    migrations: Migrations, url: str | None, password: str | None, through: str | None, tables: Iterable[QName] = ()
) -> Shipped:
    """What is known of the files that have run; without evidence all may have.

    ``tables`` are those that the files make: a database that has one has run some file, whatever its history says.
    Raises UsageError for a version that no file has, and ServerError for a database that cannot be read.
    """
    if through is not None:
        return _through(migrations, through)
    if url is not None:
        return _in_database(migrations, url, password, tables)
    return Shipped(False, frozenset(), "nothing says that no database has run the files")


def version_of(path: str) -> str | None:
    """The version in a file's name; None where it has none."""
    found = MIGRATION.fullmatch(os.path.basename(path))
    return found[1] if found is not None else None


def _through(migrations: Migrations, through: str) -> Shipped:
    if through.lower() == "none":
        return Shipped(True, frozenset(), "--shipped-through none says that no database has run the files")
    versions = {source.path: version_of(source.path) or os.path.basename(source.path) for source in migrations.files}
    last = next((path for path, version in versions.items() if through in (version, os.path.basename(path))), None)
    if last is None:
        known = ", ".join(list(versions.values())[-3:])
        raise UsageError(f'No migration has the version "{through}". The last ones are {known}.')
    paths = list(versions)
    return Shipped(True, frozenset(paths[: paths.index(last) + 1]), f"--shipped-through says that {last} has run")


def _in_database(migrations: Migrations, url: str, password: str | None, tables: Iterable[QName]) -> Shipped:
    where = describe(url)
    with connect(url) if password is None else connect(url, password=password) as session:
        if not session.value(_HAS_HISTORY):
            return Shipped(False, frozenset(), f"{where} keeps no history of migrations")
        versions = {version for (version,) in session.rows(_HISTORY)}
        made = session.value(_MADE, [[str(table) for table in tables]])
    ran = frozenset(source.path for source in migrations.files if version_of(source.path) in versions)
    if made is not None and not ran:
        return Shipped(False, ran, f"{where} has the table {made}, though its history holds none of the files")
    count = f"{len(ran)} of {len(migrations.files)} files"
    return Shipped(True, ran, f"the history of {where} holds {count}")


def deployment(migrations: Migrations, way: Way) -> tuple[str, ...]:
    """The commands of the project's own tool that test and deliver a change, and what to do besides."""
    return (*_beside(migrations), *_commands(migrations, way))


def _beside(migrations: Migrations) -> Iterator[str]:
    generator = generator_of(migrations)
    if generator is not None:
        yield f"# {generator.advice}"
        if generator.before is not None:
            yield f"# {generator.before}"


def _commands(migrations: Migrations, way: Way) -> Iterator[str]:
    if migrations.kind == "supabase":
        yield "supabase db reset"
        if migrations.test_files:
            yield "supabase test db"
        if way == "migration":
            yield "supabase db push"
    elif way == "migration":
        yield _tool(migrations)
    else:
        yield "rebuild the database from the files"


# How the tools are called that bring a folder's files to a database, as their documentation has it.
_TOOLS = (
    (re.compile(r"^--[ \t]*\+goose[ \t]", re.MULTILINE), "goose -dir {} postgres DATABASE up"),
    (re.compile(r"^--[ \t]*\+migrate[ \t]", re.MULTILINE), "sql-migrate up"),
    (re.compile(r"^--[ \t]*migrate:up", re.MULTILINE), "dbmate --migrations-dir {} up"),
    (re.compile(r"^--[-\s]*up[ \t]+migration", re.MULTILINE | re.IGNORECASE), "node-pg-migrate up"),
)
_NAMES = (
    (re.compile(r"V[\d._]+__.*\.sql", re.IGNORECASE), "flyway -locations=filesystem:{} migrate"),
    (re.compile(r".*\.up\.sql", re.IGNORECASE), "migrate -path {} -database DATABASE up  # or: sqlx migrate run"),
    (re.compile(r"migration\.sql"), "npx prisma migrate deploy"),
    (re.compile(r"up\.sql"), "diesel migration run  # or: hasura migrate apply"),
)
_PSQL = "psql --set ON_ERROR_STOP=1 --file FILE  # each new file, in order"


def _tool(migrations: Migrations) -> str:
    last = migrations.files[-1]
    marks = [command for mark, command in _TOOLS if mark.search(last.text[:_HEAD])]
    names = [command for name, command in _NAMES if name.fullmatch(os.path.basename(last.path))]
    return next(iter([*marks, *names]), _PSQL).format(migrations.name)
