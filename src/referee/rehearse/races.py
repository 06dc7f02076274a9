"""Sign-up, the application's upsert and the first write as sessions of their own, in every order that matters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise

from referee.model.names import QName, quote
from referee.model.rehearsal import Acting, Race, ReferenceResult, Schedule, Step, WorldSetup
from referee.platforms import Platform
from referee.postgres.session import FailedStatementError, Session
from referee.rehearse import gotrue
from referee.rehearse.base import Base, Prepared
from referee.rehearse.blame import Blame
from referee.rehearse.people import CONTROL, Person, person
from referee.rehearse.players import Ensemble, Sent, assemble
from referee.rehearse.requests import LOGIN, request
from referee.rehearse.schedule import NOTHING, Footprint, Move, Order, count_orders, orders, switches
from referee.rehearse.stage import LIMITS, Theatre

#: How many classes of orders are counted before the counting itself takes too long.
_COUNTED = 20_000
_FIRST = 0x2000
_PERFORMANCES = 5

# Locks that tell what a statement touches (PostgreSQL 18, "Explicit Locking"): keys are checked under ROW SHARE.
_LOCKS = """
    select distinct n.nspname, c.relname, l.mode
    from pg_catalog.pg_locks l
    join pg_catalog.pg_class c on c.oid = l.relation
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where l.pid = %s and l.granted and c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema')
"""
_READING = frozenset({"AccessShareLock", "RowShareLock"})

#: The statements of one session for one user.
Part = Callable[[Person], list[Step]]


@dataclass(frozen=True)
class Role:
    """A session of a race: its name, who logs in, what it does, and what it is known to touch even where it fails."""

    name: str
    login: str
    part: Part
    known: Footprint = NOTHING


@dataclass
class Staging:
    """One race on one database, with a new user for each order."""

    ensemble: Ensemble
    roles: Sequence[Role]
    blame: Blame
    sweep: Callable[[Person], list[str]]
    setup: tuple[Step, ...] = ()
    numbers: int = _FIRST
    cuts: list[list[int]] = field(default_factory=list)
    footprints: list[list[Footprint]] = field(default_factory=list)

    def newcomer(self) -> Person:
        self.numbers += 1
        return person(self.numbers)

    # Moves

    def observe(self) -> None:
        """Runs the sessions one after the other, sees what each statement touches, and cuts them into moves.

        A move ends where the next statement would touch a shared table that its transaction has not touched yet, and
        before each COMMIT that publishes something shared: what lies between concerns nobody else.
        """
        user = self.newcomer()
        touched = [self._touched(role, self.ensemble.players[at].session, self.ensemble.players[at].pid, user)
                   for at, role in enumerate(self.roles)]  # fmt: skip
        self._clean(user)
        tables = [
            set[str]().union(*(one.all for one in own), role.known.all)
            for own, role in zip(touched, self.roles, strict=True)
        ]
        shared = frozenset(
            name for at, own in enumerate(tables) for name in own if any(name in other for other in tables[at + 1 :])
        )
        for role, own in zip(self.roles, touched, strict=True):
            cuts, prints = _cut(role.part(user), [one.only(shared) for one in own])
            self.cuts.append(cuts)
            self.footprints.append(prints)

    def _touched(self, role: Role, session: Session, pid: int, user: Person) -> list[Footprint]:
        """What each statement of a session touches, with what its transaction touched before."""
        found: list[Footprint] = []
        for step in role.part(user):
            try:
                session.run(step.sql)
            except FailedStatementError:
                session.run("rollback")
                break
            rows = self.ensemble.watch.rows(_LOCKS, [pid])
            writes = frozenset(f"{schema}.{name}" for schema, name, mode in rows if mode not in _READING)
            reads = frozenset(f"{schema}.{name}" for schema, name, mode in rows if mode in _READING) - writes
            found.append(Footprint(writes, reads))
        left = [step for step in role.part(user)[len(found) :] if step.sql != "commit"]
        if left and not any(one.all for one in found):
            # It failed at once: what it would touch is known from the tables that it names.
            found += [NOTHING] * (len(left) - 1) + [role.known]
        return found + [NOTHING] * (len(role.part(user)) - len(found))

    def moves(self, user: Person) -> list[list[list[Step]]]:
        """The statements of each session for one user, cut into moves."""
        return [_slices(role.part(user), cuts) for role, cuts in zip(self.roles, self.cuts, strict=True)]

    def dependent(self, one: Move, other: Move) -> bool:
        return self.footprints[one[0]][one[1]].disturbs(self.footprints[other[0]][other[1]])

    # Orders

    def run(self, race: Race, limit: int) -> Race:
        lengths = [len(prints) for prints in self.footprints]
        classes = list(islice(orders(lengths, self.dependent), _COUNTED))
        total = count_orders(lengths)
        is_all = len(classes) < _COUNTED
        # Few switches first: the first that fails is then one that people can follow.
        chosen = sorted(classes, key=lambda order: (switches(order), order))[:limit]
        merged = total - len(classes) if is_all else 0
        race = replace(race, schedules=len(classes), all_counted=is_all, merged=merged)
        shortest: tuple[tuple[int, int], Order] | None = None
        for order in chosen:
            record = self._play(order)
            race = self._count(race, record)
            if (grave := self._first_grave(record)) is not None:
                length = length_of(self._schedule(record[: grave + 1]))
                shortest = min(filter(None, (shortest, (length, order))))
        if shortest is not None:
            race = replace(race, shortest_failure=self._shorten(shortest[1]))
        return race

    def _play(self, order: Order) -> list[Sent]:
        """One performance; one whose deadlock was broken by chance is repeated."""
        for _ in range(_PERFORMANCES):
            user = self.newcomer()
            record = self.ensemble.play(self.moves(user), order)
            self._clean(user)
            if not self.ensemble.is_out_of_turn:
                break
        return record

    def _shorten(self, order: Order) -> Schedule:
        """The order without the moves that the failure can do without."""
        record = self._play(order)
        wanted = self._failure(record)
        found = record
        at = len(order) - 1
        while at >= 0:
            tried = (*order[:at], *order[at + 1 :])
            shorter = self._play(tried)
            if self._failure(shorter) == wanted:
                order, found = tried, shorter
            at -= 1
        grave = self._first_grave(found)
        end = len(found) if grave is None else max(grave + 1, found[grave].until)
        return self._schedule(found[:end])

    def _failure(self, record: Sequence[Sent]) -> tuple[str, str, str | None] | None:
        """What tells one failure from another: the session, SQLSTATE, the constraint."""
        grave = self._first_grave(record)
        report = None if grave is None else record[grave].report
        if grave is None or report is None:
            return None
        return record[grave].step.session, report.sqlstate, report.constraint

    def _first_grave(self, record: Sequence[Sent]) -> int | None:
        failed = (at for at, sent in enumerate(record) if sent.report is not None)
        return next((at for at in failed if self._is_grave(record, at)), None)

    def _count(self, race: Race, record: Sequence[Sent]) -> Race:
        reports = [sent.report for sent in record if sent.report is not None]
        is_grave = self._first_grave(record) is not None
        return replace(
            race,
            run=race.run + 1,
            failed=race.failed + is_grave,
            too_early=race.too_early + (bool(reports) and not is_grave),
            waited=race.waited + any(sent.waited for sent in record),
            deadlocks=race.deadlocks + any(report.sqlstate == "40P01" for report in reports),
        )

    def _is_grave(self, record: Sequence[Sent], at: int) -> bool:
        """Whether production can meet a failure: no client knows its user before the sign-up is committed."""
        arrival = self.roles[0].name
        for sent in record[: at + 1]:
            if sent.step.session != arrival:
                return False
            if sent.step.sql == "commit" and sent.report is None:
                return True
        return True

    def _schedule(self, record: Sequence[Sent]) -> Schedule:
        return Schedule(
            tuple(sent.step for sent in record),
            tuple(at for at, sent in enumerate(record) if sent.waited),
            tuple((at, self.blame.failure(sent.report)) for at, sent in enumerate(record) if sent.report is not None),
            setup=self.setup,
        )

    def _clean(self, user: Person) -> None:
        """Takes away what a performance left, so that the next one does not run into its unique keys."""
        self.ensemble.watch.run(";".join(["set session_replication_role to replica", *self.sweep(user),
                                          "set session_replication_role to origin"]))  # fmt: skip


def length_of(schedule: Schedule) -> tuple[int, int]:
    """How hard an order is to follow: turns first, statements second."""
    sessions = [step.session for step in schedule.steps]
    return sum(one != other for one, other in pairwise(sessions)), len(sessions)


def _cut(steps: Sequence[Step], touched: Sequence[Footprint]) -> tuple[list[int], list[Footprint]]:
    """Where each move of a session ends, and what it touches. What a statement touches includes what was before it."""
    cuts: list[int] = []
    prints: list[Footprint] = []
    held, move = NOTHING, NOTHING
    for at, (step, own) in enumerate(zip(steps, touched, strict=True)):
        fresh = own.without(held)
        if move.all and (fresh.all or (step.sql == "commit" and held.writes)):
            cuts.append(at)
            prints.append(move)
            move = NOTHING
        if step.sql == "commit":
            cuts.append(at + 1)
            prints.append(Footprint(held.writes, commits=True) if held.writes else move)
            held = move = NOTHING
        else:
            held, move = held | own, move | fresh
    # Moves that touch nothing shared go together with the next one.
    kept = [at for at, print_ in enumerate(prints) if print_.all or at == len(prints) - 1]
    return [cuts[at] for at in kept], [prints[at] for at in kept]


def _slices(steps: Sequence[Step], ends: Sequence[int]) -> list[list[Step]]:
    starts = [0, *ends[:-1]]
    return [list(steps[start:end]) for start, end in zip(starts, ends, strict=True)]


# The race of a new user


@dataclass(frozen=True)
class Arrival:
    """Sign-up, upsert and first write of one user, made from what the references showed."""

    platform: Platform
    base: Base
    references: Sequence[ReferenceResult]
    setups: Sequence[WorldSetup]

    def roles(self) -> list[Role]:
        found = [Role("sign-up", gotrue.ROLE, _sign_up)]
        name, statements = self._mirror_writes()
        if statements:
            known = self._known(*(upsert.row.table for upsert in self.base.upserts))
            found.append(Role(name, LOGIN, self._write_mirror(name, statements), known))
        if (first := self._first()) is not None:
            found.append(Role("first write", LOGIN, self._write(*first), self._known(first[0].reference.key.table)))
        return found

    def _mirror_writes(self) -> tuple[str, list[Callable[[Person], str | None]]]:
        """How the application writes the mirror: by an upsert, or where that is always refused, by an update."""
        refused = self.refused_upsert
        if not self.base.upserts or not refused:
            return "upsert", [upsert.statement for upsert in self.base.upserts]
        if any(upsert.mirror.complete for upsert in self.base.upserts):
            return "update", [upsert.update for upsert in self.base.upserts if upsert.change is not None]
        return "upsert", []

    @property
    def refused_upsert(self) -> bool:
        setups = [setup for setup in self.setups if setup.world == "upsert-own-session"]
        return any(attempt.failure is not None and attempt.refused_by for one in setups for _, attempt in one.attempts)

    def _write_mirror(self, name: str, statements: Sequence[Callable[[Person], str | None]]) -> Part:
        def part(user: Person) -> list[Step]:
            texts = [text for statement in statements if (text := statement(user)) is not None]
            return _named(name, [step for text in texts for step in self._request(text, "authenticated", user)])

        return part

    def _write(self, prepared: Prepared, acting: Acting) -> Part:
        row, column = prepared.row, prepared.reference.column
        assert row is not None

        def part(user: Person) -> list[Step]:
            token = user if acting.claims == "own" else None
            return _named("first write", self._request(row.insert({column: user.literal}), acting.role, token))

        return part

    def _request(self, statement: str, role: str, token: Person | None) -> list[Step]:
        return request(statement, role, token, self.platform.api_path, of_roles=self.base.settings)

    def _first(self) -> tuple[Prepared, Acting] | None:
        """The reference that is written first: one that the user may write, to a mirror if there is one."""
        prepared = {(one.reference.key.ref, one.reference.column): one for one in self.base.prepared if one.row}
        candidates: list[tuple[bool, bool, int, Prepared, Acting]] = []
        for position, result in enumerate(self.references):
            verdict = result.worlds.get("fresh-sign-up")
            one = prepared.get((result.key.ref, result.column))
            if verdict is None or verdict.acting is None or one is None or result.not_run is not None:
                continue
            own = verdict.acting == Acting("authenticated", "own")
            acting = verdict.acting if own else Acting("service_role")
            to_mirror = result.key.target != one.identity.source
            candidates.append((not own, not to_mirror, position, one, acting))
        if not candidates:
            return None
        best = min(candidates, key=lambda one: one[:3])
        return best[3], best[4]

    def _known(self, *tables: QName) -> Footprint:
        """What a write to these tables touches whatever becomes of it: the tables, and those that their keys ask."""
        schema = self.base.schema
        keys = [key for table in tables if (found := schema.table(table)) for key in found.foreign_keys]
        writes = frozenset(f"{table.schema}.{table.name}" for table in tables)
        reads = frozenset(f"{key.target.table.schema}.{key.target.table.name}" for key in keys)
        return Footprint(writes, reads - writes)

    def setup(self) -> list[Step]:
        """The users and rows that must be there before."""
        first = self._first()
        rows = [upsert.row for upsert in self.base.upserts]
        if first is not None and first[0].row is not None:
            rows.append(first[0].row)
        parents = [parent for row in rows for parent in row.ancestors()]
        return self.base.steps_for([CONTROL], parents, [row.insert() for row in rows])

    def sweep(self, user: Person) -> list[str]:
        """What takes the user's rows away again."""
        first = self._first()
        places = [(upsert.mirror.table, upsert.mirror.column) for upsert in self.base.upserts]
        if first is not None:
            places.insert(0, (first[0].reference.key.table, first[0].reference.column))
        return [f"delete from {table} where {quote(column)} = {user.literal}" for table, column in places]


