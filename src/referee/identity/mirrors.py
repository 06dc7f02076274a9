"""Which tables mirror the source of an identity, by evidence that is weighed and can be printed."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from referee.identity.writes import SESSION, Stored, fires
from referee.model.finding import Confidence
from referee.model.identity import Evidence, EvidenceKind, Mirror
from referee.model.names import QName, Ref, Target, quote
from referee.model.origins import Place
from referee.model.schema import Column, ForeignKey, Policy, Schema, Table
from referee.sql import tree
from referee.sql.expressions import children, is_session_identity, read_expression

_USER_WORDS = r"(?:user|profile|account|member|person|people|persons)"
_NAMED_LIKE_USERS = re.compile(
    rf"(?:app|my|public|site|tbl|t)?{_USER_WORDS}(?:s|profiles?|accounts?|data|info|details?)?"
)
_SPEAKS_OF_SESSION = re.compile(r"\buid\b|\bjwt\b|request\.jwt", re.IGNORECASE)
# Evidence from other tables repeats itself; a few examples convince as well as a hundred.
_EXAMPLES = 3

_Place = tuple[QName, str]


@dataclass
class _Candidate:
    """A column that may hold the source's ids, and what speaks for it."""

    table: Table
    column: Column
    evidence: list[Evidence] = field(default_factory=list)
    identity_key: ForeignKey | None = None
    synced_by: list[Ref] = field(default_factory=list)
    complete: bool = False
    filled_for_all: bool = False
    """Whether a trigger that would fill it does so without a condition of its own: for users of every kind."""

    from_references: Counter[EvidenceKind] = field(default_factory=Counter)
    """How much of each kind was found on columns that reference it; only the first examples are kept."""

    def add(self, kind: EvidenceKind, detail: str, place: Place | None = None) -> None:
        self.evidence.append(Evidence(kind, detail, place))

    def has(self, *kinds: EvidenceKind) -> bool:
        return any(evidence.kind in kinds for evidence in self.evidence)

    @property
    def is_primary(self) -> bool:
        return _is_primary(self.table, self.column.name)


def is_named_like_users(name: str) -> bool:
    """Whether a table's name says that its rows are users.

    >>> [is_named_like_users(name) for name in ("users", "UserProfiles", "app_user", "bands", "user_settings")]
    [True, True, True, False, False]
    """
    return _NAMED_LIKE_USERS.fullmatch(re.sub(r"[^a-z]", "", name.lower())) is not None


def find_mirrors(
    schema: Schema, source: Target, stored: Sequence[Stored], configured: Iterable[Target] = ()
) -> tuple[Mirror, ...]:
    """The tables whose key is the source's key, the most convincing first; at most one column of each table.

    Certain: a trigger on the source fills it, or its key references the source and its name says that it stands for
    the user. Likely: no key and no trigger, but its name and another sign agree. Possible: fewer signs.

    An extension of the user (``user_settings``) and a role that some users have (``drivers``) share the source's key
    too and are no mirrors; only where a schema has no other, the one such table that keys rely on is a possible one.
    """
    return _Search(schema, source, stored).run(configured)


def find_chained_mirrors(
    schema: Schema, source: Target, mirrors: Sequence[Mirror], stored: Sequence[Stored]
) -> tuple[Mirror, ...]:
    """Mirrors of the given mirrors: their primary key references a mirror's key, and others rely on them or their
    name speaks.
    """
    known = {mirror.table: mirror for mirror in mirrors}
    found: list[Mirror] = []
    fresh = list(mirrors)
    while fresh:
        parents, fresh = fresh, []
        for parent in parents:
            for key in schema.referencing.get(parent.table, ()):
                if key.table in known or key.target != parent.target or schema.is_managed(key.table.schema):
                    continue
                mirror = _chained(schema, source, parent, key, stored)
                if mirror is not None:
                    known[mirror.table] = mirror
                    fresh.append(mirror)
        found += fresh
    return tuple(found)


