"""From the files of a project to what a server runs."""

from __future__ import annotations

import os

from referee.model.source import Source
from referee.postgres.scripts import Script, Statement
from referee.read.supabase import MIGRATION
from referee.sql.split import split


def script_of(source: Source) -> Script:
    """A migration cut into statements, with its version and name where the file name holds them."""
    statements = _statements(source)
    named = MIGRATION.fullmatch(os.path.basename(source.path))
    if named is None:
        return Script(source.path, statements)
    version, name = named.groups()
    return Script(source.path, statements, version, name)


def seed_of(source: Source) -> Script:
    """A seed. The Supabase CLI resets the settings before each migration, and not before a seed (pkg/migration, 2025).

    So a last migration that empties the search_path, as dumps do, lets seeds fail that name no schema.
    """
    return Script(source.path, _statements(source), as_left=True)


def _statements(source: Source) -> tuple[Statement, ...]:
    return tuple(
        Statement(cut.start, cut.end, cut.text(source.text), source.text[slice(*cut.data)] if cut.data else None)
        for cut in split(source.text)
    )
