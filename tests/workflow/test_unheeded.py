"""What the configuration says about identities is heeded, or the reader learns that it was not."""

from __future__ import annotations

from pathlib import Path

import pytest

from referee.model.names import QName, Target
from referee.render import identities as page
from referee.workflow.check import check, identities
from referee.workflow.config import Canonical, Config

MIGRATION = """
create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
create table public.posts (author uuid references public.profiles (id) on delete cascade);
create table app_accounts (id bigint primary key);
create table app_members (id bigint primary key references app_accounts (id));
create table app_notes (writer bigint references app_members (id), reader bigint references app_accounts (id));
"""
PROFILES = Target(QName("public", "profiles"), ())
ACCOUNTS = Target(QName("public", "app_accounts"), ())
USERS = Target(QName("auth", "users"), ())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "supabase" / "migrations"
    folder.mkdir(parents=True)
    (folder / "1_start.sql").write_text(MIGRATION)
    return tmp_path


def config(*canonical: Canonical, sources: tuple[Target, ...] | None = None) -> Config:
    return Config(sources=sources, canonical=canonical, cache=False, select=())


@pytest.mark.parametrize(
    "wish",
    [
        Canonical(None, PROFILES),
        Canonical(USERS, PROFILES),
        Canonical(Target(USERS.table, ("id",)), Target(PROFILES.table, ("id",))),
        Canonical(None, USERS),
    ],
)
def test_what_was_heeded_needs_no_notice(project: Path, wish: Canonical) -> None:
    diagnosis = check(project, config(wish))
    assert [identity.decided_by for identity in diagnosis.identities.all] == ["configuration"]
    assert diagnosis.notices == ()


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (
            Canonical(None, Target(QName("public", "nope"), ())),
            "user references may point to auth.users(id), public.profiles(id).",
        ),
        (Canonical(None, Target(PROFILES.table, ("nope",))), "public.profiles(nope) is configured as canonical"),
        (Canonical(Target(QName("auth", "nope"), ()), PROFILES), "auth.nope does not own an identity here"),
        (Canonical(Target(USERS.table, ("email",)), PROFILES), "auth.users(email) does not own an identity here"),
    ],
)
def test_a_canonical_table_that_was_not_heeded_is_told(project: Path, wish: Canonical, said: str) -> None:
    diagnosis = check(project, config(wish))
    [notice] = diagnosis.notices
    assert "was not heeded" in notice.message
    assert said in notice.message
    assert said in " ".join(page.render(identities(project, config(wish))).split())


def test_a_canonical_table_counts_for_its_source_alone(project: Path) -> None:
    wish = Canonical(ACCOUNTS, Target(ACCOUNTS.table, ("id",)))
    found = check(project, config(wish, sources=(USERS, ACCOUNTS)))
    decided = {str(identity.source.table): identity.decided_by for identity in found.identities.all}
    assert decided["public.app_accounts"] == "configuration"
    assert decided["auth.users"] != "configuration"
    assert found.notices == ()


@pytest.mark.parametrize("columns", [(), ("nope",)])
def test_a_source_that_was_not_read_is_told(project: Path, columns: tuple[str, ...]) -> None:
    diagnosis = check(project, config(sources=(Target(QName("app", "nope"), columns),)))
    assert diagnosis.identities.all == ()
    [notice] = diagnosis.notices
    assert notice.message.startswith("app.nope")
    assert "was not heeded: no such table was read" in notice.message
    assert "was not heeded" in page.render(diagnosis)
