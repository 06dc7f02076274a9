from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

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


@st.composite
def schemas(draw: st.DrawFn) -> list[str]:
    """Statements that make a few tables with keys to the source, to a mirror of any kind, and to each other."""
    linked = draw(st.sampled_from(["", "references auth.users (id)"]))
    texts = [f"create table public.users (id uuid primary key {linked});"]
    targets = ["auth.users (id)", "public.users (id)"]
    if draw(st.booleans()):
        texts.append("create table public.profiles (id uuid primary key references public.users (id));")
        targets.append("public.profiles (id)")
    for number in range(draw(st.integers(0, 4))):
        columns = ["id int"]
        for aims in draw(st.lists(st.lists(st.sampled_from(targets), max_size=2), max_size=3)):
            default = draw(st.sampled_from(["null", "auth.uid()"]))
            keys = " ".join(f"references {aim}" for aim in aims)
            columns.append(f"c{len(columns)} uuid default {default} {keys}")
        texts.append(f"create table public.t{number} ({', '.join(columns)});")
    if draw(st.booleans()):
        texts.append("create policy own on public.users using (id = auth.uid());")
    if draw(st.booleans()):
        texts.append(SYNC)
    return texts


@settings(max_examples=40, deadline=None)
@given(schemas())
def test_every_user_reference_has_one_verdict_and_those_that_vote_are_counted(texts: list[str]) -> None:
    schema = replayed("\n".join(texts)).schema
    [identity] = identities_in(schema).all
    keys = [key for key in schema.foreign_keys() if key.table.schema == "public"]
    aims = {identity.source.table, *identity.mirror_by_table}
    assert {reference.key for reference in identity.references} == {key for key in keys if key.target.table in aims}
    assert len(identity.references) == len({(reference.key.ref, reference.column) for reference in identity.references})
    verdicts = Counter(reference.verdict for reference in identity.references)
    assert verdicts["right"] + verdicts["wrong"] == sum(count for _, count in identity.votes)
    assert verdicts["right"] == dict(identity.votes).get(identity.canonical, 0)
    for reference in identity.references:
        assert (reference.partner is not None) == (reference.verdict == "dual")
        assert reference.verdict != "wrong" or reference.key.target != identity.canonical
    for write in identity.writes:
        assert {(key.table, column) for key in write.reaches for column in key.columns} <= set(write.columns)


@settings(max_examples=40, deadline=None)
@given(schemas(), st.randoms())
def test_the_order_of_the_statements_does_not_matter(texts: list[str], random: Random) -> None:
    """Tables come first, in the order of their references; policies, triggers and the rest in any."""
    heads = [text for text in texts if " public.users (" in text or " public.profiles (" in text]
    rest = [text for text in texts if text not in heads]
    shuffled = random.sample(rest, len(rest))
    first, second = (identities_in(replayed("\n".join(heads + tail)).schema) for tail in (rest, shuffled))
    assert first == second
