"""``referee tests``."""

from __future__ import annotations

import click

from referee.cli import options


@click.command(short_help="Write tests that pin where users are stored.")
@options.path
@click.option("--pgtap", "pgtap_folder", metavar="DIR", help="Write a pgTAP file there, such as supabase/tests.")
@click.option("--pytest", "pytest_folder", metavar="DIR", help="Write a file for pytest and referee's plugin there.")
@options.config_options(("platform", "sources", "canonical", "exclude", "all-files", "declarative", "cache"))
@options.debug
def tests(path: str, config: str | None, pgtap_folder: str | None, pytest_folder: str | None, **given: object) -> int:
    """Write tests for the project at PATH that no fixture can fool.

    They pin where every column that stores a user should point, and with which actions; the trigger that fills the copy
    of the users, its function's rights and search_path; and that each kind of sign-up leaves its row there. On a schema
    that gets this wrong they fail. The pgTAP file runs with `supabase test db` or pg_prove, the other one with pytest.

    Exit status: 0 if the files were written, also where nothing changed in them; 2 if they could not be.
    """
    from referee.cli.emit import emit
    from referee.workflow.config import read_config
    from referee.workflow.tests import write_tests

    if pgtap_folder is None and pytest_folder is None:
        raise click.UsageError("Name a folder for the files: --pgtap DIR, --pytest DIR or both.")
    settings = read_config(path, given, file=config)
    for written in write_tests(path, settings, pgtap_folder=pgtap_folder, pytest_folder=pytest_folder):
        emit(f"{written.path}: {'written' if written.changed else 'unchanged'}\n", None)
    return 0
