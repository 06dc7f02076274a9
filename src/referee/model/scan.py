"""What a scan of a database's rows says: answers to questions, their likely causes, and what was not checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from referee.model.finding import Confidence, Severity
from referee.model.question import Question
from referee.model.schema import ForeignKey

CauseKind = Literal[
    "swallowed-sign-up",  # the account exists; what should have written its mirror row failed, and nobody noticed
    "late-trigger",  # the account is older than the trigger that fills the mirror
    "re-registration",  # the same person has another id now
    "deletion",  # the account was deleted, and nothing deleted what hung on it
    "soft-deletion",  # the account is marked as deleted
    "restore",  # the rows came in while keys and triggers were switched off
    "other-project",  # the ids are those of another project's users
    "before-the-key",  # the rows are older than the key, which has never been validated
    "unenforced-key",  # the key is switched off
    "uncopied-change",  # nothing copies a change of the e-mail
    "unknown",
]


class Sample(NamedTuple):
    """A reference that leads nowhere, how many rows hold it, and the key of one of them if it was looked up."""

    value: tuple[str | None, ...]
    rows: int
    key: tuple[str | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class CauseGroup:
    """References with the same likely cause. ``evidence`` are sentences, ``others`` maps ids to the person's id now."""

    kind: CauseKind
    values: int
    rows: int
    confidence: Confidence
    evidence: tuple[str, ...]
    example: tuple[str | None, ...] | None = None
    others: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """Why rows break a promise: the groups, the largest first. ``of_all`` is whether every reference was looked at."""

    groups: tuple[CauseGroup, ...]
    of_all: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question.

    ``violations`` counts the rows that break the promise and ``values`` the different references among them; it is None
    where they could not be told apart. ``rows_checked`` counts the rows that were looked at; it is the server's own
    estimate where ``estimated`` is set. ``complete`` is False where rows are left to look at; ``left_out`` says why.
    ``kept`` are references to work with, ``sample`` those to show. ``since`` is when an earlier run began (ISO 8601)
    whose part of the answer is in this one. ``new`` counts the references that the saved scan did not have.
    """

    question: Question
    rows_checked: int = 0
    estimated: bool = False
    violations: int = 0
    values: int | None = 0
    sample: tuple[Sample, ...] = ()
    complete: bool = True
    left_out: str | None = None
    seconds: float = 0.0
    cause: Cause | None = None
    kept: tuple[Sample, ...] = field(default=(), repr=False)
    since: str | None = None
    new: int | None = None

    @property
    def severity(self) -> Severity:
        """What happens if it stays."""
        return _SEVERITIES[self.question.kind]


_SEVERITIES = {
    "orphans": Severity.ERROR,
    "unmirrored": Severity.ERROR,
    "stray": Severity.WARNING,
    "disagreeing": Severity.WARNING,
    "undeclared": Severity.WARNING,
}


@dataclass(frozen=True, slots=True)
class Unenforced:
    """A foreign key that the server does not enforce at present, and what switches it off.

    ``key`` is None where no key in particular is concerned: a role or database that runs with keys switched off.
    """

    subject: str
    key: ForeignKey | None
    reasons: tuple[str, ...]


class Skipped(NamedTuple):
    """Something that was not checked, and why."""

    subject: str
    reason: str


@dataclass(frozen=True, slots=True)
class ScanScope:
    """What was looked at, and how. ``replica`` says how far behind a standby was; None for a primary."""

    database: str
    version: str
    role: str
    mode: Literal["gentle", "fast", "across"]
    parallel: int
    statement_timeout: float | None
    lock_timeout: float | None
    tables: int
    questions: int
    identities: tuple[str, ...]
    replica: str | None = None
    budget: float | None = None
    only: tuple[str, ...] = ()
    left_aside: tuple[str, ...] = ()
    """What belongs to the platform and was not asked about."""


@dataclass(frozen=True, slots=True)
class Scan:
    """The whole result."""

    scope: ScanScope
    answers: tuple[Answer, ...]
    unenforced: tuple[Unenforced, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    seconds: float = 0.0
    notices: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether everything that was asked has been answered."""
        return not self.skipped and all(answer.complete for answer in self.answers)

    def has_violations_from(self, severity: Severity) -> bool:
        """Whether rows break a promise that is at least this severe; a key that is not enforced is an error."""
        if self.unenforced and severity <= Severity.ERROR:
            return True
        return any(answer.violations and answer.severity >= severity for answer in self.answers)