class _Search:
    def __init__(self, schema: Schema, source: Target, stored: Sequence[Stored]) -> None:
        self._schema = schema
        self._source = source
        self._stored = stored
        self._candidates: dict[_Place, _Candidate] = {}
        table = schema.table(source.table)
        column = table.column(source.columns[0]) if table is not None else None
        self._type = column.type if column is not None else ""

    def run(self, configured: Iterable[Target]) -> tuple[Mirror, ...]:
        for target in configured:
            self._add_configured(target)
        self._add_by_keys()
        self._add_by_triggers()
        self._add_weak()
        best: dict[QName, Mirror] = {}
        ranked = sorted(self._judged(), key=lambda pair: _rank(self._schema, *pair))
        for candidate, confidence in ranked:
            best.setdefault(candidate.table.name, _mirror(candidate, confidence))
        return tuple(best.values())

    def _candidate(self, table: Table, name: str) -> _Candidate | None:
        """The candidate for a column, made at first sight; None for a column that cannot be a mirror's key."""
        column = table.column(name)
        if column is None or table.name == self._source.table or self._schema.is_managed(table.name.schema):
            return None
        return self._candidates.setdefault((table.name, name), _Candidate(table, column))

    def _add_configured(self, target: Target) -> None:
        table = self._schema.table(target.table)
        if table is None:
            return
        primary = table.primary_key
        names = target.columns or (primary.columns if primary is not None else ())
        candidate = self._candidate(table, names[0]) if len(names) == 1 else None
        if candidate is not None:
            candidate.add("configuration", "the configuration says so")

    def _add_by_keys(self) -> None:
        for key in self._schema.referencing.get(self._source.table, ()):
            table = self._schema.table(key.table)
            if table is None or key.target != self._source or not table.is_unique(key.columns):
                continue
            if not self._stands_for_user(table, key.columns[0]):
                continue
            candidate = self._candidate(table, key.columns[0])
            if candidate is not None and candidate.identity_key is None:
                candidate.identity_key = key
                candidate.add(
                    "identity-key", f"its key {quote(key.columns[0])} references {self._source}", Place(key.ref)
                )

    def _add_by_triggers(self) -> None:
        for stored in self._stored:
            table = self._schema.table(stored.table)
            if table is None or not _inserts_new(stored, self._source):
                continue
            if table.is_unique((stored.column,)) and self._stands_for_user(table, stored.column):
                candidate = self._candidate(table, stored.column)
                if candidate is not None:
                    _add_trigger(candidate, stored, self._source.table)

    def _stands_for_user(self, table: Table, column: str) -> bool:
        """Whether a unique column may be a table's identity. Beside a key of its own it must be in a table that is
        named for users: an organisation has one owner, and is no user.
        """
        return _is_primary(table, column) or is_named_like_users(table.name.name)

    def _add_weak(self) -> None:
        """Signs that convince only together, for primary keys of the source's type that no other key explains."""
        compared = _compared_columns(self._schema)
        for (name, column), policies in compared.items():
            candidate = self._weak(name, column)
            if candidate is None:
                continue
            for policy in policies:
                candidate.add(
                    "policy",
                    f"its policy {quote(policy.name)} compares {quote(column)} with the session's user",
                    Place(policy.ref),
                )
        self._add_weak_from_references(compared)
        for table in self._schema.own_tables:
            if is_named_like_users(table.name.name):
                if table.primary_key is not None:
                    self._weak(table.name, table.primary_key.columns[0])
                for candidate in self._of_table(table):
                    candidate.add("name", "it is named like a table of users", Place(table.ref))

    def _add_weak_from_references(self, compared: Mapping[_Place, Sequence[Policy]]) -> None:
        for place, policies in compared.items():
            for candidate in self._referenced(place, "policy"):
                name = quote(policies[0].name)
                detail = f"the policy {name} compares {_show(place)}, which references it, with the session's user"
                candidate.add("policy", detail, Place(policies[0].ref))
        for stored in self._stored:
            if stored.origin == SESSION and (stored.where != "trigger" or fires(stored.trigger)):
                place = (stored.table, stored.column)
                for candidate in self._referenced(place, "write"):
                    detail = f"{stored.owner} writes {stored.expression} into {_show(place)}, which references it"
                    candidate.add("write", detail, stored.place)

    def _referenced(self, place: _Place, kind: EvidenceKind) -> Iterator[_Candidate]:
        """The candidates that a column references and that can do with more evidence of that kind."""
        for table, column in _referenced_by(self._schema, place):
            candidate = self._weak(table, column)
            if candidate is not None:
                candidate.from_references[kind] += 1
                if candidate.from_references[kind] <= _EXAMPLES:
                    yield candidate

    def _weak(self, name: QName, column: str) -> _Candidate | None:
        """The candidate that weak evidence may speak for: one that strong evidence made, or a free primary key."""
        known = self._candidates.get((name, column))
        if known is not None or name == self._source.table:
            return known
        table = self._schema.table(name)
        if table is None or not _is_primary(table, column):
            return None
        found = table.column(column)
        if found is None or found.type != self._type or any(column in key.columns for key in table.foreign_keys):
            return None
        if any(candidate.identity_key is not None for candidate in self._of_table(table)):
            return None  # its own id is a surrogate, the identity is in another column
        return self._candidate(table, column)

    def _of_table(self, table: Table) -> Iterator[_Candidate]:
        for column in table.columns:
            candidate = self._candidates.get((table.name, column.name))
            if candidate is not None:
                yield candidate

    def _judged(self) -> Iterator[tuple[_Candidate, Confidence]]:
        # Next to a source of the project's own a table named for users may well be another identity.
        name_suffices = self._schema.is_managed(self._source.table.schema)
        weighed = [
            (candidate, _weigh(candidate, self._relying(candidate), name_suffices))
            for candidate in self._candidates.values()
        ]
        if any(confidence is not None for _, confidence in weighed):
            yield from ((candidate, confidence) for candidate, confidence in weighed if confidence is not None)
            return
        # Drivers and riders are both users, and neither is all users. A single table of that kind may be.
        keyed = [one for one, _ in weighed if one.identity_key is not None and self._relying(one)]
        if len(keyed) == 1:
            yield keyed[0], Confidence.POSSIBLE

    def _relying(self, candidate: _Candidate) -> int:
        return _relying(self._schema, Target(candidate.table.name, (candidate.column.name,)))


