"""Sessions that run at once: moves are sent in a given order, and waits for locks are seen in pg_locks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field

from referee.errors import ServerError
from referee.model.rehearsal import Step
from referee.postgres.session import FailedStatementError, Report, Session
from referee.rehearse.schedule import Order

# How long a statement may take before pg_locks is asked whether it waits; asking again takes as long.
_GLANCE = 0.003
_PATIENCE = 10_000

# The SQLSTATE of a deadlock.
_DEADLOCK = "40P01"

_WAITING = "select pid from pg_catalog.pg_locks where not granted and pid = any(%s)"


@dataclass(slots=True)
class Sent:
    """A statement that was to be sent: whether it was, whether it had to wait for a lock, and how it failed.

    ``until`` is how many statements had been sent by all sessions when it failed.
    """

    step: Step
    is_sent: bool = True
    waited: bool = False
    report: Report | None = None
    until: int = 0


@dataclass
class Player:
    """One session, which runs moves in a thread of its own; ``moves`` are those of one performance."""

    session: Session
    pid: int
    moves: Sequence[Sequence[Step]] = ()
    at: int = 0
    running: Future[Report | None] | None = None
    sent: Sequence[Sent] = ()
    """The statements of the running move."""
    number: int = 0
    """Which of them is being run."""
    since: int = 0
    """How many statements had been sent by all before the move: who is sent first waits first."""
    freed: int = 0
    """How many had been sent when the move ended."""
    is_out: bool = False
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def begin(self, moves: Sequence[Sequence[Step]]) -> None:
        self.moves, self.at, self.is_out = moves, 0, False
        self.since = self.freed = 0

    def send(self) -> Sequence[Sent]:
        self.sent = [Sent(step) for step in self.moves[self.at]]
        self.at += 1
        self.number = 0
        self.running = self._pool.submit(self._run, self.sent)
        return self.sent

    def _run(self, move: Sequence[Sent]) -> Report | None:
        """Runs the statements of a move up to the first that fails; the answer is how."""
        for self.number, sent in enumerate(move):
            try:
                self.session.run(sent.step.sql)
            except FailedStatementError as error:
                if self.session.in_transaction:
                    self.session.run("rollback")
                return error.report
        return None

    def finish(self, report: Report | None, until: int) -> None:
        """Notes how the running move ended."""
        self.running = None
        self.freed = until
        if report is not None:
            self.is_out = True
            self.sent[self.number].report = report
            self.sent[self.number].until = until
            for sent in self.sent[self.number + 1 :]:
                sent.is_sent = False

    def waited_before(self, other: Player) -> bool:
        """Whether this one was waiting already when the other's move was sent."""
        return self.since < other.since and (self.running is not None or self.freed > other.since)

    def close(self) -> None:
        """Ends the session. What still runs is cancelled: it may wait for somebody who will never come."""
        if self.running is not None and not self.running.done():
            with suppress(ServerError):
                self.session.cancel()
        self._pool.shutdown(wait=True)
        with suppress(ServerError):
            self.session.close()


@dataclass
class Ensemble:
    """Several players on one database, and a session that watches them."""

    players: list[Player]
    watch: Session
    record: list[Sent] = field(default_factory=list)
    is_out_of_turn: bool = False
    """Whether a deadlock of the last performance was broken by somebody else than the one who waited first: the
    server looks once, after a while, and on a busy machine that may be before the other one waits.
    """

    def play(self, moves: Sequence[Sequence[Sequence[Step]]], order: Order) -> list[Sent]:
        """Sends the moves of all sessions in an order; what was sent, in that order, and what came of it.

        A session that waits for a lock takes its later moves when it is free again. One whose statement failed is out.
        The order may end early: what is open then is rolled back.
        """
        for player, own in zip(self.players, moves, strict=True):
            player.begin(own)
        self.record = []
        self.is_out_of_turn = False
        postponed: list[int] = []
        for session in order:
            postponed = self._catch_up(postponed)
            if self.players[session].running is not None or session in postponed:
                postponed.append(session)
            else:
                self._send(session)
        while postponed or any(player.running is not None for player in self.players):
            left = self._catch_up(postponed)
            if left == postponed and not self._let_go(left):
                self._settle(until_free=True)
            postponed = left
        self._let_go([])
        return self._sent()

    def _let_go(self, postponed: Sequence[int]) -> bool:
        """Rolls back what is still open of sessions that have no move left; whether there was anything."""
        idle = [
            player
            for session, player in enumerate(self.players)
            if player.running is None and session not in postponed and player.session.in_transaction
        ]
        for player in idle:
            player.session.run("rollback")
        return bool(idle)

    def _sent(self) -> list[Sent]:
        """What was sent in the end, with ``until`` counting only that."""
        positions, sent = [0], 0
        for one in self.record:
            sent += one.is_sent
            positions.append(sent)
        for one in self.record:
            one.until = positions[one.until]
        return [one for one in self.record if one.is_sent]

    def _catch_up(self, postponed: list[int]) -> list[int]:
        """Takes the postponed moves of sessions that are free again; the ones that are still postponed."""
        self._settle()
        left: list[int] = []
        for session in postponed:
            if self.players[session].running is not None or session in left:
                left.append(session)
            else:
                self._send(session)
        return left

    def _send(self, session: int) -> None:
        player = self.players[session]
        if player.is_out or player.at >= len(player.moves):
            return
        player.since = len(self.record)
        self.record += player.send()
        self._settle()

    def _settle(self, until_free: bool = False) -> None:
        """Waits until each running session is done or waits for a lock; with ``until_free`` until one is done."""
        for _ in range(_PATIENCE):
            running = {player.running: player for player in self.players if player.running is not None}
            if not running:
                return
            done, _pending = wait(running, timeout=_GLANCE)
            for future in done:
                player, report = running[future], future.result()
                if report is not None and report.sqlstate == _DEADLOCK:
                    self.is_out_of_turn |= any(other.waited_before(player) for other in self.players)
                player.finish(report, len(self.record))
            left = [player for player in self.players if player.running is not None]
            if (done and until_free) or not left:
                return
            blocked = {pid for (pid,) in self.watch.rows(_WAITING, [[player.pid for player in left]])}
            for player in left:
                if player.pid in blocked:
                    player.sent[player.number].waited = True
            if not until_free and all(player.pid in blocked for player in left):
                return
        raise ServerError(
            "Sessions of a rehearsal that wait for each other did not come free. Run it again with --no-races, and "
            "report it with the migrations if it stays so."
        )

    def close(self) -> None:
        for player in self.players:
            player.close()
        self.watch.close()


Opener = Callable[[str], Session]


def assemble(open_session: Opener, roles: Sequence[str], watcher: str) -> Ensemble:
    """Players that log in as these roles, and a watcher."""
    players = []
    for role in roles:
        session = open_session(role)
        players.append(Player(session, int(session.value("select pg_backend_pid()"))))
    return Ensemble(players, open_session(watcher))
