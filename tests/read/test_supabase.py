from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from referee.read.supabase import MISNAMED, Settings, expand, is_project, read_settings, why_skipped


def test_every_setting_is_read() -> None:
    text = """
    project_id = "bandbook"
    [api]
    schemas = ["public", "api"]
    extra_search_path = ["public"]
    auto_expose_new_tables = false
    [db]
    major_version = 17
    [db.migrations]
    enabled = false
    schema_paths = ["./schemas/tables.sql", "./schemas/*.sql"]
    [db.seed]
    sql_paths = ["./seeds/*.sql"]
    [auth]
    enable_signup = false
    enable_anonymous_sign_ins = true
    [auth.email]
    enable_confirmations = true
    """
    assert read_settings(text) == Settings(
        major_version=17,
        api_schemas=("public", "api"),
        extra_search_path=("public",),
        exposes_new_tables=False,
        migrations_enabled=False,
        schema_paths=("./schemas/tables.sql", "./schemas/*.sql"),
        seed_paths=("./seeds/*.sql",),
        sign_up_enabled=False,
        anonymous_sign_ins=True,
        email_confirmations=True,
    )


def test_an_empty_file_means_the_defaults() -> None:
    assert read_settings("") == Settings()


def test_values_of_a_wrong_type_count_as_absent() -> None:
    text = 'api = 3\n[db]\nmajor_version = "env(VERSION)"\n[auth]\nenable_anonymous_sign_ins = "yes"'
    assert read_settings(text) == Settings()


def test_seeds_can_be_turned_off() -> None:
    assert read_settings("[db.seed]\nenabled = false").seed_paths == ()


def test_text_that_is_no_toml_is_an_error() -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        read_settings("[db")


@pytest.mark.parametrize(
    ("name", "is_first", "reason"),
    [
        ("20240101000000_users.sql", True, None),
        ("1_a.sql", False, None),
        ("1_.sql", False, None),
        ("20240101000000-users.sql", False, MISNAMED),
        ("users.sql", True, MISNAMED),
        ("20240101000000_users.SQL", False, MISNAMED),
        ("20240101000000_users.sql.bak", False, MISNAMED),
        ("x1_users.sql", False, MISNAMED),
        ("20211209000000_init.sql", True, None),
        ("20211208235959_init.sql", False, None),
    ],
)
def test_the_file_filter_of_the_command_line(name: str, is_first: bool, reason: str | None) -> None:
    assert why_skipped(name, is_first) == reason


def test_an_old_init_that_comes_first_is_skipped() -> None:
    assert "never runs a first" in (why_skipped("20211208235959_init.sql", True) or "")


def test_what_counts_as_a_project(tmp_path: Path) -> None:
    for name in ("supabase/migrations", "db/migrations", "other/supabase", "plain/migrations"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "db/config.toml").touch()
    assert is_project(str(tmp_path / "supabase"))
    assert is_project(str(tmp_path / "db"))
    assert not is_project(str(tmp_path / "other/supabase"))
    assert not is_project(str(tmp_path / "plain"))
    assert not is_project(str(tmp_path / "nowhere"))


def test_patterns_keep_their_order_and_name_each_file_once(tmp_path: Path) -> None:
    for name in ("b.sql", "a.sql", "deep/c.sql", "x.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = {
        pattern: [Path(path).relative_to(tmp_path).as_posix() for path in paths]
        for pattern, paths in expand(("./b.sql", "*.sql", "**/*.sql", "none*.sql"), str(tmp_path))
    }
    assert found == {"./b.sql": ["b.sql"], "*.sql": ["a.sql"], "**/*.sql": ["deep/c.sql"], "none*.sql": []}


def test_links_that_lead_back_are_followed_once(tmp_path: Path) -> None:
    # Followed as far as the system lets one, two such links make a million million paths.
    (tmp_path / "deep" / ".hidden").mkdir(parents=True)
    for name in ("one", "two"):
        (tmp_path / "deep" / name).symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("a.sql", "deep/b.sql", "deep/.hidden/c.sql"):
        (tmp_path / name).touch()

    def found(pattern: str) -> list[str]:
        [(_, paths)] = expand((pattern,), str(tmp_path))
        return [os.path.relpath(path, tmp_path) for path in paths]

    assert found("**/*.sql") == found(f"{tmp_path}/**/*.sql") == ["a.sql", "deep/b.sql"]
    assert found("de*/**//b.sql") == ["deep/b.sql"]