def _weigh(candidate: _Candidate, relying: int, name_suffices: bool) -> Confidence | None:
    """How sure the evidence makes it; None where it does not suffice."""
    named = candidate.has("name")
    if candidate.has("configuration"):
        return Confidence.CERTAIN
    if candidate.filled_for_all or (named and (candidate.has("trigger") or candidate.identity_key is not None)):
        return Confidence.CERTAIN if candidate.is_primary or candidate.column.not_null else Confidence.LIKELY
    signs = sum(candidate.has(kind) for kind in ("policy", "write", "name"))
    if candidate.identity_key is not None or not (named or (relying and signs > 1)):
        return None
    if candidate.column.default is not None or candidate.column.identity:
        return Confidence.POSSIBLE if signs > 1 else None
    if signs > 1:
        return Confidence.LIKELY if named else Confidence.POSSIBLE
    return Confidence.POSSIBLE if relying and name_suffices else None


def _rank(schema: Schema, candidate: _Candidate, confidence: Confidence) -> tuple[int, int, int, int, QName]:
    relying = _relying(schema, Target(candidate.table.name, (candidate.column.name,)))
    named = candidate.has("name")
    return -confidence, -relying, -named, -len(candidate.evidence), candidate.table.name


def _mirror(candidate: _Candidate, confidence: Confidence) -> Mirror:
    return Mirror(
        table=candidate.table.name,
        column=candidate.column.name,
        confidence=confidence,
        evidence=tuple(candidate.evidence),
        identity_key=candidate.identity_key,
        synced_by=tuple(dict.fromkeys(candidate.synced_by)),
        complete=candidate.complete,
    )


