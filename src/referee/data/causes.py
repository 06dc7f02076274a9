"""Why references lead nowhere: a likely cause for each, with what speaks for it.

Nothing here decides anything about rows; it tells people where to look. What could not be asked counts as not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from referee.data.ask import Manners, ask
from referee.model.finding import Confidence
from referee.model.identity import Identities, Identity, Mirror
from referee.model.names import Target
from referee.model.question import Question
from referee.model.scan import Answer, Cause, CauseGroup, CauseKind, Sample
from referee.model.schema import Column, ForeignKey, Schema, Trigger
from referee.postgres.session import FailedStatementError, Row, Session
from referee.sql import evidence
from referee.sql.questions import email_column, keys_of

_HANDLER = re.compile(r"\bexception\s+when\b", re.IGNORECASE)
_CREATED = ("created_at", "created_date", "created", "inserted_at")
# The log of sign-ups has no index on what we look for; a large one is not read for the sake of a hint.
_LONGEST_LOG = 1_000_000
# Where most of what is referenced does not exist, the ids come from elsewhere.
_MOSTLY, _ENOUGH = 0.5, 20
_PAST_THE_KEY = (
    "the key says that it is valid, so these rows came in while nothing was checked: a restore or dump under "
    "session_replication_role = replica, or with the table's triggers disabled; VALIDATE CONSTRAINT will not find "
    "them, and a restore of this database will fail with 23503"
)


def explain(
    session: Session,
    schema: Schema,
    identities: Identities,
    answer: Answer,
    manners: Manners,
    log_size: int | None = None,
) -> Answer:
    """The answer with its cause, and with the key of a row for each reference that is shown.

    ``log_size`` is the number of rows in the log of sign-ups, None where it cannot be read. Raises ServerError where
    the connection is lost.
    """
    if not answer.violations:
        return answer
    asking = _Asking(session, manners)
    answer = replace(answer, sample=_with_keys(asking, answer))
    if not answer.kept:
        return answer
    if len(answer.question.columns) != 1:
        return replace(answer, cause=_of_several_columns(answer))
    return replace(answer, cause=_Search(asking, schema, identities, answer, log_size).cause())


@dataclass
class _Asking:
    """Small questions whose answers help and are not needed."""

    session: Session
    manners: Manners

    def rows(self, query: str) -> list[Row]:
        try:
            return ask(self.session, [query], self.manners)[0]
        except FailedStatementError:
            return []

    def ids(self, query: str) -> frozenset[str]:
        return frozenset(row[0] for row in self.rows(query))


def _with_keys(asking: _Asking, answer: Answer) -> tuple[Sample, ...]:
    question = answer.question
    lacking = [sample.value for sample in answer.sample if sample.key is None]
    values = [tuple(part for part in value if part is not None) for value in lacking]
    if not question.row_key or question.row_key == question.columns or not values:
        return answer.sample
    if any(len(value) != len(question.columns) for value in values):
        return answer.sample
    found = {tuple(value): tuple(key) for value, key in asking.rows(keys_of(question, values)) if key is not None}
    return tuple([sample._replace(key=sample.key or found.get(sample.value)) for sample in answer.sample])


@dataclass
class _Group:
    kind: CauseKind
    confidence: Confidence
    evidence: list[str] = field(default_factory=list)
    members: list[Sample] = field(default_factory=list)
    others: dict[str, str] = field(default_factory=dict)


class _Search:
    """Takes the references one kind of evidence after the other; what is explained is out."""

    def __init__(
        self, asking: _Asking, schema: Schema, identities: Identities, answer: Answer, log_size: int | None
    ) -> None:
        self.asking = asking
        self.schema = schema
        self.answer = answer
        self.question = answer.question
        self.log_size = log_size
        self.identity = _identity_of(identities, self.question)
        self.left = {sample.value[0]: sample for sample in answer.kept if sample.value[0] is not None}
        self.groups: list[_Group] = []

    def cause(self) -> Cause | None:
        if self.question.kind == "disagreeing":
            self._disagreeing()
        elif self.identity is None:
            self._unenforced()
        elif self.question.kind == "unmirrored":
            self._unmirrored(self.identity)
        else:
            self._leads_nowhere(self.identity)
        if self.left:
            self._take(self.left, "unknown", Confidence.POSSIBLE, ["nothing that referee looks at tells why"])
        groups = [_frozen(group) for group in self.groups if group.members]
        groups.sort(key=lambda group: -group.rows)
        complete = len(self.answer.kept) == self.answer.values
        return Cause(tuple(groups), complete) if groups else None

    @property
    def ids(self) -> list[str]:
        return list(self.left)

    @property
    def type(self) -> str:
        return self.question.types[0]

    def _take(
        self,
        ids: Iterable[str],
        kind: CauseKind,
        confidence: Confidence,
        told: Sequence[str],
        others: dict[str, str] | None = None,
    ) -> None:
        members = [self.left.pop(one) for one in list(ids) if one in self.left]
        if members:
            self.groups.append(_Group(kind, confidence, list(told), members, others or {}))

    # A source row without its mirror row

    def _unmirrored(self, identity: Identity) -> None:
        mirror = next((one for one in identity.mirrors if one.target == self.question.target), None)
        source = self.schema.table(identity.source.table)
        if mirror is None or source is None:
            return
        if source.column("deleted_at") is not None:
            gone = self.asking.ids(evidence.marked(self.ids, self.type, identity.source, "deleted_at"))
            self._take(gone, "soft-deletion", Confidence.CERTAIN, ["deleted_at of the account is set"])
        self._namesakes(identity.source, mirror.target, "its e-mail belongs to another row of the mirror")
        self._by_trigger(identity, mirror)

    def _by_trigger(self, identity: Identity, mirror: Mirror) -> None:
        """What is to be said about accounts that whatever fills the mirror has missed."""
        if not self.left:
            return
        name, mirror_name = identity.source.table, mirror.table
        triggers = [trigger for trigger in self.schema.triggers() if trigger.ref in mirror.synced_by]
        swallowing = [trigger for trigger in triggers if self._swallows(trigger)]
        age = self._ages(identity.source)
        if swallowing:
            told = [f"{one.function}, which {one.ref} calls, swallows errors (EXCEPTION WHEN)" for one in swallowing]
            self._take(self.ids, "swallowed-sign-up", Confidence.LIKELY, [*told, *age.sentences])
        elif not triggers:
            told = [f"no trigger on {name} fills {mirror_name}, so the application has to, and did not"]
            self._take(self.ids, "swallowed-sign-up", Confidence.LIKELY, [*told, *age.sentences])
        elif age.last is not None and (first := self._first_mirrored(identity, mirror)) and age.last < first:
            told = [f"all were created before {first}, the first account that has a row in {mirror_name}"]
            self._take(self.ids, "late-trigger", Confidence.LIKELY, [*told, *age.sentences])
        else:
            past = (
                f"{triggers[0].ref} fills {mirror_name} today, so these accounts came in past it: by a restore with "
                "session_replication_role = replica, while it was disabled, or before it existed"
            )
            self._take(self.ids, "restore", Confidence.POSSIBLE, [past, *age.sentences])

    def _swallows(self, trigger: Trigger) -> bool:
        functions = self.schema.functions_by_name.get(trigger.function, ())
        return any(_HANDLER.search(function.body) for function in functions)

    def _ages(self, target: Target) -> _Age:
        created = self._created(target)
        rows = self.asking.rows(evidence.ages(self.ids, self.type, target, created.name)) if created else []
        return _Age(*rows[0]) if rows else _Age(None, None)

    def _created(self, target: Target) -> Column | None:
        table = self.schema.table(target.table)
        found = (table.column(name) for name in _CREATED) if table is not None else iter(())
        return next((column for column in found if column is not None and column.type.startswith("timestamp")), None)

    def _first_mirrored(self, identity: Identity, mirror: Mirror) -> str | None:
        created = self._created(identity.source)
        if created is None:
            return None
        rows = self.asking.rows(evidence.first_created(identity.source, mirror.target, created.name))
        return rows[0][0] if rows else None

    # A reference to an identity that does not exist, or not any more

    def _leads_nowhere(self, identity: Identity) -> None:
        question = self.question
        if question.target != identity.source:
            self._accounts_without_mirror(identity, question.target)
        holders = [mirror.target for mirror in identity.mirrors if mirror.target != question.target]
        for holder in holders:
            held = self.asking.ids(evidence.present(self.ids, self.type, holder)) if self.left else frozenset()
            if held:
                self._namesakes(
                    holder, identity.source, f"{holder.table} has the row, and its e-mail is that of another account"
                )
                self._deleted(held, [f"{holder.table} still has the row"])
                self._deletion(identity, holder, held)
        self._deleted(self.left, [])
        if self._is_mostly():
            told = f"{self.answer.violations:,} of {self.answer.rows_checked:,} rows refer to nobody"
            self._take(
                self.ids, "other-project", Confidence.POSSIBLE, [f"{told}: the ids seem to be of another project"]
            )
        self._unenforced()
        if question.kind == "undeclared":
            told = f"nothing ties {question.table} to {question.target.table}, so rows stay when their user is deleted"
            self._take(self.ids, "deletion", Confidence.POSSIBLE, [told])
        elif question.kind == "stray":
            mirror = next((one for one in identity.mirrors if one.table == question.table), None)
            if mirror is not None and mirror.identity_key is None:
                self._deletion(identity, mirror.target, self.left)

    def _accounts_without_mirror(self, identity: Identity, mirror: Target) -> None:
        known = self.asking.ids(evidence.present(self.ids, self.type, identity.source))
        told = f"the account exists in {identity.source.table}, its row in {mirror.table} does not"
        self._take(known, "swallowed-sign-up", Confidence.LIKELY, [told, *self._past_the_key()])

    def _deletion(self, identity: Identity, holder: Target, ids: Iterable[str]) -> None:
        """Those that a mirror still has. A key that works would have kept the account, or taken the rows with it."""
        mirror = identity.mirror_by_table.get(holder.table)
        if past := self._past_the_key():
            told = f"{holder.table} has the row, {identity.source.table} has not: accounts were lost, or left out"
            self._take(ids, "restore", Confidence.LIKELY, [told, *past])
        elif mirror is not None and mirror.identity_key is None:
            told = f"the account is gone, and {holder.table} has no key to {identity.source.table} that would follow"
            self._take(ids, "deletion", Confidence.LIKELY, [told])

    def _deleted(self, ids: Iterable[str], told: Sequence[str]) -> None:
        """Those whose deletion was written down."""
        wanted = [one for one in ids if one in self.left]
        if wanted and self.log_size is not None and self.log_size <= _LONGEST_LOG:
            gone = self.asking.ids(evidence.deleted(wanted))
            note = f"{evidence.AUDIT} has the deletion of the account"
            self._take(gone, "deletion", Confidence.CERTAIN, [note, *told])

    def _namesakes(self, holder: Target, other: Target, told: str) -> None:
        """People who have another id now, by their e-mail."""
        ours, theirs = (email_column(self.schema.table(target.table)) for target in (holder, other))
        if ours is None or theirs is None or not self.left:
            return
        query = evidence.same_mail(self.ids, self.type, (holder, ours.name), (other, theirs.name))
        others = {row[0]: row[1] for row in self.asking.rows(query)}
        if others:
            self._take(others, "re-registration", Confidence.LIKELY, [told], others)

    def _is_mostly(self) -> bool:
        answer = self.answer
        is_much = answer.violations > _MOSTLY * max(answer.rows_checked, 1)
        return is_much and len(self.left) >= _ENOUGH and len(self.left) > _MOSTLY * len(answer.kept)

    # How rows came past a key

    def _unenforced(self) -> None:
        key = self.question.key
        if key is not None and self.left:
            kind, confidence, told = _way_past(key)
            self._take(self.ids, kind, confidence, [told, *self._writers()])

    def _past_the_key(self) -> list[str]:
        key = self.question.key
        if key is None or not key.validated or not key.enforced:
            return []
        return [_PAST_THE_KEY]

    def _writers(self) -> list[str]:
        rows = self.asking.rows(evidence.writers(self.question, self.ids[:1000]))
        total = sum(row[1] for row in rows)
        if len(rows) == 1 and total > 1:
            return [f"one transaction wrote all of these rows (xmin {rows[0][0]}), as a load does"]
        return []

    def _disagreeing(self) -> None:
        if self.identity is None:
            return
        mirror = self.identity.mirror_by_table.get(self.question.table)
        triggers = [one for one in self.schema.triggers() if mirror is not None and one.ref in mirror.synced_by]
        if any("update" in trigger.events for trigger in triggers):
            told = (
                f"{triggers[0].ref} also runs at updates, so the e-mails were changed past it, or in the mirror alone"
            )
        else:
            told = f"no trigger copies a change of the e-mail from {self.identity.source.table}"
        self._take(self.ids, "uncopied-change", Confidence.LIKELY, [told])


@dataclass(frozen=True, slots=True)
class _Age:
    """When the first and the last of some accounts were created."""

    first: str | None
    last: str | None

    @property
    def sentences(self) -> list[str]:
        if self.first is None:
            return []
        return [f"created {self.first}" if self.first == self.last else f"created from {self.first} to {self.last}"]


def _of_several_columns(answer: Answer) -> Cause | None:
    """Of a reference of several columns, only its key tells how rows came past it."""
    key = answer.question.key
    if key is None:
        return None
    kind, confidence, told = _way_past(key)
    group = _Group(kind, confidence, [told], list(answer.kept))
    return Cause((_frozen(group),), len(answer.kept) == answer.values)


def _way_past(key: ForeignKey) -> tuple[CauseKind, Confidence, str]:
    """How rows come to break a key, by its state."""
    if not key.enforced:
        told = "the key is switched off: its triggers are disabled, or it is NOT ENFORCED"
        return "unenforced-key", Confidence.CERTAIN, told
    if not key.validated:
        told = "the key is NOT VALID: it checks what is written now, and has never seen these rows"
        return "before-the-key", Confidence.LIKELY, told
    return "restore", Confidence.LIKELY, _PAST_THE_KEY


def _frozen(group: _Group) -> CauseGroup:
    return CauseGroup(
        group.kind,
        len(group.members),
        sum(member.rows for member in group.members),
        group.confidence,
        tuple(group.evidence),
        group.members[0].value,
        tuple(sorted(group.others.items())),
    )


def _identity_of(identities: Identities, question: Question) -> Identity | None:
    """The identity that a question is about: whose table is referenced."""
    wanted = {question.target, Target(question.table, question.columns)}
    for identity in identities.all:
        if question.target in identity.targets or (
            question.kind != "orphans" and wanted.intersection(identity.targets)
        ):
            return identity
    return None
