"""`referee lock`: what a database must have so that identities hold, kept in a file, and databases held to it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from referee.compare.culprit import culprit
from referee.compare.lock import Lock, make_lock, read_lock, restoring, violations, write_lock
from referee.compare.world import sentence
from referee.errors import ReadError
from referee.model.change import Remedy
from referee.model.comparison import Violation
from referee.model.diagnosis import Diagnosis
from referee.model.finding import Finding, Problem, Severity
from referee.model.origins import Origins
from referee.model.schema import Schema
from referee.platforms import platform
from referee.read.texts import read_text
from referee.sql.write import UnwritableError, Writer, script
from referee.workflow.config import read_config
from referee.workflow.locate import fingerprint, in_order
from referee.workflow.sides import Options, read_sides

#: What findings about a lock name as their rule.
BROKEN_LOCK = "broken-lock"

#: The kind of object that each part of the catalog tells of.
_TOLD_BY = {"triggers": "trigger", "functions": "function", "policies": "policy", "roles_by_name": "role"}

#: The name of a lock file; it lies in the root of a project.
FILE_NAME = "referee.lock"

__all__ = [
    "BROKEN_LOCK",
    "FILE_NAME",
    "Held",
    "Lock",
    "Violation",
    "find_lock",
    "hold",
    "hold_diagnosis",
    "lock_of",
    "open_lock",
    "restore",
    "the_lock",
    "violations",
]


def lock_of(subject: str = ".", options: Options | None = None) -> str:
    """The text of the lock file of a project or database that is as it should be.

    Raises ReadError where it has no identity to lock, and what reading it raises.
    """
    options = options or Options(read_config(subject))
    with ExitStack() as stack:
        [reading] = read_sides([subject], options, stack)
    world = reading.world
    lock = make_lock(world.schema, world.identities, world.platform.name, world.platform.sign_up_role)
    if not lock.identities:
        raise ReadError(
            f"{reading.subject.name} has no table that owns identities, so there is nothing to lock. Name it with "
            "--source TABLE."
        )
    return write_lock(lock)


def open_lock(path: str | os.PathLike[str]) -> Lock:
    """The lock in a file. Raises ReadError."""
    if not os.path.exists(path):
        raise ReadError(f"There is no lock file {os.fspath(path)}; `referee lock` writes one.")
    return read_lock(read_text(str(path), str(path)), str(path))


def find_lock(path: str | os.PathLike[str] = ".") -> Path | None:
    """The lock file of the project at ``path``: in its folder or above it, inside the repository."""
    start = Path(os.path.abspath(path))
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
        if (folder / ".git").exists():
            return None
    return None


def the_lock(path: str, named: str = "") -> Path:
    """The lock file that was named, else that of the project at ``path``, which need not be there."""
    return Path(named) if named else find_lock(path) or Path(FILE_NAME)


_HEAD = """\
-- Brings back what {file} demands and this database has lost.
-- Written by `referee lock --restore`. One transaction; nothing is deleted.
"""


def restore(found: Sequence[Violation], schema: Schema, lock: Lock, server: int | None = None) -> str:
    """One migration that brings back everything locked, as the platform's migration role may do it.

    What no statement can bring back stands in it as a comment.
    """
    writer = Writer(schema, platform(lock.platform).migration_role, server or 17)
    lines = [_HEAD.format(file=FILE_NAME)]
    mendable: list[Violation] = []
    for violation in found:
        lines.append(f"-- {' '.join(violation.message.split())}")
        try:
            script(violation.restore, writer)
        except UnwritableError as error:
            lines.append(f"--   cannot be written: {' '.join(str(error).split())}")
        else:
            if violation.restore:
                mendable.append(violation)
            else:
                lines.append("--   has to be brought back by hand")
    statements = script(restoring(mendable), writer)
    return "\n".join([*lines, "", *(f"{text};" for text in statements)]) + "\n"


@dataclass(frozen=True)
class Held:
    """What holding a subject to a lock gave. ``not_seen`` says what of the subject could not be known."""

    violations: tuple[Violation, ...]
    schema: Schema
    server: int | None
    not_seen: tuple[str, ...] = ()


def hold(subject: str, lock: Lock, options: Options | None = None) -> Held:
    """Reads a subject and holds it to a lock: what breaks it, its schema and its server's major version."""
    with ExitStack() as stack:
        [reading] = read_sides([subject], options or Options(read_config()), stack)
    found = _broken(reading.world.schema, lock, reading.blind, reading.origins)
    return Held(tuple(found), reading.world.schema, reading.world.server, reading.not_seen)


def hold_diagnosis(diagnosis: Diagnosis, lock: Lock) -> Diagnosis:
    """A diagnosis with a finding of its own for everything that breaks a lock; neither comments nor a baseline keep
    these quiet."""
    broken = _broken(diagnosis.schema, lock, diagnosis.unseen, diagnosis.origins)
    subject = replace(diagnosis.subject, rules=(*diagnosis.subject.rules, BROKEN_LOCK))
    return replace(diagnosis, findings=in_order([*diagnosis.findings, *map(_finding, broken)]), subject=subject)


def _broken(schema: Schema, lock: Lock, blind: frozenset[str], origins: Origins) -> Iterator[Violation]:
    """What breaks a lock, as far as it can be seen, with who did it."""
    unknown = {_TOLD_BY[part] for part in blind if part in _TOLD_BY}
    for violation in violations(schema, lock):
        if violation.object.kind not in unknown:
            span = culprit(violation, origins)
            yield violation if span is None else replace(violation, done_by=origins.locate(span))


def _finding(violation: Violation) -> Finding:
    ref = violation.object
    problem = Problem(
        ref,
        sentence(violation.message),
        "It breaks the lock; `referee lock --restore` writes a migration that brings back what is lost.",
        Severity.ERROR,
        table=ref.owner if ref.kind in ("table", "trigger", "policy", "constraint") else None,
        remedy=Remedy(violation.restore[0]) if violation.restore else None,
        key=violation.message,
    )
    return Finding(BROKEN_LOCK, problem, violation.done_by, (), fingerprint(BROKEN_LOCK, problem))