def _chained(
    schema: Schema, source: Target, parent: Mirror, key: ForeignKey, stored: Sequence[Stored]
) -> Mirror | None:
    """The table of a key to a mirror as a mirror itself; None for a mere extension of it, or a table with a key of
    its own.
    """
    table = schema.table(key.table)
    column = table.column(key.columns[0]) if table is not None and len(key.columns) == 1 else None
    if table is None or column is None or not table.is_unique(key.columns):
        return None
    named = is_named_like_users(table.name.name) and _is_primary(table, column.name)
    if not named and not _relying(schema, Target(table.name, key.columns)):
        return None
    candidate = _Candidate(table, column, identity_key=key)
    candidate.add("chain", f"its key {quote(column.name)} references {parent.target}, itself a mirror", Place(key.ref))
    if named:
        candidate.add("name", "it is named like a table of users", Place(table.ref))
    for one in stored:
        if one.table == table.name and one.column == column.name:
            for origin in (source, parent.target):
                if _inserts_new(one, origin):
                    _add_trigger(candidate, one, origin.table)
                    candidate.complete = candidate.complete and (origin == source or parent.complete)
    return _mirror(candidate, min(parent.confidence, Confidence.CERTAIN))


# Triggers that fill a mirror


def _inserts_new(stored: Stored, origin: Target) -> bool:
    """Whether a trigger on the origin, or a trigger function that none calls, inserts the new row's key."""
    if stored.origin != f"new.{origin.columns[0]}" or stored.where != "trigger" or stored.statement is None:
        return False
    query = stored.statement.query
    inserts = query is not None and query.action in ("insert", "merge")
    return inserts and (stored.trigger is None or stored.trigger.table == origin.table)


def _add_trigger(candidate: _Candidate, stored: Stored, origin: QName) -> None:
    what = f"inserts {stored.expression} into {quote(stored.column)}"
    candidate.filled_for_all = candidate.filled_for_all or _is_unconditional(candidate.table, stored)
    if stored.trigger is None:
        candidate.add("trigger", f"{stored.owner} {what}, but no trigger calls it", stored.place)
        return
    name = f"trigger {quote(stored.trigger.name)} on {origin}"
    if not fires(stored.trigger):
        candidate.add("trigger", f"the {name} {what}, but it is disabled", Place(stored.trigger.ref))
        return
    candidate.add("trigger", f"the {name} {what}", Place(stored.trigger.ref))
    candidate.synced_by.append(stored.trigger.ref)
    candidate.complete = candidate.complete or _always_inserts(candidate.table, stored)


def _always_inserts(table: Table, stored: Stored) -> bool:
    """Whether every new row of the trigger's table that commits has its row here.

    A trigger that fails aborts the sign-up, and then neither table has the user. What tells the two apart is a
    condition, an error that is swallowed, or a conflict with another row that is passed over.
    """
    trigger, statement = stored.trigger, stored.statement
    if trigger is None or statement is None or statement.query is None or stored.misread:
        return False
    if "insert" not in trigger.events or trigger.level != "row" or trigger.when is not None:
        return False
    step, query = statement.step, statement.query
    if not _is_unconditional(table, stored) or not all(
        statement.body.handlers[index].reraises for index in step.handlers
    ):
        return False
    if query.rows == "select" and query.nested:
        supply = query.nested[0]
        if supply.sources or supply.derived:
            return False
        if not all(_looks_for_itself(condition, True, table, stored.column) for condition in supply.conditions):
            return False
    return _meets_only_itself(table, stored.column, query)


def _is_unconditional(table: Table, stored: Stored) -> bool:
    """Whether the statement runs at every INSERT, unless the row is there already."""
    if stored.statement is None:
        return False
    step = stored.statement.step
    return (
        step.in_handler < 0
        and not step.in_loop
        and all(_is_given(guard) or _is_for_missing(guard, table, stored.column) for guard in step.guards)
    )


def _is_given(guard: tree.Guard) -> bool:
    """Whether a condition holds at every INSERT: ``TG_OP = 'INSERT'``, or not ``TG_OP <> 'INSERT'``."""
    condition = guard.condition
    if not isinstance(condition, tree.Operator) or condition.name != ("<>" if guard.negated else "="):
        return False
    names = {arg.parts for arg in condition.args if isinstance(arg, tree.Column)}
    values = {arg.value for arg in condition.args if isinstance(arg, tree.Literal)}
    return names == {("tg_op",)} and values == {"INSERT"}


def _is_for_missing(guard: tree.Guard, table: Table, column: str) -> bool:
    return guard.condition is not None and _looks_for_itself(guard.condition, not guard.negated, table, column)


