"""`referee compare --prove`: both sides built on a throw-away server, and the flows of `prove` played on each.

A side is built from its schema, not from its files: a live database has none. What the host's migration role may not
make (a disabled trigger on a table of the host) is made by the superuser, who made it in production too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain

from referee.compare import Texts, World
from referee.compare.diff import diff
from referee.compare.ground import Ground
from referee.compare.texts import complete
from referee.errors import UsageError
from referee.identity import identify
from referee.model.change import Change
from referee.model.comparison import SIDES, Difference, Played, Side, Trial
from referee.model.identity import Identity
from referee.model.names import quote
from referee.model.origins import Origins
from referee.model.rehearsal import (
    Deletion,
    FailedStep,
    Failure,
    FlowResult,
    Outcome,
    ReferenceResult,
    WorldVerdict,
    WriteResult,
)
from referee.model.schema import Schema
from referee.platforms import Platform
from referee.postgres.programs import Programs
from referee.postgres.scripts import Script, Statement, run_scripts
from referee.postgres.server import Server, start_server
from referee.postgres.session import FailedStatementError
from referee.read.catalog import read_catalog
from referee.rehearse.base import prepare
from referee.rehearse.blame import Blame
from referee.rehearse.deletion import consequences
from referee.rehearse.flows import FLOWS, Cast, play
from referee.rehearse.references import Prober, probe_all
from referee.rehearse.stage import LIMITS, Stage, stage_on
from referee.rehearse.worlds import Worlds
from referee.sql.write import UnwritableError, Writer, script
from referee.workflow.check import identity_options
from referee.workflow.config import Config

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Subject:
    """A side to be built: what is known of it, the statements that facts leave out, and what would mend it."""

    world: World
    texts: Texts
    fixes: Sequence[str]


def try_sides(
    subjects: Mapping[Side, Subject],
    config: Config,
    programs: Programs | None = None,
    tell: Tell = lambda message: None,
) -> Trial:
    """Plays both sides as they are, then with what was proposed for each. Raises UsageError and ServerError."""
    host = subjects["left"].world.platform
    if host.identity_source is None:
        raise UsageError(
            "--prove plays the sign-ups of a Supabase project, and both sides look like plain Postgres. If they are "
            "Supabase projects, say so with --platform supabase."
        )
    tell("starting a server")
    with start_server(host, programs) as server:
        theatre = _Theatre(server, host, config, tell)
        built = {side: theatre.build(side, subjects[side]) for side in SIDES}
        before = {side: theatre.play(side, built[side].database) for side in SIDES}
        refused: list[str] = []
        after = dict(before)
        for side in SIDES:
            if subjects[side].fixes:
                refused += theatre.mend(side, built[side].database, subjects[side].fixes)
                after[side] = theatre.play(f"{side}, with the proposed changes", built[side].database)
    return Trial(
        server.version,
        tuple(_differing(before)),
        tuple(_differing(after)),
        len(before["left"].keys() & before["right"].keys()),
        tuple(name for side in SIDES for name in built[side].missing),
        tuple(refused),
    )


#: What came of everything that was played, by its name and circumstance.
_Key = tuple[str, str]
_Outcomes = Mapping[_Key, str]


def _differing(outcomes: Mapping[Side, _Outcomes]) -> Iterator[Played]:
    """What was played on both sides with another outcome."""
    left, right = outcomes["left"], outcomes["right"]
    for key, told in left.items():
        if key in right and right[key] != told:
            yield Played(*key, told, right[key])


# Building


@dataclass(frozen=True)
class _Built:
    database: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class _Theatre:
    """A throw-away server on which sides are built and played."""

    server: Server
    host: Platform
    config: Config
    tell: Tell

    def build(self, side: Side, subject: Subject) -> _Built:
        """A database that is what the side is, as far as it can be made here."""
        self.tell(f"building the {side} side")
        database, wanted = self.server.create_database(), subject.world.schema
        texts = subject.texts
        statements = self._statements(self._read(database), wanted, texts, self.host.migration_role)
        run_scripts(self.server, database, [_script(statements)])
        rest = self._statements(self._read(database), wanted, texts, self.host.superuser)
        with self.server.connect(database, self.server.superuser) as session:
            for text in rest:
                try:
                    session.run(text)
                except FailedStatementError:
                    # What is missing for it is found by reading the result.
                    continue
        left = diff(Ground(self._read(database), wanted, self.host)).differences
        return _Built(database, tuple(f"{side}: {difference.object}" for difference in left))

    def _statements(self, here: Schema, wanted: Schema, texts: Texts, role: str) -> tuple[str, ...]:
        differences = complete(diff(Ground(here, wanted, self.host)).differences, {}, texts)
        writer = Writer(here, role, self.server.major)
        return script([change for change in _forward(differences) if _is_writable(change, writer)], writer)

    def _read(self, database: str) -> Schema:
        with self.server.connect(database, self.server.superuser) as session:
            return read_catalog(session, self.host.managed_schemas)

    def mend(self, side: Side, database: str, fixes: Sequence[str]) -> Iterator[str]:
        """Runs what was proposed as the host's migration role may; what was refused."""
        for failure in run_scripts(self.server, database, [_script(fixes)]).failures:
            yield f"{side}: {failure.report.message} ({failure.report.sqlstate})"

    # Playing

    def play(self, name: str, database: str) -> _Outcomes:
        """Every flow, user reference and write of triggers, and the deletion of a user."""
        self.tell(f"playing the {name} side" if name in SIDES else f"playing the {name}")
        schema = self._read(database)
        found = identify(schema, identity_options(self.config, self.host)).all
        identities = tuple(one for one in found if one.source == self.host.identity_source)
        if not identities:
            raise UsageError(
                f"--prove plays what becomes of the users in {self.host.identity_source}, and the configuration names "
                "other sources only. Leave out --source, or add the platform's own."
            )
        blame = Blame(schema, schema, Origins())
        base = prepare(self.server, database, schema, identities, self.config.rows)
        cast = Cast(self.host, identities, base)
        with ThreadPoolExecutor(2) as pool:
            staged = partial(stage_on, self.server, database)
            flows = tuple(pool.map(lambda flow: play(flow, cast, staged, blame), FLOWS))
        stage = Stage(self.server, base.database)
        scenes = Worlds(self.host, base, stage, blame).all()
        stage.close()
        with self.server.connect(base.database, self.server.superuser, LIMITS) as session:
            references, writes = probe_all(Prober(session, self.host, schema, blame, base), scenes)
        deletion = self._delete(database, schema, identities, blame)
        return dict(chain(map(_flow, flows), _references(references), _writes(writes), _deletion(deletion)))

    def _delete(self, database: str, schema: Schema, identities: Sequence[Identity], blame: Blame) -> Deletion:
        with stage_on(self.server, database) as stage:
            return consequences(stage, schema, identities, blame, self.config.rows)


