"""What a check says: the findings, and exactly what was looked at to find them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from referee.model.finding import Finding, Severity
from referee.model.identity import Identities
from referee.model.origins import Gap, Origins
from referee.model.schema import Schema
from referee.model.source import Location

SubjectKind = Literal["supabase", "folder", "file", "database"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What was read, and how much of it, so that a clean result can state its scope.

    ``name`` is the path or database as it is printed, ``platform`` what the check took it to run on. ``tables`` counts
    the project's own, ``rules`` are the ids of the rules that ran. ``files`` and ``statements`` are 0 for a database.
    ``fixtures`` counts the seeds and tests that were read besides.
    """

    kind: SubjectKind
    name: str
    platform: str
    files: int = 0
    statements: int = 0
    tables: int = 0
    rules: tuple[str, ...] = ()
    fixtures: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the reader should know that is neither a finding nor a gap: a suppression that suppresses nothing."""

    message: str
    location: Location | None = None


@dataclass(frozen=True)
class Diagnosis:
    """The whole result of a check. ``findings`` are sorted by file, line and object.

    ``suppressed`` and ``baselined`` count findings that a comment or the baseline file keeps out of ``findings``.
    ``unseen`` names the parts of a live database that the role may not see, as ``read.catalog`` names them.
    """

    schema: Schema
    identities: Identities
    origins: Origins
    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...]
    subject: Subject
    suppressed: int = 0
    baselined: int = 0
    notices: tuple[Notice, ...] = ()
    unseen: frozenset[str] = frozenset()

    @cached_property
    def by_severity(self) -> Mapping[Severity, int]:
        """How many findings there are of each severity, the gravest first; those without findings too."""
        counts = Counter(finding.problem.severity for finding in self.findings)
        return {severity: counts[severity] for severity in sorted(Severity, reverse=True)}

    def has_findings_from(self, severity: Severity) -> bool:
        """Whether any finding is at least this severe."""
        return any(finding.problem.severity >= severity for finding in self.findings)
