"""One side of a comparison with everything that is known about it, and short questions about that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from referee.model.finding import Problem
from referee.model.identity import Identities, Identity, Mirror, Reference
from referee.model.names import FunctionName, QName, Ref
from referee.model.schema import ForeignKey, Function, Policy, Schema, Table, Trigger
from referee.platforms import Platform
from referee.sql.bodies import read_body, reads, writes
from referee.sql.tokens import tokens
from referee.sql.tree import Body


class Migration(NamedTuple):
    """One entry of a history of migrations, or one file of a project. ``statements`` are its texts, as far as known."""

    version: str
    name: str = ""
    statements: tuple[str, ...] = ()


@dataclass(frozen=True)
class World:
    """A database, or what a project's files build.

    ``problems`` are what the project's rules say about it, each with the id of its rule. ``history`` is None where
    there is none, or none that could be read. ``server`` is the major version, None where nothing runs. ``unknown`` are
    tables whose columns files leave open. ``has_run`` is whether the history says what has run, and not what is there
    to be run.
    """

    schema: Schema
    identities: Identities
    platform: Platform
    problems: tuple[tuple[str, Problem], ...] = ()
    history: tuple[Migration, ...] | None = None
    server: int | None = None
    unknown: frozenset[QName] = frozenset()
    has_run: bool = True

    # Identities

    @cached_property
    def mirrors(self) -> Mapping[QName, tuple[Identity, Mirror]]:
        return {mirror.table: (identity, mirror) for identity in self.identities.all for mirror in identity.mirrors}

    @cached_property
    def sources(self) -> frozenset[QName]:
        return frozenset(identity.source.table for identity in self.identities.all)

    @cached_property
    def references(self) -> Mapping[Ref, Reference]:
        """The user references by their key."""
        return {reference.key.ref: reference for identity in self.identities.all for reference in identity.references}

    @cached_property
    def identity_keys(self) -> Mapping[Ref, Mirror]:
        return {
            mirror.identity_key.ref: mirror for _, mirror in self.mirrors.values() if mirror.identity_key is not None
        }

    @cached_property
    def synced(self) -> Mapping[Ref, tuple[Mirror, ...]]:
        """The mirrors that each sync trigger fills."""
        found: dict[Ref, list[Mirror]] = {}
        for _, mirror in self.mirrors.values():
            for trigger in mirror.synced_by:
                found.setdefault(trigger, []).append(mirror)
        return {trigger: tuple(mirrors) for trigger, mirrors in found.items()}

    @cached_property
    def sync_functions(self) -> Mapping[FunctionName, tuple[Mirror, ...]]:
        """The mirrors that each function of a sync trigger fills."""
        found: dict[FunctionName, tuple[Mirror, ...]] = {}
        for ref, mirrors in self.synced.items():
            trigger = self.trigger(ref)
            if trigger is not None:
                found[trigger.function_name] = (*found.get(trigger.function_name, ()), *mirrors)
        return found

    def relying(self, table: QName) -> list[ForeignKey]:
        """The user references that need a row in a table; identity keys do not."""
        return [
            reference.key
            for reference in self.references.values()
            if reference.key.target.table == table and reference.verdict != "identity-key"
        ]

    # Objects

    def trigger(self, ref: Ref) -> Trigger | None:
        table = self.schema.table(ref.owner)
        return next((one for one in table.triggers if one.name == ref.part), None) if table is not None else None

    def foreign_key(self, ref: Ref) -> ForeignKey | None:
        table = self.schema.table(ref.owner)
        return next((one for one in table.foreign_keys if one.name == ref.part), None) if table is not None else None

    def function(self, ref: Ref) -> Function | None:
        overloads = self.schema.functions_by_name.get(QName(ref.schema, ref.name), ())
        return next((one for one in overloads if one.ref == ref), None)

    def policies_asking(self, function: Function) -> list[Policy]:
        """The policies that call a function, by its name."""
        return [
            policy
            for table in self.schema.tables.values()
            for policy in table.policies
            if any(text is not None and mentions(text, function.name.name) for text in (policy.using, policy.check))
        ]

    def indexed(self, table: Table, columns: Sequence[str]) -> bool:
        """Whether an index begins with these columns, in any order."""
        wanted = set(columns)
        return any(
            index.valid and index.predicate is None and set(index.columns[: len(columns)]) == wanted
            for index in table.indexes
        )


def mentions(text: str, name: str) -> bool:
    """Whether a name occurs in a text as a name."""
    if name not in text and name not in text.lower():
        return False
    for kind, start, end in tokens(text, 0):
        word = text[start:end]
        if (kind == "word" and word.lower() == name) or (kind == "name" and word[1:-1].replace('""', '"') == name):
            return True
    return False


def effects(function: Function) -> tuple[str, ...]:
    """What the body of a function does to rows, in words: "sets updated_date", "inserts into public.users (id)"."""
    return tuple(dict.fromkeys(_effects(read_body(function.language, function.body))))


def _effects(body: Body) -> Iterator[str]:
    for step in body.steps:
        if step.kind == "assign" and step.target.startswith("new."):
            yield f"sets {step.target.removeprefix('new.')}"
        elif step.kind == "raise" and step.level == "exception":
            yield "refuses some rows"
    for _, query in writes(body):
        name = "" if query.target is None else ".".join(filter(None, (query.target.schema, query.target.name)))
        verb = {"insert": "inserts into", "update": "updates", "delete": "deletes from"}.get(query.action, query.action)
        yield f"{verb} {name}"
        for assignment in query.assignments:
            yield f"fills {name}.{assignment.column}"


def bare_names(function: Function) -> tuple[str, ...]:
    """The tables that the body of a function names without their schema."""
    body = read_body(function.language, function.body)
    found: dict[str, None] = {}
    for _, query in (*reads(body), *writes(body)):
        uses = query.sources if query.target is None else (query.target, *query.sources)
        found.update(dict.fromkeys([use.name for use in uses if not use.schema and use.name not in query.derived]))
    return tuple(found)


def sentence(text: str) -> str:
    """A sentence with its capital and its full stop; a name at its beginning keeps its case.

    >>> sentence("no row comes"), sentence("public.users is empty")
    ('No row comes.', 'public.users is empty.')
    """
    first = text.partition(" ")[0]
    head = text[0] if any(sign in first for sign in '._("') else text[0].upper()
    return f"{head}{text[1:]}."


def listed(items: Iterable[object], limit: int = 3) -> str:
    """A few of several things, and how many more there are.

    >>> listed("abc"), listed("abcdef")
    ('a, b and c', 'a, b, c and 3 more')
    """
    texts = [str(item) for item in items]
    if len(texts) > limit:
        return f"{', '.join(texts[:limit])} and {len(texts) - limit} more"
    return " and ".join(filter(None, (", ".join(texts[:-1]), *texts[-1:])))
