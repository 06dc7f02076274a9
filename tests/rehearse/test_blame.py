from __future__ import annotations

import pytest

from referee.model.source import Source
from referee.platforms import SUPABASE
from referee.postgres.session import Report
from referee.read.replay import replay
from referee.rehearse.blame import Blame, Frame, read_context

NESTED = """\
SQL statement "insert into public.other values (1)
PL/pgSQL function not_a_frame() line 1 at nothing"
PL/pgSQL function public."Org's ""x"" line 3 at"(uuid,text) line 12 at SQL statement
SQL function "plain" statement 2
PL/pgSQL function inline_code_block line 1 at PERFORM
PL/pgSQL function public.first() while casting return value to function's return type"""


def test_the_innermost_function_comes_first() -> None:
    assert list(read_context(NESTED))[1:] == [
        Frame('public."Org\'s ""x"" line 3 at"(uuid,text)', 12),
        Frame("plain", None),
        Frame("inline_code_block", 1),
        Frame("public.first()", None),
    ]


@pytest.mark.parametrize("context", [None, "", "COPY t, line 1", "while updating tuple (0,1)"])
def test_without_a_function_there_is_none(context: str | None) -> None:
    assert list(read_context(context)) == []


MIGRATION = """\
create table public.t (id uuid primary key, other uuid references public.t (id));

create function public.first() returns trigger language plpgsql as $body$
begin
  perform public.second(new.id);
  return new;
end
$body$;
create function public.second(id uuid) returns void language plpgsql as '
begin
  raise exception ''no'';
end';
create trigger on_user after insert on auth.users for each row execute function public.first();
create trigger on_t after insert on public.t for each row execute function public.first();
"""


@pytest.fixture
def blame() -> Blame:
    replayed = replay([Source("m.sql", MIGRATION)], SUPABASE)
    return Blame(replayed.schema, replayed.schema, replayed.origins)


def report(context: str, constraint: str | None = None) -> Report:
    table = None if constraint is None else "t"
    return Report("ERROR", "P0001", "no", context=context, schema="public", table=table, constraint=constraint)


def test_the_line_of_the_function_is_found_in_its_file(blame: Blame) -> None:
    found = blame.failure(report("PL/pgSQL function public.first() line 3 at PERFORM"))
    assert found.raised_by is not None
    assert (found.raised_by.function, found.raised_by.line) == ("public.first()", 3)
    assert str(found.location) == "m.sql:5:3"


def test_quotes_that_are_doubled_do_not_move_it(blame: Blame) -> None:
    found = blame.failure(report("PL/pgSQL function public.second(uuid) line 3 at RAISE"))
    assert str(found.location) == "m.sql:11:3"
    assert found.location is not None
    assert found.location.end_column == len("  raise exception ''no'';") + 1


def test_the_outermost_function_was_called_by_the_trigger_of_the_platforms_table(blame: Blame) -> None:
    found = blame.failure(report("PL/pgSQL function first() line 3 at PERFORM"))
    assert found.raised_by is not None
    assert str(found.raised_by.trigger) == "auth.users.on_user"


def test_a_constraint_is_pointed_at_where_no_function_is(blame: Blame) -> None:
    found = blame.failure(report("", "t_other_fkey"))
    assert str(found.location) == "m.sql:1:56"
    assert found.raised_by is None


def test_a_function_that_no_file_has(blame: Blame) -> None:
    found = blame.failure(report("PL/pgSQL function elsewhere() line 3 at RAISE"))
    assert found.raised_by is not None
    assert (found.raised_by.function, found.location) == ("elsewhere()", None)


def test_what_differs_from_run_to_run_is_blotted_out(blame: Blame) -> None:
    said = Report(
        "ERROR",
        "23503",
        "gone since 2026-11-22 13:36:36.8007+00",
        detail="Key (id)=(4f0c8a2e-8d0e-4f0b-9d7f-1c2d3e4f5a6b) is not present; ours is"
        " 00000000-0000-4000-8000-000000000001.",
    )
    found = blame.failure(said)
    assert found.message == "gone since <a time>"
    assert found.detail == ("Key (id)=(<a random id>) is not present; ours is 00000000-0000-4000-8000-000000000001.")
    assert blame.failure(Report("ERROR", "23502", "null", detail="Failing row contains (1, x).")).detail is None
