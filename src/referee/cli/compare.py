"""``referee compare``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from referee.cli import options

if TYPE_CHECKING:
    from referee.model.comparison import Side, Trial
    from referee.workflow.compare import Result


@click.command(short_help="Compare two databases by what their differences do.")
@click.argument("left", callback=options.filled)
@click.argument("right", callback=options.filled)
@options.format_option("text", "json", "markdown")
@options.output
@click.option(
    "--explain",
    "failure",
    metavar="FAILURE",
    help='Say which difference explains a failure: "23503 bands_created_by_fkey", a pasted error, a response body or a '
    "line of a log. A dash reads it from stdin.",
)
@click.option(
    "--fixes",
    type=click.Choice(("left", "right")),
    help="Print the statements that remove the differences on this side instead of a report.",
)
@click.option(
    "--trust",
    type=click.Choice(("left", "right")),
    help="Take this side for right: the other one is to follow it in everything, whatever the rules say.",
)
@click.option(
    "--locked", metavar="FILE", help="Hold both sides to this lock file. [default: the project's referee.lock]"
)
@click.option(
    "--prove",
    "to_prove",
    is_flag=True,
    help="Build both sides on a throw-away server and play the flows of `referee prove` on each, as they are and with "
    "the changes proposed.",
)
@click.option("--exact", is_flag=True, help="Run the migrations of projects on a throw-away server.")
@options.postgres_bin
@options.config_options(
    (
        "platform",
        "sources",
        "canonical",
        "select",
        "ignore",
        "severity",
        "fail-on",
        "exclude",
        "all-files",
        "declarative",
        "api-schemas",
        "cache",
    )
)
@click.option("--verbose", is_flag=True, help="Show the statements, and examples of what was folded.")
@options.debug
def compare(
    left: str,
    right: str,
    format_: str,
    output: str | None,
    failure: str | None,
    fixes: str | None,
    trust: str | None,
    locked: str | None,
    to_prove: bool,
    exact: bool,
    postgres_bin: str | None,
    config: str | None,
    verbose: bool,
    **given: object,
) -> int:
    """Compare LEFT and RIGHT, and rank the differences by what they do to identities and references.

    Each side is a project (as for `check`), the URL of a live database, a schema dump (.sql) or a snapshot (.json,
    written by `referee snapshot`). Databases are read in one transaction that cannot write. Each difference is told
    with its consequence, who is hit, which side the project's own rules find fault with, and the change that would
    remove it. What is only written or named differently, or belongs to the platform, is counted and left out.

    Exit status: 0 if nothing at or above --fail-on differs, 1 if something does, 2 if referee could not do what was
    asked.
    """
    from referee.cli.emit import emit, set_status
    from referee.cli.progress import progress
    from referee.workflow.compare import compare as compare_subjects
    from referee.workflow.compare import config_for
    from referee.workflow.programs import programs_for
    from referee.workflow.sides import Options

    settings = config_for(left, right, given, config)
    programs = programs_for(postgres_bin, left, right)
    wish = Options(settings, exact or (programs is not None and not to_prove), programs)
    trusted: Side | None = "left" if trust == "left" else "right" if trust == "right" else None
    result = compare_subjects(left, right, wish, locked, trusted=trusted, to_prove=to_prove)
    trial = None
    if to_prove:
        with progress() as tell:
            trial = result.prove(tell)
    fail_on = settings.fail_on
    differs = trial is not None and bool(trial.differing)
    status = set_status(int(fail_on is not None and (differs or result.comparison.has_from(fail_on))))
    if fixes is not None:
        texts = result.fixes("left" if fixes == "left" else "right")
        emit("".join(f"{text};\n" for text in texts), output)
        return status
    if failure == "-":
        failure = sys.stdin.read()
    emit(_render(result, trial, format_, output, verbose, failure), output, for_machines=format_ == "json")
    return status


def _render(
    result: Result, trial: Trial | None, format_: str, output: str | None, verbose: bool, failure: str | None
) -> str:
    from referee.cli.emit import screen

    explanation = result.explain(failure) if failure is not None else None
    if format_ == "json":
        from referee.render import compare_json

        return compare_json.render(result.comparison, failure, explanation, trial)
    if format_ == "markdown":
        from referee.render import compare_markdown

        return compare_markdown.render(result.comparison, failure, explanation, trial)
    from referee.render import compare_text

    columns, paint = screen(output)
    return compare_text.render(
        result.comparison,
        columns=columns,
        paint=paint,
        verbose=verbose,
        failure=failure,
        explanation=explanation,
        trial=trial,
    )
