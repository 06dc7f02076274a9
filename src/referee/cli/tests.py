"""``referee tests``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from referee.cli import options
from referee.cli.given import given

if TYPE_CHECKING:
    from referee.model.suite import Score
    from referee.workflow.config import Config


@click.command(short_help="Write tests that pin where users are stored.")
@options.path
@click.option(
    "--pgtap",
    "pgtap_folder",
    metavar="DIR",
    callback=options.filled,
    help="Write a pgTAP file there, such as supabase/tests.",
)
@click.option(
    "--pytest",
    "pytest_folder",
    metavar="DIR",
    callback=options.filled,
    help="Write a file for pytest and referee's plugin there.",
)
@click.option("--mutate", is_flag=True, help="Try which faults the project's own SQL tests notice.")
@options.format_option("text", "json")
@options.output
@options.postgres_bin
@options.config_options(("platform", "sources", "canonical", "exclude", "all-files", "declarative", "cache"))
@options.debug
def tests(
    path: str,
    config: str | None,
    pgtap_folder: str | None,
    pytest_folder: str | None,
    mutate: bool,
    format_: str,
    output: str | None,
    postgres_bin: str | None,
    **wanted: object,
) -> int:
    """Write tests for the project at PATH that no fixture can fool.

    They pin where every column that stores a user should point, and with which actions; the trigger that fills the copy
    of the users, its function's rights and search_path; and that each kind of sign-up leaves its row there. On a schema
    that gets this wrong they fail. The pgTAP file runs with `supabase test db` or pg_prove, the other one with pytest.

    With --mutate the SQL tests in supabase/tests are run on a throw-away server, against the schema as it is and with
    one fault at a time: the sync trigger dropped, its function without its owner's rights, a key that points elsewhere,
    is not validated or deletes differently, a policy of the users' copy dropped. What no test notices is listed. A test
    that fails already notices a fault when it passes with it, or fails with other words.

    Exit status: 0 if the files were written, also where nothing changed in them, and every fault was noticed; 1 if a
    fault was not noticed; 2 if something could not be done.
    """
    from referee.cli.emit import emit, set_status
    from referee.workflow.config import read_config
    from referee.workflow.tests import write_tests

    if pgtap_folder is None and pytest_folder is None and not mutate:
        raise click.UsageError("Name a folder for the files: --pgtap DIR, --pytest DIR or both. Or try --mutate.")
    if not mutate and (idle := given(("postgres_bin",))):
        raise click.UsageError(f"{idle[0]} is for --mutate, and writing files needs no server: leave it out.")
    settings = read_config(path, wanted, file=config)
    written = write_tests(path, settings, pgtap_folder=pgtap_folder, pytest_folder=pytest_folder)
    score = _score(path, settings, postgres_bin) if mutate else None
    status = set_status(int(score is not None and bool(score.survivors)))
    files = [(one.path, one.changed) for one in written]
    emit(_render(files, score, format_), output, for_machines=format_ == "json")
    return status


def _score(path: str, settings: Config, postgres_bin: str | None) -> Score:
    from referee.cli.progress import progress
    from referee.workflow.mutate import mutate

    with progress() as tell:
        return mutate(path, settings, programs=postgres_bin, tell=tell)


def _render(files: list[tuple[str, bool]], score: Score | None, format_: str) -> str:
    if format_ == "json":
        from referee.render import tests_json

        return tests_json.render(files, score)
    from referee.render import tests_text

    told = "".join(f"{path}: {'written' if changed else 'unchanged'}\n" for path, changed in files)
    return told + (tests_text.render(score) if score is not None else "")
