"""What is known of a new row of the identity source, for each way to sign up.

For Supabase: as GoTrue writes it (supabase/auth bc32168, internal/api/signup.go, external.go, admin.go,
anonymous.go). The INSERT has role '' and no e-mail confirmation; role, application metadata and confirmations follow
as UPDATEs in the same transaction, so a trigger on INSERT never sees them. For any other source only its NOT NULL
columns are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from referee.model.identity import Identity
from referee.model.names import QName
from referee.model.schema import Schema
from referee.rules._nulls import ALWAYS, MAYBE, NEVER, Facts, Name, Nullness

Event = Literal["insert", "update"]

AUTH_USERS = QName("auth", "users")

#: The ways to sign up with Supabase, as they are printed.
WAYS = ("e-mail", "phone", "anonymous", "OAuth")
_NEW_ROW = "new row"

#: The columns that every sign-up with Supabase sets by UPDATE after its INSERT (section "sign-up write order").
UPDATED_BY_SIGN_UP = frozenset({"role", "raw_user_meta_data", "raw_app_meta_data", "updated_at"})

#: The columns that every login sets.
UPDATED_BY_LOGIN = frozenset({"last_sign_in_at", "updated_at"})

#: Columns that GoTrue's INSERT leaves empty and that are filled by UPDATE later.
TOO_EARLY = frozenset(
    {
        "role",
        "email_confirmed_at",
        "phone_confirmed_at",
        "confirmed_at",
        "confirmation_sent_at",
        "last_sign_in_at",
        "invited_at",
        "banned_until",
        "deleted_at",
        "is_super_admin",
    }
)

_META = "raw_user_meta_data"
_APP_META = "raw_app_meta_data"
#: The keys of the application metadata that the INSERT has; all others come by UPDATE.
APP_KEYS_AT_INSERT = frozenset({"provider", "providers"})


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# NOT NULL in the INSERT of every way: GoTrue writes '' where it has nothing.
_ALWAYS_WRITTEN = _words(
    """
    id instance_id aud role confirmation_token recovery_token email_change_token_new email_change
    email_change_token_current email_change_confirm_status phone_change phone_change_token reauthentication_token
    raw_app_meta_data raw_user_meta_data created_at updated_at is_sso_user is_anonymous
    """
)


@dataclass(frozen=True)
class SignUp:
    """One way to sign up: its name, and the facts about the row that it writes, at its INSERT and at a later UPDATE."""

    way: str
    at_insert: Facts
    at_update: Facts

    def facts(self, event: Event) -> Facts:
        return self.at_insert if event == "insert" else self.at_update


def sign_ups(schema: Schema, identity: Identity) -> tuple[SignUp, ...]:
    """Every way in which a row of the source comes to be."""
    table = identity.source.table
    if table == AUTH_USERS and schema.is_managed(table.schema):
        return tuple(_with_supabase(way) for way in WAYS)
    found = schema.table(table)
    columns = found.columns if found is not None else ()
    nulls: dict[Name, Nullness] = {("new", column.name): NEVER if column.not_null else MAYBE for column in columns}
    return (SignUp(_NEW_ROW, _facts(nulls, "INSERT"), _facts(nulls, "UPDATE")),)


def _facts(
    nulls: Mapping[Name, Nullness],
    event: str,
    words: Mapping[Name, str] | None = None,
    keys: Mapping[tuple[Name, str], Nullness] | None = None,
) -> Facts:
    old = {("old", *name[1:]): ALWAYS for name in nulls} if event == "INSERT" else {}
    return Facts(
        nulls={**nulls, **old, ("tg_op",): NEVER},
        words={("tg_op",): event, **(words or {})},
        documents=frozenset({("new", _META), ("new", _APP_META)}) if keys else frozenset(),
        keys=keys or {},
        session=False,
    )


def _with_supabase(way: str) -> SignUp:
    present: dict[Name, Nullness] = {("new", name): NEVER for name in _ALWAYS_WRITTEN}
    present["new", "email"] = NEVER if way in ("e-mail", "OAuth") else ALWAYS
    present["new", "phone"] = NEVER if way == "phone" else ALWAYS
    empty: dict[Name, Nullness] = {("new", name): ALWAYS for name in TOO_EARLY - {"role"}}
    words: dict[Name, str] = {("new", "is_anonymous"): "true" if way == "anonymous" else "false"}
    provider = ALWAYS if way == "anonymous" else NEVER
    keys: dict[tuple[Name, str], Nullness] = {(("new", _APP_META), name): provider for name in APP_KEYS_AT_INSERT}
    at_insert = _facts(
        {**present, **empty},
        "INSERT",
        {**words, ("new", "role"): "", ("new", "is_sso_user"): "false"},
        {**keys, (("new", _APP_META), ""): ALWAYS},
    )
    return SignUp(way, at_insert, _facts(present, "UPDATE", words, keys))


def all_ways(identity: Identity) -> frozenset[str]:
    """The names of all ways in which a row of the source comes to be."""
    return frozenset(WAYS) if identity.source.table == AUTH_USERS else frozenset({_NEW_ROW})


def describe_ways(ways: frozenset[str]) -> str:
    """Who is meant, for the end of a sentence.

    >>> describe_ways(frozenset({"phone", "anonymous"}))
    'sign-ups without an e-mail address (by phone, anonymous)'
    """
    if _NEW_ROW in ways:
        return "every new row"
    missing = frozenset(WAYS) - ways
    if not missing:
        return "every sign-up"
    if ways == {"phone", "anonymous"}:
        return "sign-ups without an e-mail address (by phone, anonymous)"
    if ways == {"e-mail", "anonymous", "OAuth"}:
        return "sign-ups without a phone number (by e-mail, OAuth, anonymous)"
    names = {"e-mail": "by e-mail", "phone": "by phone", "anonymous": "anonymously", "OAuth": "through OAuth"}
    *first, last = [names[way] for way in WAYS if way in ways]
    return "sign-ups " + (f"{', '.join(first)} or {last}" if first else last)
