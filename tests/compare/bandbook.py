"""Bandbook with two migrations, and the faults that production may have instead."""

from __future__ import annotations

from dataclasses import dataclass, replace

from referee.model.finding import Severity
from referee.postgres.scripts import Script
from tests.scripts import script

LATER = """
alter table public.bands add column genre text;
create index bands_genre_idx on public.bands (genre);
create policy "Everybody reads genres" on public.song_groups for select to anon using (true);
"""


def as_script(version: str, name: str, text: str) -> Script:
    return replace(script(text, f"{version}_{name}.sql"), version=version, name=name)


@dataclass(frozen=True)
class Fault:
    """One thing that somebody did to production, and what a comparison has to say about it.

    ``told`` are words that the consequence holds. ``at_fault`` is what the project's rules say; None where they have no
    opinion, or one about each side.
    """

    name: str
    sql: str
    change: str
    object: str
    severity: Severity
    sqlstate: str | None
    told: tuple[str, ...]
    at_fault: str | None = "right"
    rules: tuple[str, ...] = ()


BANDS_KEY = "bands_created_by_fkey"


def _key(target: str, rest: str = "on delete set null") -> str:
    return (
        f"alter table public.bands drop constraint {BANDS_KEY}, add constraint {BANDS_KEY} "
        f"foreign key (created_by) references {target} {rest}"
    )


_STALE = """
create or replace function public.handle_new_user() returns trigger language plpgsql security definer
set search_path = public as $$
begin
  insert into public.users (id, email, name) values (new.id, new.email, new.email) on conflict (id) do nothing;
  return new;
end $$
"""
_DISABLE_KEY = """
do $$ declare name text; begin
  for name in select tgname from pg_trigger t join pg_constraint k on k.oid = t.tgconstraint
    where k.conname = 'bands_created_by_fkey' and t.tgrelid = 'public.bands'::regclass
  loop execute format('alter table public.bands disable trigger %I', name); end loop;
end $$
"""
ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
_TRIGGER, _FUNCTION = "auth.users.on_auth_user_created", "public.handle_new_user()"
_IDENTITY_KEY, _POLICY = "public.users.users_id_fkey", 'public.bands."Anyone signed in creates a band"'

FAULTS = (
    Fault(
        "trigger dropped",
        "drop trigger on_auth_user_created on auth.users",
        "drop-trigger",
        _TRIGGER,
        ERROR,
        "23503",
        ("No row comes into public.users", "13 keys", "handle_new_user is still there, and nothing calls it"),
        rules=("unsynced-mirror",),
    ),
    Fault(
        "trigger disabled",
        "alter table auth.users disable trigger on_auth_user_created",
        "set-trigger-state",
        _TRIGGER,
        ERROR,
        "23503",
        ("No row comes into public.users", "13 keys"),
        rules=("unsafe-sync-trigger",),
    ),
    Fault(
        "function made invoker",
        "alter function public.handle_new_user() security invoker",
        "alter-function",
        _FUNCTION,
        ERROR,
        "42501",
        ("Every sign-up", "42501"),
        rules=("unsafe-sync-trigger",),
    ),
    Fault(
        "search_path gone",
        "alter function public.handle_new_user() reset search_path",
        "alter-function",
        _FUNCTION,
        WARNING,
        None,
        (
            "a name without a schema is looked up in the search_path of the caller instead of public",
            "nothing fails until the next edit",
        ),
        rules=("unsafe-sync-trigger",),
    ),
    Fault(
        "search_path changed",
        "alter function public.handle_new_user() set search_path = extensions",
        "alter-function",
        _FUNCTION,
        WARNING,
        None,
        ("a name without a schema is looked up in extensions instead of public",),
        at_fault=None,
    ),
    Fault(
        "body stale",
        _STALE,
        "replace-function",
        _FUNCTION,
        WARNING,
        None,
        ("no longer fills public.users.created_date, public.users.last_login and public.users.auth_provider",),
        at_fault=None,
    ),
    Fault(
        "key retargeted",
        _key("auth.users(id)"),
        "retarget-foreign-key",
        f"public.bands.{BANDS_KEY}",
        ERROR,
        "23503",
        ("looked up in auth.users(id) instead of public.users(id)", "unlike the 12 keys"),
        rules=("split-identity-reference",),
    ),
    Fault(
        "key made NOT VALID",
        _key("public.users(id)", "on delete set null not valid"),
        "replace-foreign-key",
        f"public.bands.{BANDS_KEY}",
        WARNING,
        "23503",
        ("were never checked", "restore of a dump"),
        rules=("unvalidated-foreign-key",),
    ),
    Fault(
        "key not enforced",
        f"alter table public.bands alter constraint {BANDS_KEY} not enforced",
        "enforce-foreign-key",
        f"public.bands.{BANDS_KEY}",
        WARNING,
        None,
        ("prevents nothing", "a deletion there does not clear it"),
        rules=("unvalidated-foreign-key",),
    ),
    Fault(
        "key's triggers disabled",
        _DISABLE_KEY,
        "enforce-foreign-key",
        f"public.bands.{BANDS_KEY}",
        WARNING,
        None,
        ("prevents nothing",),
        rules=("unvalidated-foreign-key",),
    ),
    Fault(
        "ON DELETE changed",
        "alter table public.users drop constraint users_id_fkey, "
        "add constraint users_id_fkey foreign key (id) references auth.users (id)",
        "set-on-delete",
        _IDENTITY_KEY,
        ERROR,
        "23503",
        ("A user that public.users refers to cannot be deleted",),
        rules=("blocked-user-deletion",),
    ),
    Fault(
        "policy dropped",
        'drop policy "Anyone signed in creates a band" on public.bands',
        "drop-policy",
        _POLICY,
        ERROR,
        "42501",
        ("authenticated", "can insert nothing into public.bands"),
        at_fault=None,
    ),
    Fault(
        "grant revoked",
        "revoke insert on public.bands from authenticated",
        "revoke-rights",
        "public.bands",
        ERROR,
        "42501",
        ("Role authenticated is refused INSERT on public.bands",),
        at_fault=None,
    ),
    Fault(
        "identity key dropped",
        "alter table public.users drop constraint users_id_fkey",
        "drop-constraint",
        _IDENTITY_KEY,
        WARNING,
        None,
        ("Deleting an account leaves its row in public.users",),
        rules=("unlinked-mirror",),
    ),
    Fault(
        "index dropped",
        "drop index public.bands_created_by_idx",
        "drop-index",
        "public.bands_created_by_idx",
        WARNING,
        None,
        ("Deleting a row of public.users reads the whole of public.bands",),
        rules=("unindexed-foreign-key",),
    ),
    Fault(
        "column type changed",
        "alter table public.users alter column email type varchar(50)",
        "alter-column-type",
        "public.users.email",
        WARNING,
        "22001",
        (
            "holds character varying(50) instead of text",
            "so is the sign-up in which public.handle_new_user() writes it",
        ),
        at_fault=None,
    ),
)
