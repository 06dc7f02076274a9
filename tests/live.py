"""Bandbook as a database in use: accounts of which some lack their mirror row, their work, and people who go on."""

from __future__ import annotations

import shutil
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from referee.errors import StatementError
from referee.postgres.programs import find_programs
from referee.postgres.server import Server
from referee.postgres.session import Session

UNMIRRORED = 50
"""How many accounts lack their row in public.users."""

PSQL = shutil.which("psql") or str(find_programs().folder / "psql")

RETARGETED = {
    "songs_last_modified_by_fkey",
    "setlists_last_modified_by_fkey",
    "shows_created_by_fkey",
    "shows_last_modified_by_fkey",
    "practice_sessions_last_modified_by_fkey",
    "audit_log_user_id_fkey",
}
"""The keys to auth.users before, to public.users afterwards."""

_FILL = """
insert into auth.users (id, email) select gen_random_uuid(), n || '@example.org' from generate_series(1, {accounts}) n;
insert into public.users (id, email, name) select id, email, 'x' from auth.users order by id offset {unmirrored};
insert into public.bands (name) values ('b');
insert into public.songs (band_id, title, last_modified_by)
  select b.id, u.email, u.id from auth.users u, public.bands b;
insert into public.shows (band_id, name, show_date, created_by)
  select b.id, 's', now(), u.id from public.bands b, (select id from auth.users order by id limit 1000) u;
insert into public.audit_log (user_id, action, subject)
  select u.id, (enum_range(null::public.audit_action))[1], 's' from auth.users u limit 1000;
analyze;
"""

_KEYS = """
select conname, confrelid::regclass::text, convalidated from pg_catalog.pg_constraint
where contype = 'f' and connamespace = 'public'::regnamespace
"""

_COUNTS = """
select (select count(*) from auth.users), (select count(*) from public.users),
  (select count(*) from public.songs where last_modified_by is not null),
  (select count(*) from public.shows where created_by is not null),
  (select count(*) from public.audit_log where user_id is not null)
"""


def fill(session: Session, accounts: int) -> None:
    """Accounts, each with a song that it changed last, some with shows and actions."""
    session.run(_FILL.format(accounts=accounts, unmirrored=UNMIRRORED))


def keys(session: Session) -> dict[str, tuple[str, bool]]:
    """The foreign keys of schema public: name, referenced table, whether validated."""
    return {name: (table, valid) for name, table, valid in session.rows(_KEYS)}


def counts(session: Session) -> tuple[int, ...]:
    """Accounts, mirror rows, and the songs, shows and actions that name somebody."""
    [found] = session.rows(_COUNTS)
    return found


def psql(server: Server, database: str, text: str, user: str | None = None) -> None:
    """Runs a file as psql does by itself, again where it ends with a lock time-out."""
    command = [PSQL, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", server.url(database, user)]
    for _ in range(50):
        done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
        if "lock timeout" not in done.stderr:
            break
    assert done.returncode == 0, done.stderr


class Traffic:
    """Two threads of people: one signs them up and lets each write at once, the other lets accounts of old go on."""

    def __init__(self, server: Server, database: str) -> None:
        self.server, self.database = server, database
        self.done = threading.Event()
        self.signed_up = 0
        self.written = 0
        self.failures: list[str] = []

    @contextmanager
    def flowing(self) -> Iterator[None]:
        threads = [threading.Thread(target=run) for run in (self._sign_up, self._go_on)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.done.set()
            for thread in threads:
                thread.join()

    def _sign_up(self) -> None:
        with (
            self.server.connect(self.database, "supabase_auth_admin") as door,
            self.server.connect(self.database, self.server.superuser) as work,
        ):
            while not self.done.is_set():
                person = str(uuid.uuid4())
                if self._try(door, f"insert into users (id, email) values ('{person}', '{person}@example.org')"):
                    self.signed_up += 1
                    self._try(work, _song(person), _show(person), _action(person))

    def _go_on(self) -> None:
        """Among them those without a mirror row: they log in, and what they change says that it was they."""
        with (
            self.server.connect(self.database, "supabase_auth_admin") as door,
            self.server.connect(self.database, self.server.superuser) as work,
        ):
            rows = work.rows("select id::text from auth.users order by id limit 200")
            people = [person for (person,) in rows]
            while not self.done.is_set():
                for person in people:
                    self._try(door, f"update users set last_sign_in_at = now() where id = '{person}'")
                    edit = f"update public.songs set notes = 'n' where last_modified_by = '{person}'"
                    self._try(work, f"set request.jwt.claim.sub = '{person}'", edit)
                    self._try(work, "reset request.jwt.claim.sub", _song(person), _show(person), _action(person))
                    if self.done.is_set():
                        break

    def _try(self, session: Session, *statements: str) -> bool:
        try:
            for statement in statements:
                session.run(statement)
                self.written += 1
        except StatementError as error:
            self.failures.append(f"{statement}: {error}")
            return False
        return True


def _song(person: str) -> str:
    return (
        "insert into public.songs (band_id, title, last_modified_by) "
        f"select id, 's', '{person}' from public.bands limit 1"
    )


def _show(person: str) -> str:
    return (
        "insert into public.shows (band_id, name, show_date, created_by) "
        f"select id, 's', now(), '{person}' from public.bands limit 1"
    )


def _action(person: str) -> str:
    action = "(enum_range(null::public.audit_action))[1]"
    return f"insert into public.audit_log (user_id, action, subject) values ('{person}', {action}, 's')"


def goes_through(
    server: Server, database: str, accounts: int, verification: tuple[str, ...], apply: Callable[[], object]
) -> None:
    """Applies a plan to a database in use, and looks that nothing was lost, refused, or left undone."""
    with server.connect(database, server.superuser) as session:
        fill(session, accounts)
        before, former = keys(session), counts(session)
        assert {name for name, key in before.items() if key == ("auth.users", True)} == RETARGETED
        assert former == (accounts, accounts - UNMIRRORED, accounts, 1000, 1000)
        traffic = Traffic(server, database)
        with traffic.flowing():
            apply()
        assert traffic.failures == []
        assert traffic.signed_up > 10
        assert [session.rows(query) for query in verification] == [[]] * len(verification)
        people, mirrored, *work = counts(session)
        assert people == mirrored == accounts + traffic.signed_up
        assert all(now > then for now, then in zip(work, former[2:], strict=True))
        expected = {name: ("users", True) if name in RETARGETED else key for name, key in before.items()}
        assert keys(session) == {**expected, "users_id_fkey": ("auth.users", True)}


def goes_back(server: Server, database: str, former: dict[str, tuple[str, bool]], apply: Callable[[], object]) -> None:
    """Takes a plan back while people go on; rows stay, and new ones too."""
    with server.connect(database, server.superuser) as session:
        before = counts(session)
        traffic = Traffic(server, database)
        with traffic.flowing():
            apply()
        assert traffic.failures == []
        assert keys(session) == former
        people, mirrored, *work = counts(session)
        assert people == before[0] + traffic.signed_up
        # Who signed up before the trigger went has a row; nothing takes one away.
        assert before[1] <= mirrored <= people
        assert all(now > then for now, then in zip(work, before[2:], strict=True))
        assert (
            session.rows(
                "select tgname from pg_trigger where tgrelid = 'auth.users'::regclass and not tgisinternal"
                " and tgname = 'sync_users'"
            )
            == []
        )
