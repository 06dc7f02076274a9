import pytest

from referee.model.change import CreatePolicy
from referee.model.finding import Severity
from referee.rules.mirror_write_blocked import MirrorWriteBlocked
from tests.identity.sql import SYNC
from tests.rules.checking import problems

RULE = MirrorWriteBlocked()
USERS = """
create table public.users (id uuid primary key references auth.users (id));
create table public.bands (owner uuid references public.users (id));
alter table public.users enable row level security;
"""


def policies(*commands: str) -> str:
    clause = {"insert": "with check (id = auth.uid())"}
    return "".join(
        f"create policy {command}_own on public.users for {command} {clause.get(command, 'using (id = auth.uid())')};"
        for command in commands
    )


@pytest.mark.parametrize(
    ("commands", "missing", "severity"),
    [
        ((), "insert", Severity.WARNING),
        (("select", "update"), "insert", Severity.WARNING),
        (("insert",), "select", Severity.WARNING),
        (("insert", "update"), "select", Severity.WARNING),
        (("insert", "select"), "update", Severity.INFO),
    ],
)
def test_what_an_upsert_needs(commands: tuple[str, ...], missing: str, severity: Severity) -> None:
    [problem] = problems(RULE, USERS + policies(*commands))
    assert (problem.key, problem.severity) == (missing, severity)
    assert f"no policy for {missing.upper()} lets a user through" in problem.cause
    assert "42501" in problem.consequence
    assert problem.remedy is not None
    assert isinstance(problem.remedy.change, CreatePolicy)
    assert problem.remedy.change.command == missing


@pytest.mark.parametrize("commands", [("insert", "select", "update"), ("all",)])
def test_users_who_may_do_all_of_it(commands: tuple[str, ...]) -> None:
    assert problems(RULE, USERS + policies(*commands)) == []


def test_without_row_security_policies_do_not_matter() -> None:
    assert problems(RULE, USERS.replace("enable row", "disable row")) == []


@pytest.mark.parametrize(
    "policy",
    [
        "for insert to service_role with check (true)",
        "for insert to anon with check (true)",
        "for insert with check (false)",
        "for insert with check (auth.role() = 'service_role')",
        "for insert with check ((auth.jwt() ->> 'role') = 'service_role' and true)",
        "as restrictive for insert with check (true)",
        "for delete using (true)",
    ],
)
def test_policies_that_let_no_user_insert(policy: str) -> None:
    text = USERS + policies("select", "update") + f"create policy p on public.users {policy};"
    assert [problem.key for problem in problems(RULE, text)] == ["insert"]


@pytest.mark.parametrize(
    "policy",
    [
        "for insert to authenticated with check (true)",
        "for all using (true)",
        "for insert to anon, authenticated with check (id = auth.uid() or auth.role() = 'service_role')",
    ],
)
def test_policies_that_let_users_insert(policy: str) -> None:
    text = USERS + policies("select", "update") + f"create policy p on public.users {policy};"
    assert problems(RULE, text) == []


def test_a_trigger_that_fills_it_makes_it_silent_and_one_that_may_not_information() -> None:
    assert problems(RULE, USERS + SYNC) == []
    [problem] = problems(RULE, USERS + SYNC.replace("values (new.id)", "select new.id where new.email is not null"))
    assert problem.severity is Severity.INFO


def test_a_function_with_its_owners_rights_does_it_for_the_user() -> None:
    function = """
        create function public.enter() returns void language sql {rights} as $$
          insert into public.users (id) values (auth.uid())
        $$;
    """
    assert problems(RULE, USERS + function.format(rights="security definer")) == []
    assert len(problems(RULE, USERS + function.format(rights=""))) == 1


def test_a_mirror_that_no_key_relies_on_is_left_alone() -> None:
    assert problems(RULE, USERS.replace("references public.users (id)", "")) == []
