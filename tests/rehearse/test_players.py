from __future__ import annotations

from collections.abc import Iterator

import pytest

from referee.errors import ServerError
from referee.model.rehearsal import Step
from referee.postgres.server import Server
from referee.rehearse.players import Ensemble, assemble
from referee.rehearse.stage import LIMITS

pytestmark = pytest.mark.server

# Each locks a row of its own and then the other one's.
MOVES = [
    [[Step(name, "", "begin"), Step(name, "", lock.format(own))], [Step(name, "", lock.format(other))]]
    for name, own, other in (("one", 1, 2), ("two", 2, 1))
    for lock in ["select from public.t where id = {} for update"]
]


@pytest.fixture
def ensemble(server: Server) -> Iterator[Ensemble]:
    with server.database() as database:
        with server.connect(database, server.superuser) as session:
            session.run("create table public.t (id int primary key); insert into public.t values (1), (2)")
        found = assemble(lambda role: server.connect(database, role, LIMITS), [server.superuser] * 2, server.superuser)
        yield found
        found.close()


def play(ensemble: Ensemble, timeout: str, order: tuple[int, ...]) -> list[str]:
    """The sessions that failed, in the order in which they were sent."""
    for player in ensemble.players:
        player.session.run(f"set deadlock_timeout to '{timeout}'")
    record = ensemble.play(MOVES, order)
    return [sent.step.session for sent in record if sent.report is not None]


def test_a_wait_is_seen_and_ends_with_the_other_transaction(ensemble: Ensemble) -> None:
    moves = [
        [[*MOVES[0][0], Step("one", "", "select 1")], [Step("one", "", "commit")]],
        [[*MOVES[1][0][:1], MOVES[1][1][0]]],
    ]
    record = ensemble.play(moves, (0, 1, 0))
    assert [(sent.step.session, sent.waited) for sent in record if sent.waited] == [("two", True)]
    assert [sent.report for sent in record] == [None] * len(record)


def test_of_a_deadlock_the_one_who_waited_first_gives_way(ensemble: Ensemble) -> None:
    assert play(ensemble, "500ms", (0, 1, 0, 1)) == ["one"]
    assert not ensemble.is_out_of_turn
    assert play(ensemble, "500ms", (0, 1, 1, 0)) == ["two"]
    assert not ensemble.is_out_of_turn


def test_where_the_server_looked_too_early_it_is_told(ensemble: Ensemble) -> None:
    """One looks at once and sees no cycle yet; so the other finds it."""
    assert play(ensemble, "1ms", (0, 1, 0, 1)) == ["two"]
    assert ensemble.is_out_of_turn


def test_a_performance_that_breaks_off_leaves_nobody_waiting(ensemble: Ensemble) -> None:
    """The session that watches is gone while one of the others waits for a lock."""
    ensemble.watch.close()
    with pytest.raises(ServerError):
        ensemble.play(MOVES, (0, 1, 0))
    ensemble.close()
    assert all(player.running is None or player.running.done() for player in ensemble.players)
