"""``referee scan``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from referee.cli import options
from referee.cli.given import given

if TYPE_CHECKING:
    from referee.model.scan import Scan


@click.command(short_help="Find the rows of a live database that are already wrong.")
@click.option(
    "--db",
    metavar="URL",
    callback=options.filled,
    help="The database. Nothing is written to it. The password may come from the URL, PGPASSWORD, a service file or "
    "~/.pgpass; else a terminal is asked for it.",
)
@click.option("--source", metavar="URL|FILE", callback=options.filled, help="Where the accounts are, if not in --db.")
@click.option("--mirror", metavar="URL|FILE", callback=options.filled, help="Where the mirror is, if not in --db.")
@click.option("--source-key", metavar="KEY", help="The accounts' table and column; in a file, its column.")
@click.option("--mirror-key", metavar="KEY", help="The mirror's table and column; in a file, its column.")
@options.format_option("text", "json")
@options.output
@options.config_options(("platform", "canonical", "fail-on"))
@click.option("--identity", "sources", metavar="TABLE", multiple=True, help="The tables that own an identity.")
@click.option(
    "--only",
    metavar="NAME",
    multiple=True,
    help="Ask about this table, key, column or kind of question only. A pattern such as public.song* names several.",
)
@click.option("--identities", is_flag=True, help="Ask about mirrors and their accounts only, not about every key.")
@click.option("--managed", is_flag=True, help="Ask about the keys of the platform's own tables too.")
@click.option("--fast", is_flag=True, help="Ask each question as one query, with parallel workers; on a quiet server.")
@click.option("--parallel", metavar="N", type=click.IntRange(1, 64), default=1, show_default=True, help="Sessions.")
@click.option(
    "--budget", metavar="TIME", type=options.Duration(), help="Stop after this time, and go on there the next time."
)
@click.option(
    "--statement-timeout",
    metavar="TIME",
    type=options.Duration(),
    default="5s",
    show_default=True,
    help="No query takes longer, unless --fast.",
)
@click.option(
    "--lock-timeout",
    metavar="TIME",
    type=options.Duration(),
    default="2s",
    show_default=True,
    help="No query waits longer.",
)
@click.option("--max-load", metavar="N", type=click.IntRange(0), help="Wait while more other sessions are active.")
@click.option(
    "--sample", metavar="N", type=click.IntRange(0, 10_000), default=5, show_default=True, help="References to show."
)
@click.option(
    "--save",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    callback=options.filled,
    help="Compare with this file, then write it.",
)
@click.option("--allow-partial", is_flag=True, help="Do not end with status 2 because something was not checked.")
@click.option("--verbose", is_flag=True, help="List the questions too that found nothing.")
@options.debug
def scan(
    db: str | None,
    source: str | None,
    mirror: str | None,
    source_key: str | None,
    mirror_key: str | None,
    format_: str,
    output: str | None,
    config: str | None,
    allow_partial: bool,
    verbose: bool,
    **wanted: Any,
) -> int:
    """Find the rows of a live database that are already wrong: accounts without their mirror row, mirror rows without
    their account, e-mails that differ, rows that break a foreign key (also one that claims to be valid), ids in columns
    without a key, and keys that are switched off. For each a likely cause, with what speaks for it.

    Every row is looked at, in pieces, so that no query takes long. It runs on a standby too.

    With --source or --mirror the two are in different places: databases, or files (.csv, .tsv, .jsonl, .json,
    .parquet). That needs referee[duckdb].

    Exit status: 0 if every row is right, 1 if some are not, 2 if something could not be checked.
    """
    from referee.cli.emit import emit, screen, set_status
    from referee.workflow.config import read_config
    from referee.workflow.scan import exit_status

    settings = read_config(".", wanted, file=config)
    if source or mirror:
        _refuse_within_only()
        result = _across((source or db, source_key), (mirror or db, mirror_key), settings, wanted["sample"])
    else:
        _refuse_across_only()
        result = _within(db, settings, wanted)
    status = set_status(exit_status(result, settings.fail_on, allow_partial))
    if format_ == "json":
        from referee.render import scan_json

        emit(scan_json.render(result), output, for_machines=True)
    else:
        from referee.render import scan_text

        columns, paint = screen(output)
        emit(scan_text.render(result, columns=columns, paint=paint, verbose=verbose), output)
    return status


# What says how the questions of one database are asked; two places are read whole, by one question.
_WITHIN_ONLY = (
    "only",
    "identities",
    "managed",
    "fast",
    "parallel",
    "budget",
    "statement_timeout",
    "lock_timeout",
    "max_load",
    "save",
)


def _refuse_within_only() -> None:
    """Raises click.UsageError where an option was given that means nothing for accounts and mirror in two places."""
    if named := given(_WITHIN_ONLY):
        raise click.UsageError(
            f"With --source or --mirror both sides are read whole and compared once, which {', '.join(named)} cannot "
            f"change: leave {'it' if len(named) == 1 else 'them'} out, or scan one database with --db alone."
        )


def _refuse_across_only() -> None:
    """Raises click.UsageError where a key was given for one of two places, and there is one."""
    if named := given(("source_key", "mirror_key")):
        raise click.UsageError(
            f"{' and '.join(named)} is for accounts and mirror in different places: name the other one with --source "
            "or --mirror. In one database, --identity names the accounts."
        )


def _within(db: str | None, settings: Any, wanted: dict[str, Any]) -> Scan:
    from pathlib import Path

    from referee.cli.progress import progress
    from referee.data.scan import ScanOptions
    from referee.workflow.scan import ScanWish
    from referee.workflow.scan import scan as ask

    if db is None:
        raise click.UsageError("Name a database with --db.")
    how = ScanOptions(
        fast=wanted["fast"],
        parallel=wanted["parallel"],
        sample=wanted["sample"],
        statement=wanted["statement_timeout"],
        lock=wanted["lock_timeout"],
        budget=wanted["budget"],
        max_load=wanted["max_load"],
    )
    save = Path(wanted["save"]) if wanted["save"] else None
    wish = ScanWish(how, wanted["only"], wanted["identities"], wanted["managed"], save)
    with progress() as tell:
        return ask(db, settings, wish, tell=tell)


def _across(
    source: tuple[str | None, str | None], mirror: tuple[str | None, str | None], settings: Any, n: int
) -> Scan:
    from referee.cli.progress import progress

    try:
        from referee.workflow.across import Place, scan_across
    except ModuleNotFoundError as error:
        if error.name != "duckdb":
            raise
        raise click.UsageError(
            "Accounts and mirror in different places are joined by DuckDB, which is not installed: "
            "pip install 'referee[duckdb]'."
        ) from None
    if source[0] is None or mirror[0] is None:
        raise click.UsageError("Two places are needed: --source and --mirror, or one of them and --db.")
    with progress() as tell:
        return scan_across(Place(source[0], source[1]), Place(mirror[0], mirror[1]), settings, n, tell)
