"""From the files of a project to what a server runs."""

from __future__ import annotations

import os

from referee.model.source import Source
from referee.postgres.scripts import Script, Statement
from referee.read.supabase import MIGRATION
from referee.sql.split import split


def script_of(source: Source) -> Script:
    """A migration cut into statements, with its version and name where the file name holds them."""
    statements = tuple(
        Statement(cut.start, cut.end, cut.text(source.text), source.text[slice(*cut.data)] if cut.data else None)
        for cut in split(source.text)
    )
    named = MIGRATION.fullmatch(os.path.basename(source.path))
    if named is None:
        return Script(source.path, statements)
    version, name = named.groups()
    return Script(source.path, statements, version, name)
