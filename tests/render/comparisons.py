"""A comparison with one of everything."""

from __future__ import annotations

from referee.model.change import CreateTrigger, DropTrigger, GrantRights, RevokeRights
from referee.model.comparison import (
    Comparison,
    Consequence,
    Difference,
    Explanation,
    Fix,
    Folded,
    Judged,
    Played,
    Subject,
    Trial,
    Violation,
)
from referee.model.finding import Severity
from referee.model.names import QName, Ref
from referee.model.schema import Grant, Trigger

USERS = QName("auth", "users")
TRIGGER = Trigger(USERS, "on_auth_user_created", QName("public", "handle_new_user"), "AFTER", frozenset({"insert"}))
TABLE = Ref("table", "public", "Org's | `bands`\x1b[31m")
GRANT = Grant("authenticated", frozenset({"INSERT"}))

LOST = Judged(
    Difference(
        TRIGGER.ref,
        "trigger on_auth_user_created on auth.users is on the left and not on the right",
        (DropTrigger(TRIGGER),),
        (CreateTrigger(TRIGGER),),
    ),
    Consequence("No row comes into public.users.", Severity.ERROR, "every user who signs up", "23503"),
    "right",
    "right",
    Fix("right", (CreateTrigger(TRIGGER),), ("create trigger x\nafter insert",)),
    ("unsynced-mirror",),
    "20251106 baseline, which the history of the right side holds all the same",
)
OPEN = Judged(
    Difference(
        TABLE,
        f"role authenticated has INSERT on {TABLE} on the right only",
        (GrantRights(TABLE, GRANT),),
        (RevokeRights(TABLE, GRANT),),
    ),
    Consequence("Role authenticated may INSERT.", Severity.WARNING, "role authenticated"),
    "right",
    None,
    Fix("right", (), reason="No statement makes one the other."),
)
COMPARISON = Comparison(
    Subject("project", "examples/bandbook", "supabase", None, 11),
    Subject("database", "me@host:5432/app", "supabase", 18, 1),
    (LOST, OPEN),
    (Folded("formatting", 60, ("the default of public.a.b",)), Folded("names", 1)),
    ("me@host:5432/app: the history of migrations (permission denied)",),
)
EQUAL = Comparison(COMPARISON.left, COMPARISON.right, ())
EXPLANATION = Explanation(LOST, ("The key needs a row there.", "No row comes."))
_REFUSED = ("passes", "fails with 23503 (bands_owner_fkey)")
TRIAL = Trial(
    "18.6",
    (
        Played("public.bands.owner", "somebody who has just signed up", *_REFUSED),
        Played("public.bands.owner", "the same, by a job", *_REFUSED),
        Played("sign-up | by phone", "", "fails with 23502", "passes"),
    ),
    (Played("sign-up | by phone", "", "fails with 23502", "passes"),),
    145,
    ("right: public.a\x1b[31m",),
    ("right: must be owner (42501)",),
)
AGREED = Trial("18.6", (), (), 1)
VIOLATION = Violation(TRIGGER.ref, "trigger x is locked and missing", (CreateTrigger(TRIGGER),))
