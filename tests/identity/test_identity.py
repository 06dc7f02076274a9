from referee.identity import IdentityOptions
from referee.platforms import platform
from tests.identity.sql import AUTH_USERS, SYNC, identities_in, identity_of, replayed, target, verdicts_of


def test_the_platform_owns_the_identity() -> None:
    identity = identity_of("create table public.bands (id int);")
    assert identity.source == AUTH_USERS
    assert (identity.writer.role, identity.writer.search_path) == ("supabase_auth_admin", ("auth",))
    assert identity.writer.api_path == ("public", "extensions")


def test_a_plain_database_has_no_identity() -> None:
    schema = replayed("create table public.users (id uuid primary key);", "plain").schema
    assert identities_in(schema, host="plain").all == ()


def test_no_source_at_all_can_be_configured() -> None:
    assert identities_in(replayed("create table public.bands (id int);").schema, sources=()).all == ()


def test_a_project_can_name_its_own_source() -> None:
    schema = replayed(
        """
        create table public.accounts (no bigint primary key, name text);
        create table public.profiles (account bigint primary key references public.accounts (no));
        create table public.posts (author bigint references public.profiles (account));
        """,
        "plain",
    ).schema
    [identity] = identities_in(schema, sources=[target("public.accounts")], host="plain").all
    assert identity.source == target("public.accounts", "no")
    assert [str(mirror.target) for mirror in identity.mirrors] == ["public.profiles(account)"]
    assert verdicts_of(identity) == {
        "posts.author -> public.profiles(account)": "right",
        "profiles.account -> public.accounts(no)": "identity-key",
    }
    assert identity.writer.role == "postgres"


def test_beside_a_source_of_its_own_a_name_is_no_evidence() -> None:
    schema = replayed(
        """
        create table public.accounts (id uuid primary key);
        create table public.members (id uuid primary key);
        create table public.a (x uuid references public.members, y uuid references public.accounts);
        """
    ).schema
    [identity] = identities_in(schema, sources=[target("public.accounts", "id")]).all
    assert identity.mirrors == ()


def test_a_source_that_does_not_exist_is_no_identity() -> None:
    schema = replayed("create table public.pairs (a int, b int, primary key (a, b));").schema
    wanted = [target("public.nobody", "id"), target("public.pairs"), target("public.pairs", "c")]
    assert identities_in(schema, sources=wanted).all == ()


def test_two_sources_are_two_identities() -> None:
    schema = replayed(
        "create table public.customers (id uuid primary key);" + SYNC.replace("public.users", "public.customers")
    )
    found = identities_in(schema.schema, sources=[AUTH_USERS, target("public.customers")])
    assert [identity.source for identity in found.all] == [AUTH_USERS, target("public.customers", "id")]


def test_a_write_is_told_once() -> None:
    schema = replayed(
        """
        create schema test;
        create table public.profiles (id uuid primary key references auth.users (id));
        create table public.posts (
          author uuid default auth.uid() references public.profiles (id),
          note uuid default auth.uid()
        );
        create table test.profiles (id uuid primary key references auth.users (id));
        create table test.posts (author uuid default auth.uid() references test.profiles (id));
        """
    ).schema
    told = [[str(write.owner) for write in identity.writes] for identity in identities_in(schema).all]
    assert told == [["public.posts.author", "public.posts.note", "test.posts.author"], ["test.posts.author"]]


def test_the_options_know_the_platforms_source() -> None:
    assert IdentityOptions(platform("supabase")).wanted_sources == (AUTH_USERS,)
    assert IdentityOptions(platform("plain")).wanted_sources == ()
    assert IdentityOptions(platform("supabase"), sources=()).wanted_sources == ()
