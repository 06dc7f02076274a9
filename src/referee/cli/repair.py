"""``referee repair``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from referee.cli import options
from referee.cli.given import given

if TYPE_CHECKING:
    from referee.workflow.repair import RepairWish


@click.command(short_help="Repair the rows that a scan finds, online and with a way back.")
@click.option(
    "--db",
    metavar="URL",
    required=True,
    callback=options.filled,
    help="The database. It is only read unless --execute, --plan or --undo says otherwise. The password may come from "
    "the URL, PGPASSWORD, a service file or ~/.pgpass; else a terminal is asked for it.",
)
@click.option("--execute", is_flag=True, help="Do it. Without this the plan is shown and nothing is written.")
@click.option(
    "--plan",
    "plan_file",
    metavar="FILE",
    callback=options.filled,
    help="Run the steps of a plan: what fix --format json wrote.",
)
@click.option("--any-schema", is_flag=True, help="Run the plan although the schema is not what it was made for.")
@click.option("--undo", metavar="RUN|last", callback=options.filled, help="Take a run back: its id, or last.")
@click.option(
    "--even-referenced",
    is_flag=True,
    help="Undo also removes new mirror rows that others refer to by now; those then refer to nothing.",
)
@options.format_option("text", "json")
@options.output
@options.config_options(("platform", "canonical", "answers"))
@click.option("--identity", "sources", metavar="TABLE", multiple=True, help="The tables that own an identity.")
@click.option(
    "--only",
    metavar="NAME",
    multiple=True,
    help="Repair what this table, key, column or kind of question is about only. A pattern names several.",
)
@click.option(
    "--action",
    "actions",
    metavar="NAME=ACTION",
    multiple=True,
    help="What to do about a question, named as for --only: create, remap, set-null, quarantine or leave.",
)
@click.option(
    "--touch",
    metavar="TABLE",
    multiple=True,
    help="Let a table be changed that looks like money, audit or consent, or belongs to the platform.",
)
@click.option(
    "--map",
    "map_file",
    metavar="FILE",
    callback=options.filled,
    help="Old and new ids for remap: a file with two columns, old,new.",
)
@click.option(
    "--lock-timeout",
    metavar="TIME",
    type=options.Duration(),
    default="50ms",
    show_default=True,
    help="A batch waits no longer.",
)
@click.option(
    "--patience",
    metavar="TIME",
    type=options.Duration(),
    default="60s",
    show_default=True,
    help="Keep trying for this long where others hold locks, or the server is away.",
)
@click.option("--max-load", metavar="N", type=click.IntRange(0), help="Wait while more other sessions are active.")
@click.option(
    "--journal",
    metavar="SCHEMA",
    default="referee",
    show_default=True,
    callback=options.filled,
    help="The schema of journal and quarantine.",
)
@click.option("--verbose", is_flag=True, help="Cut no list short.")
@options.debug
def repair(
    db: str,
    execute: bool,
    plan_file: str | None,
    any_schema: bool,
    undo: str | None,
    even_referenced: bool,
    format_: str,
    output: str | None,
    config: str | None,
    verbose: bool,
    **wanted: Any,
) -> int:
    """Show what could be done about the rows that a scan finds wrong, and with --execute do it.

    Accounts get the mirror rows that they lack, with names from their metadata or their e-mail. References to nobody
    become NULL where the column allows it; otherwise their rows move to a quarantine table, with what hangs on them.
    Nothing is deleted.

    It works in small committed batches while everybody goes on writing. Every change is in a journal in the database,
    from which --undo takes it back. If it is interrupted, the same command goes on; two at a time do no harm.

    Exit status: 0 if every row is right (or nothing is to be done), 1 if something is to be done or was left as it is,
    2 if it came to no end, or something could not be checked.
    """
    from referee.cli.emit import emit, screen, set_status
    from referee.workflow.config import read_config

    if sum(map(bool, (execute, plan_file, undo))) > 1:
        raise click.UsageError("--execute, --plan and --undo exclude each other.")
    _refuse_idle(plan_file, undo)
    settings = read_config(".", wanted, file=config)
    wish = _wish(wanted)
    columns, paint = screen(output)
    style: dict[str, Any] = {"columns": columns, "paint": paint}
    if plan_file is not None:
        status, text, json = _run_plan(db, plan_file, settings, wish, any_schema, style)
    elif undo is not None:
        status, text, json = _undo(db, undo, settings, wish, even_referenced, style)
    else:
        status, text, json = _repair(db, settings, wish, execute, {**style, "verbose": verbose})
    set_status(status)
    emit(json if format_ == "json" else text, output, for_machines=format_ == "json")
    return status


def _refuse_idle(plan_file: str | None, undo: str | None) -> None:
    """Raises click.UsageError for an option that would choose what is done, and does not choose it here."""
    whole = "--plan" if plan_file is not None else "--undo" if undo is not None else None
    if whole is not None and (idle := given(("only", "actions", "touch", "map_file"))):
        what = "a plan runs" if whole == "--plan" else "a run is taken back"
        raise click.UsageError(
            f"With {whole} {what} as a whole, whatever {', '.join(idle)} may say: leave {_them(idle)} out."
        )
    if plan_file is None and (idle := given(("any_schema",))):
        raise click.UsageError(f"{idle[0]} is about a plan: name that with --plan, or leave it out.")
    if undo is None and (idle := given(("even_referenced",))):
        raise click.UsageError(f"{idle[0]} is about taking a run back: name that with --undo, or leave it out.")


def _them(options: list[str]) -> str:
    return "it" if len(options) == 1 else "them"


def _wish(wanted: dict[str, Any]) -> RepairWish:
    from referee.data.writer import Limits
    from referee.workflow.repair import RepairWish, parse_actions, read_pairs

    return RepairWish(
        only=wanted["only"],
        actions=parse_actions(wanted["actions"]),
        touch=wanted["touch"],
        pairs=read_pairs(wanted["map_file"]) if wanted["map_file"] else (),
        journal=wanted["journal"],
        limits=Limits(lock=wanted["lock_timeout"], patience=wanted["patience"]),
        max_load=wanted["max_load"],
    )


def _repair(db: str, settings: Any, wish: RepairWish, does: bool, style: dict[str, Any]) -> tuple[int, str, str]:
    from referee.cli.progress import progress
    from referee.render import repair_json, repair_text
    from referee.workflow.repair import execute, exit_status, plan_status, prepare

    with progress() as tell:
        prepared = prepare(db, settings, wish, tell=tell)
        if not does:
            text = repair_text.render_plan(prepared.plan, **style)
            return plan_status(prepared.plan), text, repair_json.render_plan(prepared.plan)
        result = execute(prepared, wish, tell)
    return exit_status(result), repair_text.render_repair(result, **style), repair_json.render_repair(result)


def _run_plan(
    db: str, file: str, settings: Any, wish: RepairWish, any_schema: bool, style: dict[str, Any]
) -> tuple[int, str, str]:
    from referee.cli.progress import progress
    from referee.render import repair_json, repair_text
    from referee.workflow.plan_file import read_plan
    from referee.workflow.plan_run import run_plan

    plan = read_plan(file)
    with progress() as tell:
        result = run_plan(db, plan, settings, wish, tell=tell, any_schema=any_schema)
    status = 2 if not result.is_done else int(bool(result.broken))
    return status, repair_text.render_run(result, **style), repair_json.render_run(result)


def _undo(
    db: str, run: str, settings: Any, wish: RepairWish, even: bool, style: dict[str, Any]
) -> tuple[int, str, str]:
    from referee.cli.progress import progress
    from referee.render import repair_json, repair_text
    from referee.workflow.plan_run import undo_run

    with progress() as tell:
        result = undo_run(db, None if run == "last" else run, settings, wish, tell=tell, even_referenced=even)
    status = 0 if result.is_whole else 1
    return status, repair_text.render_undoing(result, **style), repair_json.render_undoing(result)
