"""``referee lock``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from referee.cli import options

if TYPE_CHECKING:
    from pathlib import Path

    from referee.workflow.sides import Options


@click.command(short_help="Keep what a database must have, and hold databases to it.")
@click.argument("subject", default=".", metavar="[SUBJECT]", callback=options.filled)
@click.option(
    "--file",
    "file",
    metavar="FILE",
    callback=options.filled,
    help="The lock file. [default: referee.lock of the project]",
)
@click.option("--check", "checking", is_flag=True, help="Write nothing; hold SUBJECT to the lock file.")
@click.option(
    "--restore", is_flag=True, help="Print a migration that brings back what SUBJECT has lost of the lock file."
)
@options.output
@options.config_options(
    ("platform", "sources", "canonical", "exclude", "all-files", "declarative", "api-schemas", "cache")
)
@options.debug
def lock(
    subject: str,
    file: str | None,
    checking: bool,
    restore: bool,
    output: str | None,
    config: str | None,
    **given: object,
) -> int:
    """Write referee.lock: the database objects that identities rest on, as SUBJECT has them.

    SUBJECT is a project (without it the current folder), a database URL, a dump or a snapshot. Locked are the triggers
    on identity sources with their functions, the keys that point where they should, the identity keys, and the policies
    and row security of the mirrors. Dumps, schema diffs and squashed migrations lose the triggers most of all.

    With --check, SUBJECT is held to the file instead; `referee check --db URL --locked` and `referee compare` do the
    same. Exit status: 0 if it has everything, 1 if something is missing or otherwise, 2 if it could not be read.
    """
    from referee.cli.emit import emit
    from referee.workflow.config import read_config
    from referee.workflow.lock import FILE_NAME, find_lock, lock_of, the_lock
    from referee.workflow.sides import Options, is_url

    path = "." if is_url(subject) else subject
    settings = read_config(path, given, file=config)
    wish = Options(settings)
    if checking or restore:
        return _hold(subject, the_lock(path, file or ""), wish, output, restore)
    text = lock_of(subject, wish)
    target = output or file or str(find_lock(path) or FILE_NAME)
    emit(text, None if target == "-" else target)
    if target != "-":
        emit(f"Wrote {target}.\n", None)
    return 0


def _hold(subject: str, file: Path, options: Options, output: str | None, restoring: bool) -> int:
    from referee.cli.emit import emit, screen, set_status
    from referee.render.compare_text import render_violations
    from referee.workflow.lock import hold, open_lock, restore

    lock = open_lock(file)
    held = hold(subject, lock, options)
    status = set_status(int(bool(held.violations)))
    if restoring:
        emit(restore(held.violations, held.schema, lock, held.server), output)
    else:
        columns, paint = screen(output)
        emit(render_violations(held.violations, held.not_seen, columns=columns, paint=paint), output)
    return status
