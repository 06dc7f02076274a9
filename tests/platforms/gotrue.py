"""Writes users as the sign-up service does: role, search_path, statements and order (supabase/auth, August 2026)."""

from __future__ import annotations

from uuid import uuid4

from referee.postgres.server import Server
from referee.postgres.session import Session

ZERO = "00000000-0000-0000-0000-000000000000"


def sign_up(session: Session, email: str | None = "ann@example.org", metadata: str = "{}") -> str:
    """An e-mail sign-up with confirmations on: one transaction, the user first, everything else as later updates."""
    user = str(uuid4())
    session.run("begin")
    try:
        session.rows(
            "insert into users (instance_id, id, aud, role, email, encrypted_password, confirmation_token,"
            " recovery_token, email_change_token_new, email_change, raw_app_meta_data, raw_user_meta_data, created_at,"
            " updated_at, phone, phone_change, phone_change_token, email_change_token_current, reauthentication_token)"
            " values (%s, %s, 'authenticated', '', %s, 'hash', '', '', '', '',"
            """ '{"provider": "email", "providers": ["email"]}', %s, now(), now(), null, '', '', '', '')""",
            [ZERO, user, email, metadata],
        )
        session.rows("update users set role = 'authenticated', updated_at = now() where id = %s", [user])
        session.rows("select * from users where id = %s", [user])
        session.rows(
            "insert into identities (provider_id, user_id, identity_data, provider, created_at, updated_at)"
            " values (%s, %s, jsonb_build_object('sub', %s::text, 'email', %s::text), 'email', now(), now())",
            [user, user, user, email],
        )
        session.rows(
            "update users set raw_user_meta_data = raw_user_meta_data || jsonb_build_object('sub', id),"
            " updated_at = now() where id = %s",
            [user],
        )
        session.rows("update users set raw_app_meta_data = raw_app_meta_data, updated_at = now() where id = %s", [user])
        session.rows(
            "insert into audit_log_entries (instance_id, id, payload, created_at) values (%s, %s, '{}', now())",
            [ZERO, str(uuid4())],
        )
        session.rows(
            "update users set confirmation_token = %s, confirmation_sent_at = now(), updated_at = now() where id = %s",
            [f"token-{user}", user],
        )
        session.rows(
            "insert into one_time_tokens (id, user_id, token_type, token_hash, relates_to)"
            " values (%s, %s, 'confirmation_token', %s, %s)",
            [str(uuid4()), user, f"token-{user}", email],
        )
        session.run("commit")
    except BaseException:
        session.run("rollback")
        raise
    return user


def delete_user(session: Session, user: str) -> None:
    """A hard delete: the audit entry, then the user, in one transaction."""
    session.run("begin")
    try:
        session.rows(
            "insert into audit_log_entries (instance_id, id, payload, created_at) values (%s, %s, '{}', now())",
            [ZERO, str(uuid4())],
        )
        session.rows("delete from users where id = %s", [user])
        session.run("commit")
    except BaseException:
        session.run("rollback")
        raise


def service(server: Server, database: str) -> Session:
    """The session of the sign-up service."""
    return server.connect(database, server.host.sign_up_role)  # type: ignore[attr-defined]