def _script(texts: Sequence[str]) -> Script:
    return Script("proposed", [Statement(0, 0, text) for text in texts])


def _forward(differences: Sequence[Difference]) -> Iterator[Change]:
    for difference in differences:
        yield from difference.forward


def _is_writable(change: Change, writer: Writer) -> bool:
    try:
        writer.write(change)
    except UnwritableError:
        return False
    return True


# Outcomes in words


_WORLDS = {
    "fixture": "somebody put there by hand",
    "fresh-sign-up": "somebody who has just signed up",
    "upsert-own-session": "somebody whose row the application wrote",
    "upsert-no-session": "somebody whose row the application could not write",
    "mirror-only": "a row without an account",
    "service-role": "somebody who has just signed up, written by a job",
}


def _flow(flow: FlowResult) -> tuple[_Key, str]:
    return (flow.title, ""), _told(flow.outcome, flow.failed_step)


def _told(outcome: Outcome, failed: FailedStep | None) -> str:
    return _in_words(outcome, failed.failure if failed is not None else None)


def _in_words(outcome: Outcome, failure: Failure | None) -> str:
    if outcome == "fail" and failure is not None:
        return f"fails with {failure.sqlstate}{f' ({failure.constraint})' if failure.constraint else ''}"
    return {"pass": "passes", "fail": "fails", "not-run": "cannot be run", "overwritten": "is overwritten"}[outcome]


def _references(results: Iterable[ReferenceResult]) -> Iterator[tuple[_Key, str]]:
    for one in results:
        for world, verdict in one.worlds.items():
            yield (f"{one.key.table}.{quote(one.column)}", _WORLDS[world]), _verdict(verdict)


def _writes(results: Iterable[WriteResult]) -> Iterator[tuple[_Key, str]]:
    for one in results:
        name = f"{one.event} of {one.table}, where {one.function} writes {', '.join(map(quote, one.columns))}"
        for world, verdict in one.worlds.items():
            yield (name, _WORLDS[world]), _verdict(verdict)


def _verdict(verdict: WorldVerdict) -> str:
    first = verdict.first
    if verdict.outcome == "pass" and first is not None and first.failure is not None:
        return f"passes, but not as {first.acting}: {first.failure.sqlstate}"
    return _in_words(verdict.outcome, verdict.failure)


def _deletion(deletion: Deletion) -> Iterator[tuple[_Key, str]]:
    name = "deletion of a user who has rows everywhere"
    if deletion.reason is not None:
        yield (name, ""), "cannot be run"
        return
    yield (name, ""), _told("fail" if deletion.first else "pass", deletion.first)
    for what, counts in (("deletes", deletion.destroyed), ("empties", deletion.emptied), ("leaves", deletion.left)):
        tables = ", ".join(sorted(str(one.table) for one in counts))
        yield (f"{name}, its rows", what), f"{what} those of {tables}" if tables else f"{what} none"
