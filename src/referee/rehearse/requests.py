"""Requests through the API: PostgREST's transaction around one statement.

Source: PostgREST's documentation on transactions (version 12): it logs in as authenticator, opens a transaction, sets
search_path, role, the settings of that role and the claims of the token for this transaction, and runs one statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from referee.model.names import quote
from referee.model.rehearsal import Step
from referee.postgres.session import literal
from referee.rehearse.people import Person, quoted_json

LOGIN = "authenticator"

#: Triggers may read a request's headers; outside a request the settings would not even exist.
OUTSIDE = "select set_config('request.headers', '{}', false), set_config('request.method', 'POST', false)"

#: By role, names and values of what PostgREST sets for the roles that it impersonates: a mere SET ROLE brings nothing.
Settings = Mapping[str, Sequence[tuple[str, str]]]

#: Those of the host itself, which a project may have altered.
HOSTS_OWN: Settings = {"anon": [("statement_timeout", "3s")], "authenticated": [("statement_timeout", "8s")]}


def claims(person: Person | None, role: str) -> str:
    """The claims of a token, as a string constant; without a person those of the project's own keys."""
    if person is None:
        return quoted_json({"iss": "supabase", "ref": "rehearsal", "role": role})
    metadata = {"name": person.name} if person.name else {}
    return quoted_json(
        {
            "iss": "https://rehearsal.supabase.co/auth/v1",
            "sub": person.id,
            "aud": "authenticated",
            "email": person.email or "",
            "phone": person.phone or "",
            "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": metadata,
            "role": role,
            "aal": "aal1",
            "session_id": person.derived(1),
            "is_anonymous": person.anonymous,
        }
    )


def preamble(
    role: str, person: Person | None, path: Sequence[str], method: str = "POST", of_roles: Settings = HOSTS_OWN
) -> str:
    """The statement that PostgREST sends first in the transaction of each request."""
    settings = [
        ("search_path", literal(", ".join(map(quote, path)))),
        ("role", literal(role)),
        ("request.jwt.claims", claims(person, role)),
        ("request.method", literal(method)),
        ("request.path", literal("/")),
        ("request.headers", quoted_json({"x-forwarded-host": "rehearsal.supabase.co"})),
        ("request.cookies", literal("{}")),
    ]
    settings += [(name, literal(value)) for name, value in of_roles.get(role, ())]
    return "select " + ", ".join(f"set_config('{name}', {value}, true)" for name, value in settings)


def request(
    statement: str,
    role: str,
    person: Person | None,
    path: Sequence[str],
    *,
    session: str = "api",
    method: str = "POST",
    of_roles: Settings = HOSTS_OWN,
) -> list[Step]:
    """One request of the application, as ``role`` with the token of ``person``."""
    texts = ["begin", preamble(role, person, path, method, of_roles), statement, "commit"]
    return [Step(session, LOGIN, text) for text in texts]
