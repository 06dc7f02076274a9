"""Which Postgres programs a command runs a throw-away server with."""

from __future__ import annotations

import os

from referee.errors import ReadError
from referee.postgres.programs import Programs, find_programs
from referee.read.projects import find_migrations


def programs_for(where: str | None, *subjects: str | os.PathLike[str]) -> Programs | None:
    """The programs in a folder; for "auto" the installed ones of the first project's major version, else the newest.

    None stands for those that come with referee. Raises UsageError where there are none, or they are too old.
    """
    if not where:
        return None
    majors = map(_major, subjects) if where == "auto" else ()
    return find_programs(where, next(filter(None, majors), None))


def _major(subject: str | os.PathLike[str]) -> int | None:
    """The version that a project says it runs; None where it says nothing, or is none."""
    if not os.path.isdir(subject):
        return None
    try:
        return find_migrations(subject).major_version
    except ReadError:
        return None
