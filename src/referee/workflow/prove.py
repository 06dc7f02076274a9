"""`referee prove`: rehearses production on a throw-away server and shows, key by key, what passes and what fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from referee.errors import UsageError
from referee.identity import identify
from referee.model.identity import Identity
from referee.model.names import QName
from referee.model.rehearsal import (
    Conditions,
    Deletion,
    FlowResult,
    Race,
    ReferenceResult,
    Rehearsal,
    Unverified,
    WorldSetup,
    WriteResult,
)
from referee.model.schema import Schema
from referee.model.source import Location, Source, Span
from referee.platforms import Platform
from referee.postgres.guest import GuestServer, use_server
from referee.postgres.programs import Programs
from referee.postgres.psql import role_settings, write_script
from referee.postgres.scripts import Outcome, Script, router_for, run_scripts
from referee.postgres.server import Server, start_server
from referee.read.catalog import read_catalog
from referee.read.projects import Migrations, shown
from referee.read.texts import read_text
from referee.rehearse.base import Base, prepare
from referee.rehearse.blame import Blame
from referee.rehearse.deletion import consequences
from referee.rehearse.flows import FLOWS, Cast, Flow, play
from referee.rehearse.imitated import refused_through_the_api, rests_on_stand_ins
from referee.rehearse.migrating import race_of_migrations
from referee.rehearse.races import race_of_arrival
from referee.rehearse.references import Prober, probe_all
from referee.rehearse.stage import LIMITS, Stage, stage_on
from referee.rehearse.versions import triggers_of_cascades
from referee.rehearse.worlds import Worlds
from referee.render.plain import count
from referee.render.prove_psql import Project, Scene, file_names, scenes
from referee.render.prove_psql import render as render_script
from referee.workflow.check import Reading, identity_options, read
from referee.workflow.config import Config, read_config
from referee.workflow.contributions import Contributions
from referee.workflow.files import write_whole
from referee.workflow.scripts import script_of

#: Parts of a rehearsal that ``--only`` may name besides the flows.
PARTS = ("references", "writes", "deletion", "races")
MOST_SCHEDULES = 300

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Wish:
    """What is to be rehearsed.

    ``only`` names flows and parts, as patterns; empty for all. ``privileges`` are modes of the platform, empty for the
    project's own.
    """

    only: tuple[str, ...] = ()
    races: bool = True
    schedules: int = MOST_SCHEDULES
    privileges: tuple[str, ...] = ()

    def wants(self, name: str) -> bool:
        return not self.only or any(fnmatchcase(name, pattern) for pattern in self.only)


@dataclass(frozen=True)
class Proof:
    """What came of it: one rehearsal for each mode of default privileges, and what the project was read from."""

    migrations: Migrations
    platform: Platform
    rehearsals: tuple[Rehearsal, ...]
    project: Project = field(repr=False)


def prove(
    path: str | os.PathLike[str] = ".",
    config: Config | None = None,
    wish: Wish | None = None,
    *,
    programs: Programs | None = None,
    server_url: str | None = None,
    tell: Tell = lambda message: None,
) -> Proof:
    """Rehearses the project at ``path`` on a throw-away server.

    ``programs`` are the Postgres programs to use instead of those that come with referee; ``server_url`` points to a
    server where scratch databases are made instead, and dropped after; ``tell`` hears what is being done. Raises
    UsageError for a wish that names nothing, ReadError and ServerError.
    """
    config = config if config is not None else read_config(path)
    wish = wish or Wish()
    _check(wish)
    with Contributions(config.cache) as contributions:
        reading = read(path, config, contributions)
    if reading.platform.identity_source is None:
        raise UsageError(
            f"{reading.migrations.name} looks like plain Postgres, where referee does not know who signs users up and "
            "under which roles. `prove` rehearses Supabase projects; if this is one, say so with --platform supabase."
        )
    scripts = tuple(script_of(source) for source in _files(reading.migrations))
    tell("starting a server")
    with (
        start_server(reading.platform, programs)
        if server_url is None
        else use_server(server_url, reading.platform) as server
    ):
        modes = wish.privileges or (reading.platform.default_mode,)
        runs = [_Rehearsing(reading, config, wish, server, mode, tell, scripts) for mode in modes]
        rehearsals = tuple(run.run() for run in runs)
        return Proof(reading.migrations, reading.platform, rehearsals, runs[0].project())


def make_folder(folder: str | os.PathLike[str]) -> None:
    """Makes a folder if need be. Raises UsageError where it cannot be made."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{os.fspath(folder)} could not be made: {error.strerror or error}. Name another folder."
        ) from None


