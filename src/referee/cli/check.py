"""``referee check``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from referee.cli import options

if TYPE_CHECKING:
    from referee.model.diagnosis import Diagnosis
    from referee.workflow.config import Config


@click.command(short_help="Find what is wrong in a project's migrations.")
@options.path
@options.format_option("text", "json", "github", "sarif")
@options.output
@options.config_options()
@click.option("--write-baseline", is_flag=True, help="Write the findings to the baseline instead of reporting them.")
@click.option("--verbose", is_flag=True, help="Cut no list short.")
@options.debug
def check(
    path: str,
    format_: str,
    output: str | None,
    config: str | None,
    write_baseline: bool,
    verbose: bool,
    **given: object,
) -> int:
    """Find what is wrong in the migrations at PATH.

    PATH is a Supabase project (its repository, its supabase folder or its migrations folder), a folder of .sql files
    or one file; without it, the current folder. The files are read in the order in which they run. No database is
    needed.
    """
    from referee.cli.emit import emit, set_status
    from referee.workflow.check import check as diagnose
    from referee.workflow.config import read_config
    from referee.workflow.status import exit_status

    settings = read_config(path, given, file=config)
    if write_baseline:
        return _write_baseline(path, settings)
    diagnosis = diagnose(path, settings)
    set_status(exit_status(diagnosis, settings))
    emit(_render(diagnosis, format_, output, verbose), output, for_machines=format_ in ("json", "sarif"))
    return exit_status(diagnosis, settings)


def _render(diagnosis: Diagnosis, format_: str, output: str | None, verbose: bool) -> str:
    from referee.cli.emit import repository_base, screen

    if format_ == "json":
        from referee.render import json

        return json.render(diagnosis)
    if format_ == "github":
        from referee.render import github

        return github.render(diagnosis, repository_base())
    if format_ == "sarif":
        from referee import rules
        from referee.render import sarif

        return sarif.render(diagnosis, rules.ALL, repository_base())
    from referee.render import text

    columns, paint = screen(output)
    return text.render(diagnosis, columns=columns, paint=paint, verbose=verbose)


def _write_baseline(path: str, settings: Config) -> int:
    from dataclasses import replace

    from referee.cli.emit import emit
    from referee.render.plain import count
    from referee.workflow.baseline import DEFAULT, write_baseline
    from referee.workflow.check import check as diagnose

    file = settings.baseline or DEFAULT
    findings = diagnose(path, replace(settings, baseline=None)).findings
    write_baseline(file, findings)
    emit(
        f"{count(len(findings), 'finding')} written to {file}; `referee check --baseline {file}` reports others.\n",
        None,
    )
    return 0