def _looks_for_itself(condition: tree.Expr, absent: bool, table: Table, column: str) -> bool:
    """Whether a condition says that the mirror has no row with the new key (or, with ``absent`` unset, that it has
    one).
    """
    if isinstance(condition, tree.Operator) and condition.name == "not":
        return _looks_for_itself(condition.args[0], not absent, table, column)
    if absent or not isinstance(condition, tree.Subquery) or condition.kind != "exists":
        return False
    query = condition.query
    if [use.name for use in query.sources] != [table.name.name] or len(query.conditions) != 1:
        return False
    [test] = query.conditions
    if not isinstance(test, tree.Operator) or test.name != "=":
        return False
    names = [arg.parts for arg in test.args if isinstance(arg, tree.Column)]
    return len(names) == 2 and any(parts[0] == "new" for parts in names) and any(parts[-1] == column for parts in names)


def _meets_only_itself(table: Table, column: str, query: tree.Query) -> bool:
    """Whether ON CONFLICT passes over nothing but a row with the same key."""
    conflict = query.on_conflict
    if conflict is None:
        return True
    if conflict.constraint is not None:
        return any(key.name == conflict.constraint and key.columns == (column,) for key in table.keys)
    if conflict.columns:
        return conflict.columns == (column,)
    return table.unique_sets == {frozenset({column})}


# Policies


def _compared_columns(schema: Schema) -> Mapping[_Place, Sequence[Policy]]:
    """The columns of the project's tables that policies compare with the session's user."""
    found: dict[_Place, list[Policy]] = defaultdict(list)
    for table in schema.own_tables:
        for policy in table.policies:
            columns: set[str] = set()
            for text in (policy.using, policy.check):
                if text is not None:
                    for parts in columns_compared_with_session(text):
                        if len(parts) == 1 or parts[-2] == table.name.name:
                            columns.add(parts[-1])
            for column in sorted(columns):
                found[table.name, column].append(policy)
    return found


@lru_cache(maxsize=4096)
def columns_compared_with_session(text: str) -> tuple[tuple[str, ...], ...]:
    """The columns that a condition compares with the session's user; not those inside its subqueries.

    >>> columns_compared_with_session("(select auth.uid()) = id or exists (select from m where m.who = auth.uid())")
    (('id',),)
    """
    return tuple(_compared(read_expression(text))) if _SPEAKS_OF_SESSION.search(text) else ()


def _compared(expression: tree.Expr) -> Iterator[tuple[str, ...]]:
    if isinstance(expression, tree.Operator) and expression.name in ("=", "in", "any", "is not distinct from"):
        if any(is_session_identity(arg) for arg in expression.args):
            for arg in expression.args:
                column = _without_casts(arg)
                if isinstance(column, tree.Column):
                    yield column.parts
        return
    if isinstance(expression, tree.Subquery):
        test = _without_casts(expression.test) if expression.test is not None else None
        values = expression.query.outputs
        if (
            expression.kind == "in"
            and isinstance(test, tree.Column)
            and values
            and is_session_identity(values[0].value)
        ):
            yield test.parts
        return
    for child in children(expression):
        yield from _compared(child)


def _without_casts(expression: tree.Expr) -> tree.Expr:
    while isinstance(expression, tree.Cast):
        expression = expression.arg
    return expression


# Tables and keys


def _is_primary(table: Table, column: str) -> bool:
    return table.primary_key is not None and table.primary_key.columns == (column,)


def _relying(schema: Schema, target: Target) -> int:
    """How many of the project's foreign keys look a value up in this column, those of other columns aside."""
    return sum(
        target.columns[0] in key.target.columns
        for key in schema.referencing.get(target.table, ())
        if not schema.is_managed(key.table.schema)
    )


def _referenced_by(schema: Schema, place: _Place) -> Iterator[_Place]:
    """What the foreign keys of a column reference: one column for each."""
    table = schema.table(place[0])
    for key in table.foreign_keys if table is not None else ():
        if place[1] in key.columns:
            for column, referenced in zip(key.columns, key.target.columns, strict=False):
                if column == place[1]:
                    yield key.target.table, referenced


def _show(place: _Place) -> str:
    return str(Target(place[0], (place[1],)))
