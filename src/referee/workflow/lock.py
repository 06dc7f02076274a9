"""`referee lock`: what a database must have so that identities hold, kept in a file, and databases held to it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from referee.compare.lock import Lock, make_lock, read_lock, restoring, violations, write_lock
from referee.errors import ReadError
from referee.model.comparison import Violation
from referee.model.schema import Schema
from referee.platforms import platform
from referee.read.texts import read_text
from referee.sql.write import UnwritableError, Writer, script
from referee.workflow.config import read_config
from referee.workflow.sides import Options, read_sides

#: The name of a lock file; it lies in the root of a project.
FILE_NAME = "referee.lock"

__all__ = ["FILE_NAME", "Lock", "Violation", "find_lock", "lock_of", "open_lock", "restore", "violations"]


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


def hold(subject: str, lock: Lock, options: Options | None = None) -> tuple[tuple[Violation, ...], Schema, int | None]:
    """Reads a subject and holds it to a lock: what breaks it, its schema and its server's major version."""
    with ExitStack() as stack:
        [reading] = read_sides([subject], options or Options(read_config()), stack)
    return violations(reading.world.schema, lock), reading.world.schema, reading.world.server
