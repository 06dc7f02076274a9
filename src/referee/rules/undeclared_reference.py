from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from referee.model.finding import Confidence, Note, Problem, Severity
from referee.model.identity import Identities, Identity
from referee.model.names import QName, Ref, Target
from referee.model.origins import Place
from referee.model.remedy import AddForeignKey, Remedy, Safety
from referee.model.schema import Action, Column, Policy, Schema, Table
from referee.rules._names import nodes
from referee.rules.base import Rule
from referee.sql import tree
from referee.sql.expressions import is_session_identity, read_expression

# Rows of these are meant to outlive what they tell of.
_KEEPS_HISTORY = re.compile(
    r"(?:^|_)(?:logs?|audits?|events?|history|histories|archives?|archived|analytics|metrics|backups?|deleted|"
    r"tracking|activity|activities|views|sessions|snapshots?|temp|tmp|queue|jobs)(?:_|$)"
)
_FOREIGN_TO_US = re.compile(
    r"^(?:external|ext|remote|stripe|google|clerk|firebase|legacy|old|request|correlation|trace)_"
)
_SPEAKS_OF_SESSION = re.compile(r"\buid\b|\bjwt\b|request\.jwt", re.IGNORECASE)
_ENOUGH_SIBLINGS = 2
_MANY_SIBLINGS = 4


class UndeclaredReference(Rule):
    """
    A column that stores a user as its siblings do, without the foreign key that they have.

    ## Why it fails
    Nothing checks what is written there: a user who was deleted, an id of the wrong table, a typing error in a script
    all pass. Deleting the user leaves the rows behind, visible to nobody where policies compare the column with
    `auth.uid()`, and a backfill or a later key on the column fails with 23503 because of them.

    ## Wrong
    `songs` and `shows` declare what their `created_by` references; `setlists` only behaves as if it did:
    ```sql
    create table public.songs (id uuid primary key, created_by uuid references auth.users (id) on delete cascade);
    create table public.shows (id uuid primary key, created_by uuid references auth.users (id) on delete cascade);
    create table public.setlists (
      id uuid primary key,
      created_by uuid not null  -- finding
    );
    alter table public.setlists enable row level security;
    create policy "own setlists" on public.setlists for all to authenticated using (created_by = auth.uid());
    ```
    ## Right
    ```sql
    create table public.songs (id uuid primary key, created_by uuid references auth.users (id) on delete cascade);
    create table public.shows (id uuid primary key, created_by uuid references auth.users (id) on delete cascade);
    create table public.setlists (
      id uuid primary key,
      created_by uuid not null references auth.users (id) on delete cascade
    );
    ```
    ## When it is deliberate
    Logs and archives keep the id of a user who is gone, so there it takes more than a name, and it is information only.
    Columns with a `..._type` beside them refer to several tables and are not reported, nor are partitioned tables.

    ## Severity and confidence
    A warning, and likely, where the database itself treats the column as the user's id: a policy compares it with
    `auth.uid()`, a default or a trigger writes that into it. Only a name like that of two or more declared references
    is information; possible, or likely where there are many.
    """

    severity = Severity.WARNING

    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        seen: set[tuple[QName, str]] = set()
        for identity in identities.all:
            clues = _Clues(schema, identity)
            for table in schema.own_tables:
                for column in _undeclared(table, clues.type):
                    found = clues.about(table, column)
                    place = (table.name, column.name)
                    if found is not None and place not in seen:
                        seen.add(place)
                        yield _problem(identity, table, column, found)


@dataclass
class _Found:
    """What speaks for a reference. ``uses`` are places where the database treats the column as the user's id."""

    siblings: tuple[Target, ...]
    uses: list[Note]
    keeps_history: bool
    actions: Counter[Action] = field(default_factory=Counter)