def emit(proof: Proof, folder: str | os.PathLike[str]) -> list[Path]:
    """Writes a psql script for each failure into a folder, which is made if need be; the files that were written.

    Of a second mode of default privileges only the failures that the first does not have. Raises UsageError where the
    folder cannot be written to.
    """
    make_folder(folder)
    found: list[Scene] = []
    for rehearsal in proof.rehearsals:
        known = {scene.name for scene in found}
        found += [scene for scene in scenes(rehearsal) if scene.name not in known]
    written = [Path(folder, name) for name in file_names(found)]
    for path, scene in zip(written, found, strict=True):
        write_whole(path, render_script(scene, proof.project))
    return written


def _files(migrations: Migrations) -> Iterator[Source]:
    """What runs in a new database: the project's roles first, as the command line has it."""
    if migrations.roles_file is not None:
        name = shown(migrations.roles_file)
        yield Source(name, read_text(migrations.roles_file, name))
    yield from migrations.files


def _check(wish: Wish) -> None:
    names = [*(flow.name for flow in FLOWS), *PARTS]
    for pattern in wish.only:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise UsageError(f'--only names no flow "{pattern}". There are {", ".join(names)}.')


@dataclass
class _Rehearsing:
    """One run on one server under one mode of default privileges."""

    reading: Reading
    config: Config
    wish: Wish
    server: Server | GuestServer
    mode: str
    tell: Tell
    scripts: tuple[Script, ...]
    migrated: str = ""
    identities: tuple[Identity, ...] = ()

    @property
    def platform(self) -> Platform:
        return self.reading.platform

    def run(self) -> Rehearsal:
        self.tell(f"running {count(len(self.scripts), 'migration')} ({self.mode} privileges)")
        migrated = self.migrated = self.server.create_database(self.mode)
        outcome = run_scripts(self.server, migrated, self.scripts)
        schema = self._read(migrated)
        found = identify(schema, identity_options(self.config, self.platform)).all
        own = self.platform.identity_source
        identities = self.identities = tuple(one for one in found if one.source == own)
        if not identities:
            raise UsageError(
                f"`prove` rehearses what becomes of the users in {own}, and the configuration names other sources "
                "only. Leave out --source, or add the platform's own."
            )
        strangers = tuple(one.source for one in found if one.source != own)
        blame = Blame(schema, self.reading.replayed.schema, self.reading.replayed.origins)
        self.tell("making rows")
        base = prepare(self.server, migrated, schema, identities, self.config.rows)
        flows = self._flows(migrated, identities, base, blame)
        setups, references, writes = self._references(schema, base, blame)
        deletion = self._deletion(migrated, schema, identities, blame)
        races = self._races(base, references, setups, blame)
        return Rehearsal(
            conditions=Conditions(self.server.version, self.platform.name, self.mode, outcome.stand_ins),
            source=identities[0].source,
            mirrors=tuple(mirror.target for identity in identities for mirror in identity.mirrors),
            flows=flows,
            setups=setups if self.wish.wants("references") or self.wish.wants("writes") else (),
            references=references if self.wish.wants("references") else (),
            writes=writes if self.wish.wants("writes") else (),
            races=races,
            deletion=deletion,
            unverified=(
                *(
                    Unverified(str(one), "its users come from the application, which was not rehearsed")
                    for one in strangers
                ),
                *self._unverified(outcome),
                *self._depends_on_version(schema, identities[0].source.table),
                *self._imitated(schema, outcome),
            ),
        )

    def project(self) -> Project:
        """What a script needs so that it can be run elsewhere."""
        with self.server.connect(self.migrated, self.server.superuser) as session:
            router, settings = router_for(self.server, session), role_settings(session)
        texts = tuple(write_script(router, script, settings) for script in self.scripts)
        tables = self.reading.replayed.schema.own_tables
        landmark = str(tables[0].name) if tables else None
        return Project(self.reading.migrations.name, texts, landmark, settings)

    def _read(self, database: str) -> Schema:
        with self.server.connect(database, self.server.superuser) as session:
            return read_catalog(session, self.platform.managed_schemas)

    def _flows(self, migrated: str, identities: Sequence[Identity], base: Base, blame: Blame) -> tuple[FlowResult, ...]:
        """Every flow that is wanted, each on a clone of its own, two at a time."""
        cast = Cast(self.platform, tuple(identities), base)
        wanted = [flow for flow in FLOWS if self.wish.wants(flow.name)]

        def run(flow: Flow) -> FlowResult:
            self.tell(flow.title)
            return play(flow, cast, lambda: stage_on(self.server, migrated), blame)

        with ThreadPoolExecutor(2) as pool:
            return tuple(pool.map(run, wanted))

    def _references(
        self, schema: Schema, base: Base, blame: Blame
    ) -> tuple[tuple[WorldSetup, ...], tuple[ReferenceResult, ...], tuple[WriteResult, ...]]:
        if not any(map(self.wish.wants, ("references", "writes", "races"))):
            return (), (), ()
        self.tell("trying each user reference")
        stage = Stage(self.server, base.database)
        scenes = Worlds(self.platform, base, stage, blame).all()
        stage.close()
        with self.server.connect(base.database, self.server.superuser, LIMITS) as session:
            references, writes = probe_all(Prober(session, self.platform, schema, blame, base), scenes)
        return tuple(scene.setup for scene in scenes), references, writes

    def _races(
        self, base: Base, references: Sequence[ReferenceResult], setups: Sequence[WorldSetup], blame: Blame
    ) -> tuple[Race, ...]:
        if not self.wish.races or not self.wish.wants("races"):
            return ()
        self.tell("trying the orders in which sessions can run")
        limit = self.wish.schedules
        arrival = race_of_arrival(self.server, self.platform, base, references, setups, blame, limit)
        with self.server.connect(self.migrated, self.server.superuser) as session:
            router = router_for(self.server, session)
        migrations = race_of_migrations(self.server, router, self.scripts, self.identities, self._build, blame, limit)
        return (arrival,) if migrations is None else (arrival, migrations)

    def _build(self, scripts: Sequence[Script]) -> str:
        """A database in which some of the migrations have run."""
        database = self.server.create_database(self.mode)
        run_scripts(self.server, database, scripts)
        return database

    def _deletion(self, migrated: str, schema: Schema, identities: Sequence[Identity], blame: Blame) -> Deletion | None:
        if not self.wish.wants("deletion"):
            return None
        self.tell("deleting a user who has rows everywhere")
        with stage_on(self.server, migrated) as stage:
            return consequences(stage, schema, identities, blame, self.config.rows)

    def _imitated(self, schema: Schema, outcome: Outcome) -> list[Unverified]:
        with self.server.connect(self.migrated, self.server.superuser) as session:
            found = list(rests_on_stand_ins(session, schema, self.platform, outcome.stand_ins))
        return [*refused_through_the_api(schema, self.reading.replayed.origins), *found]

    def _depends_on_version(self, schema: Schema, source: QName) -> Iterator[Unverified]:
        """Triggers that another version runs as somebody else."""
        wanted, origins = self.reading.migrations.major_version, self.reading.replayed.origins
        deleter = self.platform.sign_up_role
        return triggers_of_cascades(schema, source, deleter, origins, self.server.major, wanted)

    def _unverified(self, outcome: Outcome) -> list[Unverified]:
        """What the verdicts leave open, whatever they are."""
        origins, migrations = self.reading.replayed.origins, self.reading.migrations
        found = [Unverified(gap.message, "it was not run") for gap in migrations.skipped]
        for failure in outcome.failures:
            at = origins.locate(Span(failure.path, failure.place, failure.end))
            found.append(_failed_statement(failure.path, failure.report.sqlstate, failure.report.message, at))
        found += [
            Unverified(span.path, "a statement that alters a role of the server was not run", origins.locate(span))
            for span in outcome.left_alone
        ]
        wanted = migrations.major_version
        if wanted is not None and wanted != self.server.major:
            reason = f"the project says that it runs PostgreSQL {wanted}; this ran on {self.server.version}"
            found.append(Unverified("PostgreSQL", reason))
        return found


def _failed_statement(path: str, sqlstate: str, message: str, at: Location | None) -> Unverified:
    # What stands before the colon is left out where many of them are told together.
    reason = f"a statement of the migrations failed, and the rest was rehearsed without it: {sqlstate} {message}"
    return Unverified(path, reason, at, failed_statement=True)
