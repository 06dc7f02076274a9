"""From the files of a project to what a server runs."""

from __future__ import annotations

import os
import re

from referee.model.source import Source
from referee.postgres.scripts import Script, Statement
from referee.read.supabase import MIGRATION
from referee.sql.split import split

# How goose, dbmate and sqlx are told that each statement of a file is to be committed by itself (their documentation).
_NO_TRANSACTION = re.compile(
    r"^--[ \t]*(?:\+goose[ \t]+no[ \t]+transaction|migrate:up\b[^\n]*\btransaction:false|no-transaction)\b", re.I | re.M
)


def script_of(source: Source) -> Script:
    """A migration cut into statements, with its version and name where the file name holds them."""
    named = MIGRATION.fullmatch(os.path.basename(source.path))
    version, name = (None, None) if named is None else named.groups()
    return Script(source.path, _statements(source), version, name, atomic=not _NO_TRANSACTION.search(source.text))


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
