"""`referee tests --mutate`: which faults would the project's own SQL tests notice?"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence

from referee.errors import UsageError
from referee.identity import identify
from referee.model.source import Source
from referee.model.suite import FileResult, Score, Trial
from referee.postgres.clones import Clones
from referee.postgres.programs import Programs, find_programs
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
from referee.workflow.suites import provide_assertions, run_suite

Tell = Callable[[str], None]


def mutate(
    path: str | os.PathLike[str] = ".",
    config: Config | None = None,
    *,
    programs: Programs | str | None = None,
    tell: Tell = lambda message: None,
) -> Score:
    """Runs the SQL tests of the project at ``path`` against its schema with one fault at a time.

    ``programs`` are as for ``check_exact``. Raises UsageError where there are no tests, ReadError and ServerError.
    """
    config = config if config is not None else read_config(path)
    with Contributions(config.cache) as contributions:
        reading = read(path, config, contributions)
    files = reading.migrations.test_files
    if not files:
        raise UsageError(f"{reading.migrations.name} has no SQL tests in supabase/tests; `referee tests` writes some.")
    if isinstance(programs, str):
        programs = find_programs(programs, reading.migrations.major_version)
    sources = [Source(shown(file), read_text(file, shown(file))) for file in files]
    tell("starting a server")
    with start_server(reading.platform, programs) as server:
        template = server.create_database(reading.platform.default_mode)
        run_scripts(server, template, [script_of(source) for source in reading.migrations.files])
        with server.connect(template, server.superuser) as session:
            schema = read_catalog(session, reading.platform.managed_schemas)
        assertions = provide_assertions(server, template)
        clones = Clones(server, template)
        try:
            suite = _Suite(server, clones, sources)
            writer = Writer(schema=schema, role=server.migration_role, major=server.major)
            trials = []
            for fault in mutations(schema, identify(schema, identity_options(config, reading.platform))):
                tell(fault.text)
                trials.append(suite.trial(fault, writer))
        finally:
            clones.close()
        return Score(reading.migrations.name, assertions, suite.before, tuple(trials))


class _Suite:
    """A suite, and what it says of the schema as it is: twice, since what it says anew each time is no sign."""

    def __init__(self, server: Server, clones: Clones, sources: Sequence[Source]) -> None:
        self.server = server
        self.clones = clones
        self.sources = sources
        self.before = self._run([])
        self.again = self._run([])

    def trial(self, fault: Fault, writer: Writer) -> Trial:
        try:
            after = self._run(script([fault.change], writer))
        except (FailedStatementError, UnwritableError) as error:
            return Trial(fault.text, fault.change.kind, not_run=str(error))
        found = [
            said
            for old, again, new in zip(self.before, self.again, after, strict=True)
            for said in differences(old, again, new)
        ]
        return Trial(fault.text, fault.change.kind, tuple(found))

    def _run(self, statements: Iterable[str]) -> tuple[FileResult, ...]:
        database = self.clones.take()
        try:
            changes = list(statements)
            if changes:
                with self.server.connect(database, self.server.superuser) as session:
                    session.run(";".join(("begin", *changes, "commit")))
            return run_suite(self.server, database, self.sources)
        finally:
            self.clones.give_back(database)


def differences(old: FileResult, again: FileResult, new: FileResult) -> Iterator[str]:
    """What a file says of a fault: what fails now and did not before, and what was red before and says something else.

    ``again`` is a second run without the fault: an assertion that says something else each time tells nothing.
    """
    yield from (f"{new.path}: {name}" for name in new.failed if name not in old.failed)
    if new.error is not None and new.error != old.error:
        yield f"{new.path}: {new.error}"
    if new.error is None and old.error is None:
        yield from (f"{new.path}: {name} (which passes now)" for name in old.failed if name not in new.failed)
    said = dict(zip(new.failed, new.reports, strict=True))
    for name, one, other in zip(old.failed, old.reports, again.reports, strict=False):
        if one == other and said.get(name, one) != one:
            yield f"{new.path}: {name} (which failed otherwise before)"


__all__ = ["Score", "Trial", "differences", "mutate"]
