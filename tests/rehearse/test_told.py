from __future__ import annotations

import pytest

from referee.model.rehearsal import Step
from referee.postgres.session import Report
from referee.rehearse.told import AT_COMMIT, status, told


def report(sqlstate: str) -> Report:
    return Report("ERROR", sqlstate, "message")


def test_the_sign_up_service_hides_the_cause() -> None:
    step = Step(
        "sign-up service", "supabase_auth_admin", "insert into users ...", "HTTP 500: Database error saving new user"
    )
    assert told(step, report("23502")) == "HTTP 500: Database error saving new user"


def test_it_does_not_expect_an_error_at_the_end() -> None:
    step = Step("sign-up service", "supabase_auth_admin", "commit", "HTTP 500: Database error saving new user")
    assert told(step, report("23503")) == AT_COMMIT


def test_a_request_is_told_the_servers_words() -> None:
    step = Step("api", "authenticator", "insert into public.bands ...")
    assert told(step, report("23503")) == "HTTP 409: 23503 message"


@pytest.mark.parametrize(
    ("sqlstate", "anonymous", "expected"),
    [
        ("23503", False, 409),
        ("23505", False, 409),
        ("23502", False, 400),
        ("23514", False, 400),
        ("42501", False, 403),
        ("42501", True, 401),
        ("P0001", False, 400),
        ("22P02", False, 400),
        ("42P01", False, 404),
        ("57014", False, 500),
        ("40P01", False, 500),
        ("25006", False, 405),
    ],
)
def test_http_statuses(sqlstate: str, anonymous: bool, expected: int) -> None:
    assert status(sqlstate, anonymous) == expected