def _sign_up(user: Person) -> list[Step]:
    steps = [
        *gotrue.sign_up_by_email(user, {"name": user.name}, confirmed_at_once=False),
        *gotrue.confirm_by_link(user, {"name": user.name}),
    ]
    return _named("sign-up", steps)


def _named(session: str, steps: Iterable[Step]) -> list[Step]:
    return [replace(step, session=session) for step in steps]


def race_of_arrival(
    theatre: Theatre,
    platform: Platform,
    base: Base,
    references: Sequence[ReferenceResult],
    setups: Sequence[WorldSetup],
    blame: Blame,
    limit: int,
) -> Race:
    """Tries the orders of sign-up, upsert and first write on a clone of the base."""
    arrival = Arrival(platform, base, references, setups)
    roles = arrival.roles()
    title = ", ".join(role.name for role in roles)
    if arrival.refused_upsert:
        title += " (an upsert of the mirror is refused in every order)"
    race = Race("arrival", title, tuple(role.name for role in roles))
    if len(roles) < 2:
        return replace(race, reason="there is neither a mirror to write nor a user reference for which a row was made")
    with theatre.database(template=base.database) as database:
        hasten(theatre, database)
        logins = [role.login for role in roles]
        ensemble = assemble(lambda role: theatre.connect(database, role, LIMITS), logins, base.superuser)
        try:
            staging = Staging(ensemble, roles, blame, arrival.sweep, tuple(arrival.setup()))
            staging.observe()
            return staging.run(race, limit)
        finally:
            ensemble.close()


def hasten(theatre: Theatre, database: str) -> None:
    """Deadlocks are found soon, yet not before the cycle is closed: so the one who waited first always gives way."""
    with theatre.connect(database, theatre.superuser, LIMITS) as session:
        session.run(f"alter database {quote(database)} set deadlock_timeout to '100ms'")
