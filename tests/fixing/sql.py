"""A project as one text, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from referee.fixing.edit import apply
from referee.fixing.in_place import Editor, by_file
from referee.model.change import Change
from referee.model.schema import Schema
from tests.identity.sql import replayed


def schema_of(text: str) -> Schema:
    """What the text builds on Supabase."""
    return replayed(text).schema


def edited(text: str, changes: Iterable[Change], answers: Mapping[str, str] | None = None) -> str:
    """The text after the edits for some changes."""
    read = replayed(text)
    editor = Editor(read.schema, read.origins, answers or {})
    edits = [edit for change in changes for edit in editor.edits(change)]
    [(_, group)] = by_file(edits).items()
    return apply(text, group)
