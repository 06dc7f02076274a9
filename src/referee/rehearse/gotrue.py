"""What Supabase's sign-up service writes, statement by statement and transaction by transaction.

It logs in as supabase_auth_admin, whose search_path is ``auth``, and names its tables without a schema. Sources:
supabase/auth, internal/api (signup.go, external.go, anonymous.go, invite.go, admin.go, token.go, verify.go, user.go)
and internal/models (user.go, cleanup.go), as of 2026. Values are constants here, parameters there; what each statement
touches, and in which order, is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from referee.model.rehearsal import Step
from referee.postgres.session import literal
from referee.rehearse.people import Person, quoted_json

ROLE = "supabase_auth_admin"
SESSION = "sign-up service"

SAVING = "HTTP 500: Database error saving new user"
UPDATING = "HTTP 500: Database error updating user"
CREATING = "HTTP 500: Database error creating new user"
ANONYMOUS = "HTTP 500: Database error creating anonymous user"
GRANTING = "HTTP 500: Database error granting user"
DELETING = "HTTP 500: Database error deleting user"
SOFT_DELETING = "HTTP 500: Error soft deleting user"
CONFIRMING = "HTTP 500: Database error confirming user"
CHANGING = "HTTP 500: Database error updating user"
NOBODY = "nothing: it is a job of the sign-up service"

Metadata = Mapping[str, Any]

_NO_INSTANCE = "'00000000-0000-0000-0000-000000000000'"
_HASH = "'$2a$10$0123456789012345678901uGtHtH1sC1sC1sC1sC1sC1sC1sC1sC1'"


def _steps(told: str, *statements: str) -> list[Step]:
    return [Step(SESSION, ROLE, statement, told) for statement in statements]


def transaction(steps: Sequence[Step]) -> list[Step]:
    """The steps between BEGIN and COMMIT."""
    told = steps[-1].told
    return [*_steps(told, "begin"), *steps, *_steps(told, "commit")]


def provider_data(provider: str) -> Metadata:
    return {"provider": provider, "providers": [provider]}


def insert_user(
    person: Person,
    metadata: Metadata,
    app_metadata: Metadata,
    *,
    password: bool = True,
    sso: bool = False,
    told: str = SAVING,
) -> list[Step]:
    """The first INSERT: the role is still empty, tokens are empty and not NULL, nothing is confirmed yet."""
    row = {
        "id": person.literal,
        "instance_id": _NO_INSTANCE,
        "aud": "'authenticated'",
        "role": "''",
        "email": "null" if person.email is None else literal(person.email),
        "is_sso_user": "true" if sso else "false",
        "encrypted_password": _HASH if password else "''",
        "email_confirmed_at": "null",
        "invited_at": "null",
        "phone": "null" if person.phone is None else literal(person.phone),
        "phone_confirmed_at": "null",
        "confirmation_token": "''",
        "confirmation_sent_at": "null",
        "recovery_token": "''",
        "recovery_sent_at": "null",
        "email_change_token_current": "''",
        "email_change_token_new": "''",
        "email_change": "''",
        "email_change_sent_at": "null",
        "email_change_confirm_status": "0",
        "phone_change_token": "''",
        "phone_change": "''",
        "phone_change_sent_at": "null",
        "reauthentication_token": "''",
        "reauthentication_sent_at": "null",
        "last_sign_in_at": "null",
        "raw_app_meta_data": quoted_json(app_metadata),
        "raw_user_meta_data": quoted_json(metadata),
        "created_at": "now()",
        "updated_at": "now()",
        "banned_until": "null",
        "deleted_at": "null",
        "is_anonymous": "true" if person.anonymous else "false",
    }
    return _steps(told, f"insert into users ({', '.join(row)}) values ({', '.join(row.values())})")


def update(person: Person, told: str, **values: str) -> list[Step]:
    """An UPDATE of some columns; the service always stamps updated_at with them."""
    settings = ", ".join(f"{column} = {value}" for column, value in values.items())
    return _steps(told, f"update users set {settings}, updated_at = now() where id = {person.literal}")


def reload(person: Person, told: str = SAVING) -> list[Step]:
    """Reads the user again, because triggers may have changed it."""
    return _steps(told, f"select * from users where id = {person.literal} limit 1")


def new_user(
    person: Person,
    metadata: Metadata,
    app_metadata: Metadata,
    *,
    password: bool = True,
    sso: bool = False,
    told: str = SAVING,
    role_told: str = UPDATING,
) -> list[Step]:
    """INSERT, then the role by UPDATE, then the row is read again."""
    return [
        *insert_user(person, metadata, app_metadata, password=password, sso=sso, told=told),
        *update(person, role_told, role="'authenticated'"),
        *reload(person, told),
    ]


def insert_identity(person: Person, provider: str, data: Metadata, told: str = SAVING) -> list[Step]:
    subject = str(data.get("sub") or person.id)
    return _steps(
        told,
        "insert into identities (id, provider_id, user_id, identity_data, provider,"
        " last_sign_in_at, created_at, updated_at)"
        f" values ('{person.derived(2)}', {literal(subject)}, {person.literal},"
        f" {quoted_json({**data, 'sub': subject})}, {literal(provider)}, now(), now(), now())",
    )


def audit(person: Person, action: str, told: str) -> list[Step]:
    payload = {"action": action, "actor_id": person.id, "actor_username": person.email or "", "log_type": "account"}
    return _steps(
        told,
        "insert into audit_log_entries (instance_id, id, payload, created_at, ip_address)"
        f" values ({_NO_INSTANCE}, gen_random_uuid(), {quoted_json(payload)}, now(), '')",
    )


def subject_data(person: Person, **extra: Any) -> Metadata:
    """What the service itself adds to a user's metadata at sign-up."""
    own = {"email": person.email} if person.email else {"phone": person.phone}
    return {"sub": person.id, **own, "email_verified": False, "phone_verified": False, **extra}


