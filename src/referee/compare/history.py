"""Histories of migrations side by side, and which migration makes what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from referee.compare.alike import words
from referee.compare.notes import Notes
from referee.compare.world import Migration, World
from referee.model import change as changes
from referee.model.names import Ref
from referee.sql import statements as records
from referee.sql.script import read_script

_BLANK = re.compile(r"\s*(?:--[^\n]*\n?\s*)*;?\s*")


def compare_histories(left: World, right: World, notes: Notes) -> None:
    """What has run on one side and not on the other, and what was edited since. Both have to have a history."""
    if left.history is None or right.history is None:
        return
    mine, theirs = {one.version: one for one in left.history}, {one.version: one for one in right.history}
    for version in sorted(mine.keys() | theirs.keys()):
        one, other = mine.get(version), theirs.get(version)
        if one is None or other is None:
            found: Migration = one or other  # type: ignore[assignment]
            record = changes.RecordMigration(*found)
            forget = changes.ForgetMigration(found.version, found.name)
            what = f"migration {' '.join(filter(None, found[:2]))}"
            notes.missing("right" if other is None else "left", _ref(found), what, record, forget)
        elif one.statements and other.statements and _texts(one.statements) != _texts(other.statements):
            summary = f"migration {version} holds other statements on the left than those that ran on the right"
            notes.differ(_ref(one), summary, (), ())


def _ref(migration: Migration) -> Ref:
    return Ref("migration", "", migration.version)


def _texts(statements: Iterable[str]) -> list[tuple[str, ...]]:
    """The tokens of each statement that says something."""
    return [words(text) for text in statements if not _BLANK.fullmatch(text)]


def maker_of(ref: Ref, world: World) -> Migration | None:
    """The last migration of a side that makes an object, as far as its statements are known."""
    key = (ref.kind, f"{ref.name}.{ref.part}" if ref.part and ref.kind != "function" else ref.name)
    word = ref.part if ref.part and ref.kind != "function" else ref.name
    for migration in reversed(world.history or ()):
        for text in migration.statements:
            # Reading a statement takes much longer than looking for a word in it.
            if word in text and key in _made_by(text):
                return migration
    return None


@lru_cache(maxsize=4096)
def _made_by(text: str) -> frozenset[tuple[str, str]]:
    """What a statement of a migration makes; it is read once, however many differences ask."""
    return frozenset([key for statement in read_script(text).statements for key in _made(statement.action)])


def _made(action: records.Action) -> Iterator[tuple[str, str]]:
    """The kind and name of what a statement makes; what lives in a table is behind the table's name."""
    if isinstance(action, records.CreateTable):
        yield "table", action.name.name
        for column in action.columns:
            yield "column", f"{action.name.name}.{column.name}"
    elif isinstance(action, records.CreateFunction):
        yield "function", action.name.name
    elif isinstance(action, records.CreateView):
        yield "view", action.name.name
    elif isinstance(action, records.CreateTrigger):
        yield "trigger", f"{action.table.name}.{action.name}"
    elif isinstance(action, records.CreatePolicy):
        yield "policy", f"{action.table.name}.{action.name}"
    elif isinstance(action, records.CreateIndex) and action.name is not None:
        yield "index", action.name
    elif isinstance(action, records.AlterTable):
        for one in action.actions:
            if one.column is not None:
                yield "column", f"{action.name.name}.{one.column.name}"
            if one.constraint is not None and one.constraint.name is not None:
                yield "constraint", f"{action.name.name}.{one.constraint.name}"


def taker_of(ref: Ref, world: World) -> Migration | None:
    """The last migration of a side that drops an object or its table, as far as its statements are known."""
    wanted = set(names_of(ref))
    for migration in reversed(world.history or ()):
        for text in migration.statements:
            if any(name in text for _, name, _ in wanted) and not wanted.isdisjoint(_dropped_by(text)):
                return migration
    return None


@lru_cache(maxsize=4096)
def _dropped_by(text: str) -> frozenset[Key]:
    if "drop" not in text.lower():
        return frozenset()
    return frozenset([key for statement in read_script(text).statements for key in dropped(statement.action)])


#: What kind of thing is dropped, its name, and its table if it has one.
Key = tuple[str, str, str]


def names_of(ref: Ref) -> Iterator[Key]:
    """What is dropped where an object is: itself, or its table."""
    if ref.part and ref.kind != "function":
        yield ref.kind, ref.part, ref.name
        yield "table", ref.name, ""
    else:
        yield ref.kind, ref.name, ""


def dropped(action: records.Action) -> Iterator[Key]:
    """What a statement drops."""
    if isinstance(action, records.Drop):
        if action.parts:
            for name, part in zip(action.names, action.parts, strict=True):
                yield action.kind, part, name.name
        else:
            for name in action.names:
                yield action.kind, name.name, ""
    elif isinstance(action, records.AlterTable):
        for one in action.actions:
            if one.kind == "drop constraint":
                yield "constraint", one.name, action.name.name
            elif one.kind == "drop column":
                yield "column", one.name, action.name.name
