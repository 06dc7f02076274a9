"""What goes wrong in the field, as the rehearsal shows it. The migrations' race has a module of its own."""

from __future__ import annotations

import pytest

from referee.model.rehearsal import FailedStep, FlowResult, Rehearsal
from referee.postgres.server import Server
from referee.rehearse.people import CONTROL
from tests.rehearse.conftest import Rehearse
from tests.scripts import run, states

pytestmark = pytest.mark.server

TWINS = """
create table public.users (id uuid primary key references auth.users (id) on delete cascade, email text);
"""


def flow(rehearsal: Rehearsal, name: str) -> FlowResult:
    return next(found for found in rehearsal.flows if found.flow == name)


def failed(rehearsal: Rehearsal, name: str) -> FailedStep:
    found = flow(rehearsal, name)
    assert found.outcome == "fail"
    assert found.failed_step is not None
    return found.failed_step


def test_an_unqualified_name_in_a_function_without_search_path_means_the_table_of_the_platform(
    rehearse: Rehearse, server: Server
) -> None:
    """The function inserts into auth.users itself; in the SQL editor, whose path has public, it passes."""
    function = """
    create function public.handle_new_user() returns trigger language plpgsql security definer as $$
    begin
      insert into users (id, email) values (new.id, new.email);
      return new;
    end $$;
    create trigger on_auth_user_created after insert on auth.users
      for each row execute function public.handle_new_user();
    """
    rehearsal = rehearse(TWINS, function, only=("sign-up-email", "references"))
    step = failed(rehearsal, "sign-up-email")
    assert (step.failure.sqlstate, step.failure.constraint) == ("23505", "users_pkey")
    assert step.failure.table is not None
    assert step.failure.table.schema == "auth"
    assert step.failure.raised_by is not None
    assert (step.failure.raised_by.function, step.failure.raised_by.line) == ("public.handle_new_user()", 3)
    assert step.told == "HTTP 500: Database error saving new user"
    assert step.failure.location is not None
    assert (step.failure.location.file.rpartition("/")[2], step.failure.location.line) == ("20260101000002_part.sql", 4)
    with server.database() as database:
        assert states(run(server, database, TWINS + function)) == []
        with server.connect_as(database, "postgres") as editor:
            editor.run(f"insert into auth.users (id, email) values ({CONTROL.literal}, 'somebody@example.org')")
            assert editor.value("select email from public.users") == "somebody@example.org"


def test_a_block_of_deletion_is_transitive(rehearse: Rehearse) -> None:
    """Deleting the account goes by way of the mirror and ends at a table that it does not name."""
    comments = """
    create table public.comments (
      id int generated always as identity primary key,
      author uuid not null references public.users (id)
    );
    """
    deletion = rehearse(TWINS, comments, only=("deletion",)).deletion
    assert deletion is not None
    assert deletion.first is not None
    assert (deletion.first.failure.sqlstate, deletion.first.failure.constraint) == ("23503", "comments_author_fkey")
    (blocker,) = deletion.blocked_by
    assert [key.name for key in blocker.path] == ["users_id_fkey", "comments_author_fkey"]
    assert blocker.rows == 1


def test_a_sync_trigger_that_wants_a_mirror_row_locks_others_out(rehearse: Rehearse) -> None:
    """Every login updates the account, so an account without a mirror row cannot log in any more."""
    trigger = """
    create function public.copy_user() returns trigger language plpgsql security definer set search_path = '' as $$
    begin
      update public.users set email = new.email where id = new.id;
      if not found then
        raise exception 'no row for %', new.id;
      end if;
      return new;
    end $$;
    create trigger on_auth_user_updated after update on auth.users
      for each row execute function public.copy_user();
    """
    rehearsal = rehearse(TWINS, trigger, only=("login*",))
    step = failed(rehearsal, "login-unmirrored")
    assert step.step.sql.startswith("update users set last_sign_in_at = now()")
    assert step.failure.sqlstate == "P0001"
    assert step.told == "HTTP 500: Database error granting user"
    assert step.failure.raised_by is not None
    assert step.failure.raised_by.line == 5
    assert str(step.failure.raised_by.trigger) == "auth.users.on_auth_user_updated"


def test_a_write_may_fail_in_a_table_that_it_does_not_name(rehearse: Rehearse) -> None:
    """A trigger on projects writes the session's user into an audit log whose key asks the mirror."""
    projects = """
    create table public.projects (
      id uuid primary key default gen_random_uuid(),
      owner_id uuid not null references auth.users (id)
    );
    create table public.audit_log (
      id int generated always as identity primary key,
      actor_id uuid references public.users (id)
    );
    create function public.log_project() returns trigger language plpgsql security definer set search_path = '' as $$
    begin
      insert into public.audit_log (actor_id) values (auth.uid());
      return new;
    end $$;
    create trigger log_project after insert on public.projects for each row execute function public.log_project();
    """
    rehearsal = rehearse(TWINS, projects, only=("references", "writes"))
    owner = next(one for one in rehearsal.references if one.key.table.name == "projects")
    verdict = owner.worlds["fresh-sign-up"]
    # The key itself is satisfied, and says so once somebody else's session stands in ...
    assert verdict.outcome == "pass"
    # ... but what the user meets is the error of the audit log.
    assert verdict.first is not None
    assert verdict.first.failure is not None
    assert verdict.first.failure.constraint == "audit_log_actor_id_fkey"
    assert verdict.first.failure.table is not None
    assert verdict.first.failure.table.name == "audit_log"
    assert verdict.first.failure.raised_by is not None
    assert str(verdict.first.failure.raised_by.trigger) == "public.projects.log_project"