def send_token(person: Person, kind: str, told: str, **columns: str) -> list[Step]:
    """Notes a token that is sent to the user, in the user's row and beside it."""
    return [
        *update(person, told, **columns),
        *_steps(
            told,
            "insert into one_time_tokens (id, user_id, token_type, token_hash, relates_to, created_at, updated_at)"
            f" values ('{person.derived(3)}', {person.literal}, '{kind}', '{kind}-{person.number}',"
            f" {literal(person.email or person.phone or '')}, now(), now())",
        ),
    ]


def clear_tokens(person: Person, told: str) -> list[Step]:
    return _steps(told, f"delete from one_time_tokens where user_id = {person.literal}")


def confirm(person: Person, metadata: Metadata, told: str = UPDATING) -> list[Step]:
    """The address is confirmed: by clicking the link, or at once where confirmations are off."""
    return [
        *update(person, told, confirmation_token="''", email_confirmed_at="now()"),
        *update(person, told, raw_user_meta_data=quoted_json({**metadata, "email_verified": True})),
        *clear_tokens(person, told),
    ]


def confirm_phone(person: Person, told: str = CONFIRMING) -> list[Step]:
    return [
        *update(person, told, confirmation_token="''", phone_confirmed_at="now()"),
        *clear_tokens(person, told),
    ]


def start_session(person: Person, method: str = "password", told: str = GRANTING) -> list[Step]:
    """What every sign-in writes: session, refresh token, the time of the sign-in, how it was done."""
    return [
        *_steps(
            told,
            "insert into sessions (id, user_id, created_at, updated_at, aal, user_agent, ip)"
            f" values ('{person.derived(1)}', {person.literal}, now(), now(), 'aal1', 'rehearsal', '127.0.0.1')",
            "insert into refresh_tokens"
            " (instance_id, token, user_id, revoked, created_at, updated_at, parent, session_id)"
            f" values ({_NO_INSTANCE}, 'token-{person.derived(5)}', {person.literal}, false, now(), now(), '',"
            f" '{person.derived(1)}')",
        ),
        *update(person, told, last_sign_in_at="now()"),
        *_steps(
            told,
            "insert into mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)"
            f" values ('{person.derived(4)}', '{person.derived(1)}', now(), now(), '{method}')"
            " on conflict on constraint mfa_amr_claims_session_id_authentication_method_pkey"
            " do update set updated_at = excluded.updated_at",
        ),
    ]


