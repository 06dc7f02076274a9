"""``referee fix``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from referee.cli import options

if TYPE_CHECKING:
    from referee.model.repair import Repair


@click.command(short_help="Cure what was found, in place or by a migration, and prove it.")
@options.path
@options.format_option("text", "json")
@options.output
@click.option("--in-place", "way", flag_value="in-place", help="Edit the files; for files that no database has run.")
@click.option("--migration", "way", flag_value="migration", help="Write new migrations that work on a live database.")
@click.option("--write", is_flag=True, help="Write the files. Without it they are only shown.")
@click.option("--no-verify", is_flag=True, help="Leave out the proof on a throw-away server.")
@click.option(
    "--db", metavar="URL", help="A database whose migration history says which files have run. It is only read."
)
@click.option(
    "--shipped-through", metavar="VERSION", help="The last migration that any database has run; none if no one has."
)
@options.config_options(
    (
        "platform",
        "sources",
        "canonical",
        "select",
        "ignore",
        "answers",
        "exclude",
        "all-files",
        "declarative",
        "api-schemas",
        "cache",
    )
)
@options.postgres_bin
@options.debug
def fix(
    path: str,
    format_: str,
    output: str | None,
    way: str | None,
    write: bool,
    no_verify: bool,
    db: str | None,
    shipped_through: str | None,
    config: str | None,
    postgres_bin: str | None,
    **given: object,
) -> int:
    """Propose what cures the findings in the project at PATH, and prove that it does.

    Without --in-place or --migration the project's history decides: files that no database has run are edited, all
    others stay as they are and new migrations go beside them. Shown are the changes, their text as a diff, and the
    plan; nothing is written without --write, and nothing at all when any part of the proof fails.

    Exit status: 0 if nothing is proposed, 1 if something is, 2 if it could not be done or did not prove right.
    """
    from referee.cli.emit import emit, set_status
    from referee.cli.progress import progress
    from referee.workflow.config import read_config
    from referee.workflow.fix import Request
    from referee.workflow.fix import fix as repair_of
    from referee.workflow.programs import programs_for

    settings = read_config(path, given, file=config)
    request = Request(
        way,  # type: ignore[arg-type]
        write,
        not no_verify,
        db,
        shipped_through=shipped_through,
    )
    programs = programs_for(postgres_bin, path)
    with progress() as tell:
        repair = repair_of(path, settings, request, programs=programs, tell=tell)
    status = set_status(_status(repair))
    emit(_render(repair, format_, output), output, for_machines=format_ == "json")
    return status


def _status(repair: Repair) -> int:
    if repair.proof is not None and not repair.proof.holds:
        return 2
    return int(bool(repair.files))


def _render(repair: Repair, format_: str, output: str | None) -> str:
    from referee.cli.emit import screen

    if format_ == "json":
        from referee.render import fix_json

        return fix_json.render(repair)
    from referee.render import fix_text

    columns, paint = screen(output)
    return fix_text.render(repair, columns=columns, paint=paint)