class _Clues:
    """What a schema says about the columns that hold an identity."""

    def __init__(self, schema: Schema, identity: Identity) -> None:
        source = schema.table(identity.source.table)
        column = source.column(identity.source.columns[0]) if source is not None else None
        self.type = column.type if column is not None else ""
        self._identity = identity
        self._schemas = frozenset(reference.key.table.schema for reference in identity.references)
        self._siblings: dict[str, list[Target]] = {}
        self._actions: dict[str, Counter[Action]] = {}
        for reference in identity.references:
            if reference.verdict != "identity-key":
                name = reference.column
                self._siblings.setdefault(name, []).append(Target(reference.key.table, (name,)))
                self._actions.setdefault(name, Counter())[reference.key.on_delete] += 1
        self._written: Mapping[tuple[QName, str], Place] = {
            place: write.place for write in identity.writes for place in write.columns
        }

    def about(self, table: Table, column: Column) -> _Found | None:
        """What speaks for a reference in a column; None where it is not enough."""
        if (
            table.name.schema not in self._schemas
            or self._is_mirror_key(table, column)
            or _is_polymorphic(table, column)
        ):
            return None
        siblings = tuple(target for target in self._siblings.get(column.name, ()) if target.table != table.name)
        uses = list(self._uses(table, column))
        keeps_history = _KEEPS_HISTORY.search(table.name.name) is not None
        named = len({target.table for target in siblings}) >= _ENOUGH_SIBLINGS and not keeps_history
        if not uses and not named:
            return None
        return _Found(siblings, uses, keeps_history, self._actions.get(column.name, Counter()))

    def _is_mirror_key(self, table: Table, column: Column) -> bool:
        mirror = self._identity.mirror_by_table.get(table.name)
        return mirror is not None and mirror.column == column.name

    def _uses(self, table: Table, column: Column) -> Iterator[Note]:
        for policy in table.policies:
            if any(_compares_with_session(text, column.name) for text in _speaking_texts(policy)):
                yield Note(f'policy "{policy.name}" compares it with the signed-in user', Place(policy.ref))
        if _is_session(column.default):
            yield Note("its default is the signed-in user", Place(Ref("column", *table.name, column.name)))
        written = self._written.get((table.name, column.name))
        if written is not None and (column.default is None or written.within is not None):
            yield Note("the database writes a user's id to it here", written)


def _undeclared(table: Table, wanted_type: str) -> Iterator[Column]:
    """The columns of a table that could hold an identity and have no foreign key."""
    if table.kind != "table" or table.partition_of is not None:
        return
    declared = {name for key in table.foreign_keys for name in key.columns}
    primary = table.primary_key
    alone = primary.columns[0] if primary is not None and len(primary.columns) == 1 else None
    for column in table.columns:
        free = column.name != alone and column.name not in declared
        if free and column.type == wanted_type and column.generated is None and not _FOREIGN_TO_US.match(column.name):
            yield column


def _is_polymorphic(table: Table, column: Column) -> bool:
    """Whether another column says to which table this one refers."""
    base = column.name.removesuffix("_id")
    return any(table.column(f"{base}_{word}") is not None for word in ("type", "kind", "table"))


def _speaking_texts(policy: Policy) -> Iterator[str]:
    for text in (policy.using, policy.check):
        if text is not None and _SPEAKS_OF_SESSION.search(text):
            yield text


def _is_session(default: str | None) -> bool:
    return (
        default is not None
        and _SPEAKS_OF_SESSION.search(default) is not None
        and is_session_identity(read_expression(default))
    )


def _compares_with_session(text: str, column: str) -> bool:
    """Whether an expression says that a column of its own row is the session's user.

    In a subquery the same name may be a column of another table.
    """
    for inner in nodes(read_expression(text)):
        if isinstance(inner, tree.Operator) and inner.name == "=" and len(inner.args) == 2:
            one, other = inner.args
            if _is_column(one, column) and is_session_identity(other):
                return True
            if _is_column(other, column) and is_session_identity(one):
                return True
    return False


def _is_column(expr: tree.Expr, name: str) -> bool:
    while isinstance(expr, tree.Cast):
        expr = expr.arg
    return isinstance(expr, tree.Column) and expr.parts == (name,)


def _problem(identity: Identity, table: Table, column: Column, found: _Found) -> Problem:
    target = Target(table.name, (column.name,))
    grave = bool(found.uses) and not found.keeps_history
    return Problem(
        object=Ref("column", *table.name, column.name),
        cause=f"{target} holds a user's id without a foreign key{_reason(found)}.",
        consequence="Ids of users who do not exist are accepted, and rows stay behind when their user is deleted.",
        severity=Severity.WARNING if grave else Severity.INFO,
        confidence=_confidence(found),
        table=table.name,
        columns=(column.name,),
        expected_target=identity.canonical,
        related=tuple(found.uses),
        remedy=Remedy(
            AddForeignKey(table.name, (column.name,), identity.canonical, _action(column, found)), Safety.UNSAFE
        ),
    )


def _reason(found: _Found) -> str:
    reasons = []
    if found.siblings:
        one = found.siblings[0]
        count = len(found.siblings)
        reasons.append(f"{one} has one" if count == 1 else f"{one} and {count - 1} more of that name have one")
    if found.uses:
        reasons.append(found.uses[0].message)
    return ", although " + " and ".join(reasons)


def _confidence(found: _Found) -> Confidence:
    if found.uses:
        return Confidence.POSSIBLE if found.keeps_history else Confidence.LIKELY
    return Confidence.LIKELY if len(found.siblings) >= _MANY_SIBLINGS else Confidence.POSSIBLE


def _action(column: Column, found: _Found) -> Action:
    """What the siblings do when their user is deleted, where this column can do it too."""
    for action, _ in found.actions.most_common():
        if not (action == "SET NULL" and column.not_null):
            return action
    return "NO ACTION"
