"""Platforms as values: what they name and what they refuse."""

from __future__ import annotations

import re

import pytest

from referee.errors import UsageError
from referee.model.names import QName
from referee.platforms import PLAIN, SUPABASE, Platform, platform
from referee.sql.split import split


def test_by_name() -> None:
    assert platform("supabase") is SUPABASE
    assert platform("plain") is PLAIN
    with pytest.raises(UsageError, match="supabase and plain"):
        platform("oracle")


def test_modes() -> None:
    assert SUPABASE.default_mode == "exposed"
    assert SUPABASE.scripts("revoked")[-1].path == "platforms/supabase/90_revoked.sql"
    assert SUPABASE.scripts()[-1].path == "platforms/supabase/90_exposed.sql"
    assert PLAIN.scripts() == ()
    with pytest.raises(UsageError, match="no mode 'open'"):
        SUPABASE.scripts("open")


def test_who_signs_up_and_who_migrates() -> None:
    assert str(SUPABASE.identity_source) == "auth.users(id)"
    assert (SUPABASE.sign_up_role, SUPABASE.sign_up_path) == ("supabase_auth_admin", ("auth",))
    assert (SUPABASE.migration_role, SUPABASE.superuser) == ("postgres", "supabase_admin")
    assert QName("storage", "objects") in SUPABASE.beyond.owned_by_host
    assert PLAIN.identity_source is None


@pytest.mark.parametrize("host", [SUPABASE, PLAIN], ids=lambda host: host.name)
def test_stand_ins_say_what_they_imitate_and_what_not(host: Platform) -> None:
    for name, stand_in in host.stand_ins.items():
        assert stand_in.name == name
        assert re.match(rf"Imitates {re.escape(name)} \d", stand_in.limits), name
        assert stand_in.limits.endswith(".")


def test_the_version_of_a_stand_in_is_the_one_that_it_speaks_of() -> None:
    for stand_in in SUPABASE.stand_ins.values():
        said = re.match(r"Imitates \S+ ([\d.]+)", stand_in.limits)
        assert said is not None
        assert stand_in.version.startswith(said[1].rstrip(".")), stand_in.name


def test_files_are_plain_sql() -> None:
    """Both the server and the static replay read them, so no psql command and no block may stand in them."""
    for source in (*SUPABASE.scripts("exposed"), *SUPABASE.scripts("revoked")):
        for statement in split(source.text):
            assert statement.unclosed == -1
            assert statement.blanked == ()
            assert not statement.text(source.text).lower().startswith("do ")


def test_roles_stand_one_statement_a_line() -> None:
    (roles,) = SUPABASE.roles
    lines = [line for line in roles.text.splitlines() if line and not line.startswith("--")]
    assert lines == [f"{statement.text(roles.text)};" for statement in split(roles.text)]