def sign_in(person: Person, method: str = "password") -> list[Step]:
    """A sign-in: one transaction."""
    return transaction([*audit(person, "login", GRANTING), *start_session(person, method)])


def sign_up_by_email(person: Person, metadata: Metadata, *, confirmed_at_once: bool) -> list[Step]:
    """POST /signup with an e-mail address and a password."""
    subject = subject_data(person)
    both = {**metadata, **subject}
    steps = [
        *new_user(person, metadata, provider_data("email")),
        *insert_identity(person, "email", subject),
        *update(person, UPDATING, raw_user_meta_data=quoted_json(both)),
        *update(person, UPDATING, raw_app_meta_data=quoted_json(provider_data("email"))),
    ]
    if confirmed_at_once:
        first = transaction([*steps, *audit(person, "user_signedup", SAVING), *confirm(person, both)])
        return [*first, *sign_in(person)]
    token = {"confirmation_token": f"'confirmation-{person.number}'", "confirmation_sent_at": "now()"}
    return transaction(
        [
            *steps,
            *audit(person, "user_confirmation_requested", SAVING),
            *send_token(person, "confirmation_token", SAVING, **token),
        ]
    )


def confirm_by_link(person: Person, metadata: Metadata) -> list[Step]:
    """The link in the e-mail is clicked: the address is confirmed and a session begins, in one transaction."""
    return transaction(
        [
            *audit(person, "user_signedup", CONFIRMING),
            *confirm(person, {**metadata, **subject_data(person)}, CONFIRMING),
            *start_session(person, "otp"),
        ]
    )


def sign_up_by_phone(person: Person, metadata: Metadata) -> list[Step]:
    """POST /signup with a phone number, then the code from the message."""
    subject = subject_data(person)
    first = [
        *new_user(person, metadata, provider_data("phone")),
        *insert_identity(person, "phone", subject),
        *update(person, UPDATING, raw_user_meta_data=quoted_json({**metadata, **subject})),
        *update(person, UPDATING, raw_app_meta_data=quoted_json(provider_data("phone"))),
        *audit(person, "user_confirmation_requested", SAVING),
        *send_token(
            person,
            "confirmation_token",
            SAVING,
            confirmation_token=f"'confirmation-{person.number}'",
            confirmation_sent_at="now()",
        ),
    ]
    second = [*audit(person, "user_signedup", CONFIRMING), *confirm_phone(person), *start_session(person, "otp")]
    return [*transaction(first), *transaction(second)]


def sign_up_anonymously(person: Person, metadata: Metadata) -> list[Step]:
    """POST /signup without an address: neither e-mail nor identity, and the session in the same transaction."""
    return transaction(
        [
            *new_user(person, metadata, {}, password=False, told=ANONYMOUS, role_told=ANONYMOUS),
            *start_session(person, "anonymous", ANONYMOUS),
        ]
    )


def sign_up_by_provider(person: Person, provider: str, data: Metadata, *, sso: bool = False) -> list[Step]:
    """The way back from an OAuth or SAML provider: account, identity and session in one transaction."""
    return transaction(
        [
            *new_user(person, data, provider_data(provider), password=False, sso=sso),
            *insert_identity(person, provider, data),
            *update(person, UPDATING, raw_user_meta_data=quoted_json(data)),
            *update(person, UPDATING, raw_app_meta_data=quoted_json(provider_data(provider))),
            *audit(person, "user_signedup", SAVING),
            *confirm(person, data),
            *start_session(person, "sso/saml" if sso else "oauth"),
        ]
    )


def invite(person: Person, metadata: Metadata) -> list[Step]:
    """POST /invite by an administrator."""
    subject = subject_data(person)
    return transaction(
        [
            *new_user(person, metadata, provider_data("email"), password=False),
            *insert_identity(person, "email", subject),
            *update(person, UPDATING, raw_user_meta_data=quoted_json({**metadata, **subject})),
            *update(person, UPDATING, raw_app_meta_data=quoted_json(provider_data("email"))),
            *audit(person, "user_invited", SAVING),
            *send_token(
                person,
                "confirmation_token",
                SAVING,
                confirmation_token=f"'invite-{person.number}'",
                confirmation_sent_at="now()",
                invited_at="now()",
            ),
        ]
    )


