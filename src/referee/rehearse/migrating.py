"""Migrations that run while somebody signs up: does the user end up with a mirror row?

A trigger that is made before the backfill misses nobody: CREATE TRIGGER waits for open inserts, and the backfill sees
what they committed. The other way round, a sign-up that is open during the backfill and committed after it is seen by
neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from referee.model.identity import Identity, Mirror
from referee.model.names import QName, quote
from referee.model.rehearsal import Race, Schedule, Step
from referee.postgres.router import Router
from referee.postgres.scripts import Script
from referee.postgres.session import FailedStatementError, Session
from referee.rehearse import gotrue
from referee.rehearse.base import account
from referee.rehearse.blame import Blame
from referee.rehearse.people import Person, person
from referee.rehearse.players import Ensemble, Sent, assemble
from referee.rehearse.races import hasten, length_of
from referee.rehearse.schedule import Order, count_orders, orders, switches
from referee.rehearse.stage import LIMITS, Theatre
from referee.rehearse.words import describe

_TRIGGER = re.compile(
    r"create\s+(?:or\s+replace\s+)?(?:constraint\s+)?trigger\s+(\"(?:[^\"]|\"\")+\"|[\w$]+)", re.IGNORECASE
)
_EARLIER = person(0x3001, "earlier")
_IN_FLIGHT = person(0x3002, "inflight")

#: Makes a database in which the first so many migrations have run; its name.
Builder = Callable[[Sequence[Script]], str]


@dataclass(frozen=True)
class Place:
    """A statement of a migration: the number of its file, and its own in that file."""

    file: int
    statement: int


@dataclass(frozen=True)
class Plan:
    """The statements that make the sync trigger and that fill the mirror once, in the order in which they stand."""

    mirror: Mirror
    trigger: Place
    backfill: Place

    @property
    def first(self) -> int:
        return min(self.trigger.file, self.backfill.file)

    @property
    def last(self) -> int:
        return max(self.trigger.file, self.backfill.file)


def find_plan(scripts: Sequence[Script], identity: Identity) -> Plan | None:
    """The last statement that makes a mirror's sync trigger, and the last that inserts into it from the source.

    Read off the texts: a backfill names both tables in one INSERT, perhaps inside a DO block.
    """
    for mirror in identity.mirrors:
        names = {trigger.part for trigger in mirror.synced_by}
        triggers = [place for place, text in _statements(scripts) if _makes_trigger(text, names)]
        backfills = [place for place, text in _statements(scripts) if _fills(text, mirror.table, identity.source.table)]
        if triggers and backfills:
            return Plan(mirror, triggers[-1], backfills[-1])
    return None


def _statements(scripts: Sequence[Script]) -> Iterator[tuple[Place, str]]:
    for file, script in enumerate(scripts):
        for number, statement in enumerate(script.statements):
            yield Place(file, number), statement.text


def _makes_trigger(text: str, names: set[str]) -> bool:
    found = _TRIGGER.match(text)
    return found is not None and _fold(found[1]) in names


def _fold(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def _fills(text: str, mirror: QName, source: QName) -> bool:
    if not re.match(r"(?:insert|with|do|merge)\b", text, re.IGNORECASE):
        return False
    schema, name = re.escape(mirror.schema), re.escape(mirror.name)
    into = re.compile(rf'\binto\s+(?:"?{schema}"?\s*\.\s*)?"?{name}"?[\s(]', re.IGNORECASE)
    of = re.compile(rf'\b"?{re.escape(source.schema)}"?\s*\.\s*"?{re.escape(source.name)}"?', re.IGNORECASE)
    return into.search(text) is not None and of.search(text) is not None


@dataclass(frozen=True)
class Crossing:
    """One plan, tried in every order with a sign-up in flight."""

    theatre: Theatre
    router: Router
    identity: Identity
    plan: Plan
    scripts: Sequence[Script]
    template: str
    blame: Blame
    setup: tuple[Step, ...]

    @property
    def question(self) -> str:
        """How many users are without a mirror row, once all is committed."""
        mirror, source = self.plan.mirror, self.identity.source
        return (
            f"select count(*) from {source.table} u where not exists"
            f" (select from {mirror.table} m where m.{quote(mirror.column)} = u.{quote(source.columns[0])})"
        )

    def moves(self, user: Person, *, reversed_: bool = False) -> list[list[list[Step]]]:
        """The migrations up to each of the two statements, and to each COMMIT; the sign-up up to its COMMIT."""
        return [list(self._migration(reversed_)), self._sign_up(user)]

    def _migration(self, reversed_: bool) -> Iterator[list[Step]]:
        role, plan = self.theatre.migration_role, self.plan
        move: list[Step] = []
        for file in range(plan.first, plan.last + 1):
            move.append(self._step("begin", role))
            for number, statement in enumerate(self.scripts[file].statements):
                place = Place(file, number)
                chosen = self._text(place, reversed_) or statement.text
                move += [self._step(text, role) for text in self.router.route(chosen)]
                if place in (plan.trigger, plan.backfill):
                    yield move
                    move = []
            yield [*move, self._step("commit", role)]
            move = []

    def _text(self, place: Place, reversed_: bool) -> str | None:
        """The other one of the two statements, where they are to change places."""
        other = {self.plan.trigger: self.plan.backfill, self.plan.backfill: self.plan.trigger}.get(place)
        if not reversed_ or other is None:
            return None
        return self.scripts[other.file].statements[other.statement].text

    def _step(self, sql: str, role: str) -> Step:
        return Step("migration", role, sql)

    def _sign_up(self, user: Person) -> list[list[Step]]:
        steps = [
            replace(step, session="sign-up")
            for step in gotrue.sign_up_by_email(user, {"name": user.name}, confirmed_at_once=False)
        ]
        return [steps[:-1], steps[-1:]]

    def failure_alone(self) -> str | None:
        """What the migrations fail of while nobody signs up, in words: then no order with a sign-up shows anything."""
        with (
            self.theatre.database(template=self.template) as database,
            self.theatre.connect_as(database, self.theatre.migration_role, LIMITS) as session,
        ):
            for step in chain.from_iterable(self._migration(reversed_=False)):
                try:
                    session.run(step.sql)
                except FailedStatementError as error:
                    return describe(error.report)
        return None

    def run(self, race: Race, limit: int, *, reversed_: bool = False) -> Race:
        lengths = [len(session) for session in self.moves(_IN_FLIGHT, reversed_=reversed_)]
        classes = sorted(orders(lengths, lambda one, other: True), key=lambda order: (switches(order), order))
        race = replace(race, schedules=len(classes), merged=count_orders(lengths) - len(classes))
        for order in classes[:limit]:
            race = self._perform(race, order, reversed_)
        return race

    def _perform(self, race: Race, order: Order, reversed_: bool) -> Race:
        with self.theatre.database(template=self.template) as database:
            hasten(self.theatre, database)
            logins = ["migration", gotrue.ROLE]
            ensemble = assemble(lambda role: self._open(database, role), logins, self.theatre.superuser)
            try:
                record = ensemble.play(self.moves(_IN_FLIGHT, reversed_=reversed_), order)
                missed = int(ensemble.watch.value(self.question) or 0) if self._mirror_is_there(ensemble) else 0
            finally:
                ensemble.close()
        failed = [at for at, sent in enumerate(record) if sent.report is not None]
        race = replace(
            race,
            run=race.run + 1,
            failed=race.failed + bool(failed or missed),
            waited=race.waited + any(sent.waited for sent in record),
        )
        if not failed and not missed:
            return race
        schedule = self._schedule(record[: failed[0] + 1] if failed else record, missed)
        shortest = race.shortest_failure
        if shortest is None or length_of(schedule) < length_of(shortest):
            return replace(race, shortest_failure=schedule)
        return race

    def _open(self, database: str, role: str) -> Session:
        if role == "migration":
            return self.theatre.connect_as(database, self.theatre.migration_role, LIMITS)
        return self.theatre.connect(database, role, LIMITS)

    def _mirror_is_there(self, ensemble: Ensemble) -> bool:
        """False where a migration failed that makes it, which is told anyway."""
        return bool(ensemble.watch.value("select to_regclass(%s) is not null", [str(self.plan.mirror.table)]))

    def _schedule(self, record: Sequence[Sent], missed: int) -> Schedule:
        return Schedule(
            tuple(sent.step for sent in record),
            tuple(at for at, sent in enumerate(record) if sent.waited),
            tuple((at, self.blame.failure(sent.report)) for at, sent in enumerate(record) if sent.report is not None),
            missed,
            self.question,
            self.setup,
            self.plan.first,
        )


def race_of_migrations(
    theatre: Theatre,
    router: Router,
    scripts: Sequence[Script],
    identities: Sequence[Identity],
    build: Builder,
    blame: Blame,
    limit: int,
) -> Race | None:
    """Lets somebody sign up while the migrations make the trigger and fill the mirror; None where they do not both."""
    for identity in identities:
        plan = find_plan(scripts, identity)
        if plan is None:
            continue
        before = "trigger before backfill" if _order_of(plan) else "backfill before trigger"
        race = Race("migrations", f"{before}, while somebody signs up", ("migration", "sign-up"))
        template = build(scripts[: plan.first])
        earlier = account(_EARLIER, identity.source.table).statements()
        setup = tuple(Step("superuser", theatre.superuser, text) for text in earlier)
        with theatre.connect(template, theatre.superuser, LIMITS) as session:
            try:
                for step in setup:
                    session.run(step.sql)
            except FailedStatementError as error:
                return replace(race, reason=f"no user could be there before: {describe(error.report)}")
        crossing = Crossing(theatre, router, identity, plan, scripts, template, blame, setup)
        alone = crossing.failure_alone()
        if alone is not None:
            return replace(race, reason=f"the migrations fail by themselves, with nobody signing up: {alone}")
        race = crossing.run(race, limit)
        if race.failed and plan.trigger.file == plan.backfill.file:
            other = crossing.run(replace(race, run=0, failed=0, waited=0, shortest_failure=None), limit, reversed_=True)
            if not other.failed:
                race = replace(race, title=f"{race.title}; the other way round nobody is missed")
        return race
    return None


def _order_of(plan: Plan) -> bool:
    """Whether the trigger comes first."""
    return (plan.trigger.file, plan.trigger.statement) < (plan.backfill.file, plan.backfill.statement)
