"""``referee tests``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from referee.cli import options

if TYPE_CHECKING:
    from referee.workflow.config import Config


@click.command(short_help="Write tests that pin where users are stored.")
@options.path
@click.option("--pgtap", "pgtap_folder", metavar="DIR", help="Write a pgTAP file there, such as supabase/tests.")
@click.option("--pytest", "pytest_folder", metavar="DIR", help="Write a file for pytest and referee's plugin there.")
@click.option("--mutate", is_flag=True, help="Try which faults the project's own SQL tests notice.")
@options.postgres_bin
@options.config_options(("platform", "sources", "canonical", "exclude", "all-files", "declarative", "cache"))
@options.debug
def tests(
    path: str,
    config: str | None,
    pgtap_folder: str | None,
    pytest_folder: str | None,
    mutate: bool,
    postgres_bin: str | None,
    **given: object,
) -> int:
    """Write tests for the project at PATH that no fixture can fool.

    They pin where every column that stores a user should point, and with which actions; the trigger that fills the copy
    of the users, its function's rights and search_path; and that each kind of sign-up leaves its row there. On a schema
    that gets this wrong they fail. The pgTAP file runs with `supabase test db` or pg_prove, the other one with pytest.

    With --mutate the SQL tests in supabase/tests are run on a throw-away server, against the schema as it is and with
    one fault at a time: the sync trigger dropped, its function without its owner's rights, a key that points elsewhere,
    is not validated or deletes differently, a policy of the users' copy dropped. What no test notices is listed.

    Exit status: 0 if the files were written, also where nothing changed in them, and every fault was noticed; 1 if a
    fault was not noticed; 2 if something could not be done.
    """
    from referee.cli.emit import emit
    from referee.workflow.config import read_config
    from referee.workflow.tests import write_tests

    if pgtap_folder is None and pytest_folder is None and not mutate:
        raise click.UsageError("Name a folder for the files: --pgtap DIR, --pytest DIR or both. Or try --mutate.")
    settings = read_config(path, given, file=config)
    for written in write_tests(path, settings, pgtap_folder=pgtap_folder, pytest_folder=pytest_folder):
        emit(f"{written.path}: {'written' if written.changed else 'unchanged'}\n", None)
    return _mutate(path, settings, postgres_bin) if mutate else 0


def _mutate(path: str, settings: Config, postgres_bin: str | None) -> int:
    from referee.cli.emit import emit
    from referee.cli.progress import progress
    from referee.postgres.programs import find_programs
    from referee.workflow.mutate import mutate

    programs = find_programs(postgres_bin) if postgres_bin else None
    with progress() as tell:
        score = mutate(path, settings, programs=programs, tell=tell)
    emit("\n".join(score.lines()) + "\n", None)
    return int(bool(score.survivors))
