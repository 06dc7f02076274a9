"""``referee identities``."""

from __future__ import annotations

import click

from referee.cli import options


@click.command(short_help="Show who owns, mirrors, references and writes each identity.")
@options.path
@options.format_option("text", "json")
@options.output
@options.database
@options.config_options(
    ("platform", "sources", "canonical", "exclude", "all-files", "declarative", "api-schemas", "cache")
)
@options.debug
def identities(
    path: str,
    format_: str,
    output: str | None,
    db: str | None,
    statement_timeout: float,
    config: str | None,
    **given: object,
) -> int:
    """Show each identity of the project at PATH, or of a live database.

    For each: the tables that mirror it and the evidence for that; the table that user references should point to and
    why; every user reference, where it points, and whether that is right; and where the database itself writes an
    identity, with the keys that each write reaches.
    """
    from referee.cli.emit import emit, screen
    from referee.render import identities as text
    from referee.render.json import render_identities
    from referee.workflow.config import read_config

    if db is not None and path != ".":
        raise click.UsageError("--db names the whole subject: leave out PATH.")
    settings = read_config(path, given, file=config)
    if db is not None:
        from referee.workflow.database import identities_of_database

        diagnosis = identities_of_database(db, settings, options.limits(statement_timeout))
    else:
        from referee.workflow.check import identities as identities_of_files

        diagnosis = identities_of_files(path, settings)
    if format_ == "json":
        emit(render_identities(diagnosis), output, for_machines=True)
    else:
        columns, paint = screen(output)
        emit(text.render(diagnosis, width=columns, paint=paint), output)
    return 0
