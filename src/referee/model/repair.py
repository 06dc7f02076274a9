"""What `fix` proposes: changes, the text that brings them about, and the proof that it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from referee.model.change import Change, Safety
from referee.model.finding import Finding
from referee.model.fixtures import DeleteFill
from referee.model.plan import Plan, Question

Way = Literal["in-place", "migration"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change and the findings that it would cure. ``reason`` is why it is not applied; None where it is."""

    change: Change
    findings: tuple[Finding, ...]
    reason: str | None = None

    @property
    def is_applied(self) -> bool:
        return self.reason is None


@dataclass(frozen=True, slots=True)
class FixtureProposal:
    """A statement of a seed or test to be deleted, and the findings that it would cure; as of a change."""

    change: DeleteFill
    findings: tuple[Finding, ...]
    reason: str | None = None

    @property
    def is_applied(self) -> bool:
        return self.reason is None


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file: what it holds now (None for a new one) and what it is to hold. ``kind`` says what it is for."""

    path: str
    before: str | None
    after: str
    kind: Literal["migration", "rollback"] = "migration"


@dataclass(frozen=True, slots=True)
class Check:
    """One part of the proof: what was tried, whether it held, and what spoke against it."""

    name: str
    passed: bool
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """What was shown on a throw-away server. ``worse`` names what fails in the rehearsal and did not before."""

    version: str
    checks: tuple[Check, ...]
    worse: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return all(check.passed for check in self.checks)


@dataclass(frozen=True, slots=True)
class Repair:
    """The whole result. ``proof`` is None where nothing was proposed or nobody wanted one."""

    subject: str
    way: Way
    because: str
    proposals: tuple[Proposal | FixtureProposal, ...]
    files: tuple[FileChange, ...]
    questions: tuple[Question, ...] = ()
    plan: Plan | None = None
    proof: Proof | None = None
    written: bool = False
    commands: tuple[str, ...] = ()

    @property
    def applied(self) -> tuple[Proposal | FixtureProposal, ...]:
        return tuple(proposal for proposal in self.proposals if proposal.is_applied)

    @property
    def safety(self) -> Safety:
        """SAFE is what a proof has shown to be."""
        return Safety.SAFE if self.proof is not None and self.proof.holds else Safety.UNSAFE
