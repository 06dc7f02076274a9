"""``referee snapshot``."""

from __future__ import annotations

import click

from referee.cli import options


@click.command(short_help="Write a schema to a file that compare reads.")
@click.argument("subject", default=".", metavar="[SUBJECT]", callback=options.filled)
@options.output
@click.option("--exact", is_flag=True, help="Run the migrations of a project on a throw-away server.")
@options.postgres_bin
@options.config_options(("platform", "exclude", "all-files", "declarative", "api-schemas", "cache"))
@options.debug
def snapshot(
    subject: str,
    output: str | None,
    exact: bool,
    postgres_bin: str | None,
    config: str | None,
    **given: object,
) -> int:
    """Write the schema of SUBJECT as JSON: a project (without it the current folder), a database URL or a dump.

    The same schema is always the same text, so the file is fit for git: its history shows when a database changed. It
    holds no rows and no passwords.
    """
    from referee.cli.emit import emit
    from referee.workflow.config import read_config
    from referee.workflow.programs import programs_for
    from referee.workflow.sides import Options, is_url
    from referee.workflow.snapshot import snapshot_of

    settings = read_config("." if is_url(subject) else subject, given, file=config)
    programs = programs_for(postgres_bin, subject)
    wish = Options(settings, exact or programs is not None, programs)
    emit(snapshot_of(subject, wish), output, for_machines=True)
    return 0
