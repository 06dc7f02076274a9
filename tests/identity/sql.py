"""Schemas and their identities from SQL text, as a Supabase project has them."""

from __future__ import annotations

from collections.abc import Iterable

from referee.identity import IdentityOptions, identify
from referee.model.identity import Identities, Identity, Mirror
from referee.model.names import QName, Target
from referee.model.schema import Schema
from referee.model.source import Source
from referee.platforms import platform
from referee.read.replay import Replayed, replay

AUTH_USERS = Target(QName("auth", "users"), ("id",))

#: The sync trigger as it should be.
SYNC = """
create function public.handle_new_user() returns trigger
  language plpgsql security definer set search_path = '' as $$
begin
  insert into public.users (id) values (new.id) on conflict (id) do nothing;
  return new;
end $$;
create trigger on_auth_user_created after insert on auth.users
  for each row execute function public.handle_new_user();
"""


def replayed(text: str, host: str = "supabase") -> Replayed:
    """What the text builds; every statement of it has to work."""
    result = replay([Source("schema.sql", text)], platform(host))
    assert [gap.message for gap in result.gaps] == []
    return result


def identities_in(
    schema: Schema,
    sources: Iterable[Target] | None = None,
    canonical: Iterable[Target] = (),
    mirrors: Iterable[Target] = (),
    host: str = "supabase",
) -> Identities:
    wanted = None if sources is None else tuple(sources)
    return identify(schema, IdentityOptions(platform(host), wanted, tuple(canonical), tuple(mirrors)))


def identity_of(text: str, canonical: Iterable[Target] = (), mirrors: Iterable[Target] = ()) -> Identity:
    """The one identity of a Supabase project."""
    [identity] = identities_in(replayed(text).schema, canonical=canonical, mirrors=mirrors).all
    return identity


def mirrors_of(text: str) -> dict[str, Mirror]:
    """The mirrors by what they are printed as: ``public.users(id)``."""
    return {str(mirror.target): mirror for mirror in identity_of(text).mirrors}


def verdicts_of(identity: Identity) -> dict[str, str]:
    """The verdict of each reference by its column: ``songs.owner -> auth.users(id)``."""
    return {
        f"{reference.key.table.name}.{reference.column} -> {reference.key.target}": reference.verdict
        for reference in identity.references
    }


def target(table: str, *columns: str) -> Target:
    schema, name = table.split(".")
    return Target(QName(schema, name), columns)