def create_by_administrator(person: Person, metadata: Metadata, app_metadata: Metadata) -> list[Step]:
    """POST /admin/users: role, app_metadata and confirmation come by UPDATE, out of sight of an INSERT trigger."""
    subject = subject_data(person)
    told = CREATING
    return transaction(
        [
            *insert_user(person, metadata, provider_data("email"), told=told),
            *insert_identity(person, "email", subject, told),
            *update(person, told, raw_user_meta_data=quoted_json({**metadata, **subject})),
            *update(person, told, raw_app_meta_data=quoted_json(provider_data("email"))),
            *audit(person, "user_signedup", told),
            *update(person, told, role="'authenticated'"),
            *update(person, told, raw_app_meta_data=quoted_json({**provider_data("email"), **app_metadata})),
            *confirm(person, {**metadata, **subject}, told),
        ]
    )


def change_email(person: Person, email: str) -> list[Step]:
    """PUT /user with a new address, then the link in the e-mail to it."""
    request = send_token(
        person,
        "email_change_token_new",
        CHANGING,
        email_change=literal(email),
        email_change_token_new=f"'change-{person.number}'",
        email_change_sent_at="now()",
        email_change_confirm_status="0",
    )
    confirmation = [
        *audit(person, "user_modified", CONFIRMING),
        *update(
            person,
            CONFIRMING,
            email=literal(email),
            email_change="''",
            email_change_token_current="''",
            email_change_token_new="''",
            email_change_confirm_status="0",
        ),
        *clear_tokens(person, CONFIRMING),
        *_steps(
            CONFIRMING,
            "update identities set"
            f" identity_data = identity_data || jsonb_build_object('email', {literal(email)}::text), updated_at = now()"
            f" where user_id = {person.literal} and provider = 'email'",
        ),
    ]
    return [*transaction(request), *transaction(confirmation)]


def delete(person: Person) -> list[Step]:
    """DELETE /admin/users/{id}: an audit entry, then the row, in one transaction."""
    return transaction(
        [
            *audit(person, "user_deleted", "HTTP 500: Error recording audit log entry"),
            *_steps(DELETING, f"delete from users where id = {person.literal}"),
        ]
    )


def soft_delete(person: Person) -> list[Step]:
    """DELETE with should_soft_delete: the row is emptied and stays, so nothing that hangs on a DELETE happens."""
    scrambled = literal(f"{person.number:064x}")
    return transaction(
        [
            *audit(person, "user_deleted", SOFT_DELETING),
            *update(
                person,
                SOFT_DELETING,
                email=scrambled if person.email else "null",
                phone=scrambled if person.phone else "null",
                encrypted_password="null",
                email_change="''",
                phone_change="''",
                confirmation_token="''",
                recovery_token="''",
                email_change_token_current="''",
                email_change_token_new="''",
                phone_change_token="''",
                reauthentication_token="''",
                deleted_at="now()",
            ),
            *clear_tokens(person, SOFT_DELETING),
            *update(person, SOFT_DELETING, raw_user_meta_data="'{}'"),
            *update(person, SOFT_DELETING, raw_app_meta_data="'{}'"),
            *_steps(
                SOFT_DELETING,
                f"update identities set provider_id = {scrambled}, identity_data = '{{}}', updated_at = now()"
                f" where user_id = {person.literal}",
                f"delete from mfa_factors where user_id = {person.literal}",
                f"delete from webauthn_credentials where user_id = {person.literal}",
                f"delete from sessions where user_id = {person.literal}",
                f"delete from refresh_tokens where user_id = {person.literal}",
            ),
        ]
    )


def prune_anonymous() -> list[Step]:
    """The service's own cleaning: anonymous users of more than 30 days ago, a hundred at a time."""
    return _steps(
        NOBODY,
        "with anonymous_users as (select id from users where is_anonymous = true"
        " and created_at < now() - interval '30 days' limit 100 for update skip locked)"
        " delete from users where id in (select id from anonymous_users)",
    )
