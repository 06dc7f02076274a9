"""``referee prove``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from referee.cli import options

if TYPE_CHECKING:
    from referee.workflow.prove import Proof


@click.command(short_help="Rehearse production on a throw-away server.")
@options.path
@options.format_option("text", "json", "markdown")
@options.output
@options.config_options(
    ("platform", "sources", "canonical", "exclude", "all-files", "declarative", "api-schemas", "rows", "cache")
)
@click.option(
    "--only",
    metavar="FLOW",
    multiple=True,
    help="Rehearse this flow only, or: references, writes, deletion, races. A pattern such as sign-up-* names several.",
)
@click.option("--races/--no-races", default=True, show_default=True, help="Try the orders in which sessions can run.")
@click.option(
    "--max-schedules",
    metavar="N",
    type=click.IntRange(1),
    default=300,
    show_default=True,
    help="Orders of a race, at most.",
)
@click.option(
    "--default-privileges",
    type=click.Choice(("exposed", "revoked", "both")),
    help="What new tables of schema public grant. [default: what config.toml says, else exposed]",
)
@click.option("--emit", "emit_to", metavar="DIR", help="Write a .sql script for each failure, to be run with psql.")
@options.postgres_bin
@options.server
@click.option("--verbose", is_flag=True, help="Cut no list short.")
@options.debug
def prove(
    path: str,
    format_: str,
    output: str | None,
    config: str | None,
    only: tuple[str, ...],
    races: bool,
    max_schedules: int,
    default_privileges: str | None,
    emit_to: str | None,
    postgres_bin: str | None,
    server_url: str | None,
    verbose: bool,
    **given: object,
) -> int:
    """Rehearse sign-up, login, writes and deletion for the project at PATH.

    The migrations run on a throw-away Postgres with the platform's roles and tables. Every flow is run as the roles
    that production uses; every user reference is tried in each state that a user can be in; what deleting a user does
    is measured; sessions that run at once are tried in every order that makes a difference. Nothing is connected to
    but the throw-away server.

    Exit status: 0 if nothing fails in production, 1 if something does, 2 if it could not be rehearsed.
    """
    from referee.cli.emit import emit, set_status
    from referee.cli.progress import progress
    from referee.workflow.config import read_config
    from referee.workflow.programs import programs_for
    from referee.workflow.prove import Wish, make_folder
    from referee.workflow.prove import emit as write_scripts
    from referee.workflow.prove import prove as rehearse

    settings = read_config(path, given, file=config)
    modes = {None: (), "both": ("exposed", "revoked")}.get(default_privileges, (default_privileges or "",))
    wish = Wish(only, races, max_schedules, modes)
    programs = programs_for(postgres_bin, path)
    if emit_to is not None:
        # Before the rehearsal and not after it: what it shows would be lost.
        make_folder(emit_to)
    with progress() as tell:
        proof = rehearse(path, settings, wish, programs=programs, server_url=server_url, tell=tell)
    status = set_status(int(any(any(True for _ in one.failures()) for one in proof.rehearsals)))
    if emit_to is not None:
        write_scripts(proof, emit_to)
    emit(_render(proof, format_, output, verbose), output, for_machines=format_ != "text")
    return status


def _render(proof: Proof, format_: str, output: str | None, verbose: bool) -> str:
    from referee.cli.emit import screen

    if format_ == "json":
        from referee.render import prove_json

        return prove_json.render(proof.rehearsals)
    if format_ == "markdown":
        from referee.render import prove_markdown

        return prove_markdown.render(proof.rehearsals, proof.migrations.name)
    from referee.render import prove_text

    columns, paint = screen(output)
    return prove_text.render(proof.rehearsals, proof.migrations.name, columns=columns, paint=paint, verbose=verbose)
