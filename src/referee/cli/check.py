"""``referee check``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

import click

from referee.cli import options
from referee.cli.given import given as given_of

if TYPE_CHECKING:
    from referee.model.diagnosis import Diagnosis
    from referee.workflow.config import Config


@click.command(short_help="Find what is wrong in a project's migrations.")
@options.path
@options.format_option("text", "json", "github", "sarif")
@options.output
@options.database
@click.option(
    "--exact", is_flag=True, help="Run the migrations on a throw-away server, and judge what they really build."
)
@options.postgres_bin
@options.server
@options.config_options()
@click.option(
    "--locked",
    metavar="[FILE]",
    is_flag=False,
    flag_value="",
    help="Hold the subject to a lock file too (see `referee lock`). Without FILE, to the project's referee.lock.",
)
@click.option(
    "--write-baseline",
    is_flag=True,
    help="Write the findings to the baseline instead of reporting them; without one to referee-baseline.json.",
)
@click.option("--verbose", is_flag=True, help="Cut no list short.")
@options.debug
def check(
    path: str,
    format_: str,
    output: str | None,
    config: str | None,
    db: str | None,
    statement_timeout: float,
    exact: bool,
    postgres_bin: str | None,
    server_url: str | None,
    locked: str | None,
    write_baseline: bool,
    verbose: bool,
    **given: object,
) -> int:
    """Find what is wrong in the migrations at PATH, or in a live database.

    PATH is a Supabase project (its repository, its supabase folder or its migrations folder), a folder of .sql files
    or one file; without it, the current folder. The files are read in the order in which they run. No database is
    needed. With --db the rules judge a live database instead; with --exact the migrations and seeds are run on a
    throw-away server, and each statement that fails there is reported. --postgres-bin and --server say where else.
    With --locked, everything that breaks the lock is a finding named broken-lock.
    """
    from referee.cli.emit import emit, set_status
    from referee.workflow.config import read_config
    from referee.workflow.status import exit_status

    if write_baseline:
        _refuse_reporting()
    settings = read_config(path, given, file=config)
    place = _Place(exact, postgres_bin, server_url)
    diagnose = _subject(path, db, statement_timeout, place)
    if write_baseline:
        return _write_baseline(diagnose, settings)
    diagnosis = diagnose(settings)
    if locked is not None:
        from referee.workflow.lock import hold_diagnosis, open_lock, the_lock

        diagnosis = hold_diagnosis(diagnosis, open_lock(the_lock(path, locked)))
    set_status(exit_status(diagnosis, settings))
    emit(_render(diagnosis, path, format_, output, verbose), output, for_machines=format_ in ("json", "sarif"))
    return exit_status(diagnosis, settings)


class _Place(NamedTuple):
    """Where migrations are to be run, if they are."""

    exact: bool
    postgres_bin: str | None
    server_url: str | None


def _subject(path: str, db: str | None, statement_timeout: float, place: _Place) -> Callable[[Config], Diagnosis]:
    """What checks the subject that the options name."""
    if db is not None:
        if any(place) or path != ".":
            raise click.UsageError(
                "--db names the whole subject: leave out PATH, --exact, --postgres-bin and --server."
            )
        from referee.workflow.database import check_database

        return lambda config: check_database(db, config, options.limits(statement_timeout))
    if any(place):
        if place.postgres_bin is not None and place.server_url is not None:
            raise click.UsageError("--postgres-bin and --server name two servers: leave out one.")
        from referee.workflow.exact import check_exact

        return lambda config: check_exact(path, config, place.postgres_bin, place.server_url)
    from referee.workflow.check import check as check_files

    return lambda config: check_files(path, config)


def _render(diagnosis: Diagnosis, path: str, format_: str, output: str | None, verbose: bool) -> str | Iterable[str]:
    from referee.cli.emit import screen, seen_from_repository

    if format_ == "json":
        from referee.render import json

        return json.pieces(diagnosis)
    if format_ == "github":
        from referee.render import github

        return github.render(diagnosis, seen_from_repository(path))
    if format_ == "sarif":
        from referee import rules
        from referee.render import sarif

        return sarif.render(diagnosis, rules.ALL, seen_from_repository(path))
    from referee.render import text

    columns, paint = screen(output)
    return text.render(diagnosis, columns=columns, paint=paint, verbose=verbose)


# What says how to report, or what only a report holds.
_REPORTING = ("format_", "output", "locked", "verbose")


def _refuse_reporting() -> None:
    """Raises click.UsageError where an option about the report was given besides --write-baseline."""
    named = given_of(_REPORTING)
    if named:
        raise click.UsageError(
            f"--write-baseline reports nothing, so {' and '.join(named)} would do nothing: leave "
            f"{'it' if len(named) == 1 else 'them'} out. --baseline says where the baseline goes."
        )


def _write_baseline(diagnose: Callable[[Config], Diagnosis], settings: Config) -> int:
    from dataclasses import replace

    from referee.cli.emit import emit
    from referee.render.plain import count
    from referee.workflow.baseline import DEFAULT, write_baseline

    file = settings.baseline or DEFAULT
    findings = diagnose(replace(settings, baseline=None)).findings
    write_baseline(file, findings)
    emit(
        f"{count(len(findings), 'finding')} written to {file}; `referee check --baseline {file}` reports others.\n",
        None,
    )
    return 0
