"""`referee tests --mutate`: which faults would the project's own SQL tests notice?"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from referee.errors import UsageError
from referee.identity import identify
from referee.model.source import Source
from referee.postgres.programs import Programs
from referee.postgres.scripts import run_scripts
from referee.postgres.server import Server, start_server
from referee.postgres.session import FailedStatementError
from referee.read.catalog import read_catalog
from referee.read.projects import shown
from referee.read.texts import read_text
from referee.sql.write import UnwritableError, Writer, script
from referee.testgen.mutations import Fault, mutations
from referee.workflow.check import identity_options, read
from referee.workflow.config import Config, read_config
from referee.workflow.contributions import Contributions
from referee.workflow.scripts import script_of
from referee.workflow.suites import FileResult, provide_assertions, run_suite

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """One fault. ``noticed_by`` names what failed that passes without it; empty where no test noticed.

    ``not_run`` is why the fault could not be made.
    """

    fault: str
    noticed_by: tuple[str, ...] = ()
    not_run: str | None = None


@dataclass(frozen=True)
class Score:
    """What a suite notices. ``assertions`` says by what it was run; ``before`` is its result without any fault."""

    name: str
    assertions: str
    before: tuple[FileResult, ...]
    trials: tuple[Trial, ...]

    @property
    def survivors(self) -> tuple[Trial, ...]:
        return tuple(trial for trial in self.trials if not trial.noticed_by and trial.not_run is None)

    @property
    def run(self) -> int:
        return sum(trial.not_run is None for trial in self.trials)

    def lines(self) -> Iterator[str]:
        """The report, line by line."""
        passed = sum(result.passed for result in self.before)
        files = f"{passed:,} assertions in {len(self.before):,} files"
        yield f"{files} pass on the schema as it is (run by {self.assertions})."
        for result in self.before:
            if not result.green:
                said = "; ".join([*result.failed, *([result.error] if result.error else [])])
                yield f"  {result.path} does not: {said}"
        yield f"Of {self.run:,} faults, put in one at a time, the tests notice {self.run - len(self.survivors):,}."
        yield from (f"  not noticed: {trial.fault}" for trial in self.survivors)
        yield from (f"  not tried: {trial.fault}: {trial.not_run}" for trial in self.trials if trial.not_run)


def mutate(
    path: str | os.PathLike[str] = ".",
    config: Config | None = None,
    *,
    programs: Programs | None = None,
    tell: Tell = lambda message: None,
) -> Score:
    """Runs the SQL tests of the project at ``path`` against its schema with one fault at a time.

    Raises UsageError where there are no tests, ReadError and ServerError.
    """
    config = config if config is not None else read_config(path)
    with Contributions(config.cache) as contributions:
        reading = read(path, config, contributions)
    files = reading.migrations.test_files
    if not files:
        raise UsageError(f"{reading.migrations.name} has no SQL tests in supabase/tests; `referee tests` writes some.")
    sources = [Source(shown(file), read_text(file, shown(file))) for file in files]
    tell("starting a server")
    with start_server(reading.platform, programs) as server:
        template = server.create_database(reading.platform.default_mode)
        run_scripts(server, template, [script_of(source) for source in reading.migrations.files])
        with server.connect(template, server.superuser) as session:
            schema = read_catalog(session, reading.platform.managed_schemas)
        assertions = provide_assertions(server, template)
        before = _run(server, template, sources)
        writer = Writer(schema=schema, role=server.migration_role, major=server.major)
        trials = []
        for fault in mutations(schema, identify(schema, identity_options(config, reading.platform))):
            tell(fault.text)
            trials.append(_try(server, template, sources, fault, writer, before))
        return Score(reading.migrations.name, assertions, before, tuple(trials))


def _run(server: Server, template: str, sources: Sequence[Source]) -> tuple[FileResult, ...]:
    with server.database(template=template) as database:
        return run_suite(server, database, sources)


def _try(
    server: Server,
    template: str,
    sources: Sequence[Source],
    fault: Fault,
    writer: Writer,
    before: Sequence[FileResult],
) -> Trial:
    try:
        with server.database(template=template) as database:
            with server.connect(database, server.superuser) as session:
                session.run(";".join(("begin", *script([fault.change], writer), "commit")))
            after = run_suite(server, database, sources)
    except (FailedStatementError, UnwritableError) as error:
        return Trial(fault.text, not_run=str(error))
    return Trial(fault.text, tuple(_differences(before, after)))


def _differences(before: Sequence[FileResult], after: Sequence[FileResult]) -> list[str]:
    """What fails now and did not before, by file and description."""
    found = []
    for old, new in zip(before, after, strict=True):
        found += [f"{new.path}: {name}" for name in new.failed if name not in old.failed]
        if new.error is not None and new.error != old.error:
            found.append(f"{new.path}: {new.error}")
    return found


__all__ = ["Score", "Trial", "mutate"]
