"""What a project's migrations were generated from, where a tool writes them: the file that a person changes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from referee.read.projects import Migrations, shown

_UP = 4
_DRIZZLE_SCHEMA = re.compile(r"""\bschema\s*:\s*\[?\s*["'`]([^"'`\n]+)["'`]""")
_DRIZZLE_CONFIGS = ("drizzle.config.ts", "drizzle.config.js", "drizzle.config.mjs", "drizzle.config.json")


@dataclass(frozen=True, slots=True)
class Generator:
    """A tool that writes migrations, and the schema that it reads, as a path to print.

    ``before`` is what has to be known before new files are applied; None where nothing is special. ``owns_files`` is
    whether the files are the tool's alone: where people write some of them too, they may be edited.
    """

    tool: str
    schema: str
    before: str | None = None
    owns_files: bool = True

    @property
    def advice(self) -> str:
        return f"change {self.schema} in the same way, or {self.tool}'s next migration takes it back"


def generator_of(migrations: Migrations) -> Generator | None:
    """The tool that writes the files, by what it leaves beside them; None where people write all of them."""
    if migrations.declarative:
        return None
    printed = next((found for source in migrations.files if (found := _printed(source.text)) is not None), None)
    if printed is not None or migrations.kind == "file":
        return printed
    folder = os.path.join(migrations.root, "migrations") if migrations.kind == "supabase" else migrations.root
    return next((found for find in _FINDERS if (found := find(folder, migrations)) is not None), None)


def _prisma(folder: str, migrations: Migrations) -> Generator | None:
    """``migrations/<name>/migration.sql`` with ``migration_lock.toml`` (Prisma ORM 6, "About migration histories")."""
    if not os.path.isfile(os.path.join(folder, "migration_lock.toml")):
        return None
    parent = os.path.dirname(os.path.abspath(folder))
    places = [os.path.join(parent, name) for name in ("schema.prisma", "schema")]
    places.append(os.path.join(os.path.dirname(parent), "schema.prisma"))
    return Generator("Prisma", _first(places) or "schema.prisma")


def _drizzle(folder: str, migrations: Migrations) -> Generator | None:
    """``meta/_journal.json`` lists the files that run (Drizzle Kit 0.31, "Custom migrations")."""
    if not os.path.isfile(os.path.join(folder, "meta", "_journal.json")):
        return None
    schema = next((found for path in _upwards(folder) if (found := _drizzle_schema(path))), None)
    before = (
        "drizzle-kit runs only files that its journal lists, and all of them in one transaction: apply these with "
        "psql, or the plan with `referee repair --plan`, and record them with `drizzle-kit generate --custom`"
    )
    return Generator("Drizzle", schema or "the schema that drizzle.config names", before)


def _drizzle_schema(folder: str) -> str | None:
    for name in _DRIZZLE_CONFIGS:
        try:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                found = _DRIZZLE_SCHEMA.search(file.read())
        except (OSError, UnicodeDecodeError):
            continue
        if found is not None:
            return shown(os.path.normpath(os.path.join(folder, found[1])))
    return None


def _atlas(folder: str, migrations: Migrations) -> Generator | None:
    """``atlas.sum`` holds a checksum of every file (Atlas 0.37, "Migration Directory Integrity")."""
    if not os.path.isfile(os.path.join(folder, "atlas.sum")):
        return None
    return Generator("Atlas", "the schema that atlas.hcl names", "atlas migrate hash  # takes new files into atlas.sum")


def _supabase(folder: str, migrations: Migrations) -> Generator | None:
    """Declared schemas, from which ``supabase db diff`` writes migrations."""
    declared = os.path.join(migrations.root, "schemas")
    if migrations.kind != "supabase" or not os.path.isdir(declared):
        return None
    has_sql = any(name.endswith(".sql") for _, _, names in os.walk(declared) for name in names)
    return Generator("supabase db diff", shown(declared), owns_files=False) if has_sql else None


# Alembic 1.16, "Generating SQL Scripts"; Rails 8, "Schema Dumping and You": what the text of a printed file begins or
# ends with. The tools write it anew from migrations in their own language.
_ALEMBIC = re.compile(r"^-- Running upgrade \S* ?-> ", re.MULTILINE)
_RAILS = re.compile(
    r"""^INSERT INTO (?:public\.)?"?schema_migrations"? \(version\) VALUES\s*\('\d{14}'\)""", re.MULTILINE
)


def _printed(text: str) -> Generator | None:
    """The tool that printed a file of SQL, by what it writes into it."""
    if _ALEMBIC.search(text):
        return Generator("Alembic", "the migration in its versions folder")
    if _RAILS.search(text):
        return Generator("Rails", "db/migrate")
    return None


_FINDERS: tuple[Callable[[str, Migrations], Generator | None], ...] = (_prisma, _drizzle, _atlas, _supabase)


def _upwards(folder: str) -> Iterator[str]:
    path = os.path.abspath(folder)
    for _ in range(_UP):
        yield path
        path = os.path.dirname(path)


def _first(places: list[str]) -> str | None:
    return next((shown(place) for place in places if os.path.exists(place)), None)
