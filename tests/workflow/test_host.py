from __future__ import annotations

from referee.platforms import platform
from referee.read.projects import Migrations
from referee.read.supabase import Settings
from referee.workflow.config import Config
from referee.workflow.host import host_of

PLAIN = Migrations("folder", "sql", "sql", ())


def supabase(settings: Settings | None = None) -> Migrations:
    return Migrations("supabase", ".", "supabase", (), platform="supabase", settings=settings or Settings())


def test_the_files_decide_unless_the_configuration_does() -> None:
    assert host_of(PLAIN, Config()).name == "plain"
    assert host_of(supabase(), Config()).name == "supabase"
    assert host_of(PLAIN, Config(platform="supabase")).name == "supabase"
    assert host_of(supabase(), Config(platform="plain")) == platform("plain")


def test_requests_have_the_first_api_schema_and_the_extra_ones_on_their_path() -> None:
    assert host_of(supabase(), Config()).api_path == ("public", "extensions")
    settings = Settings(api_schemas=("api", "public"), extra_search_path=("public", "extensions"))
    assert host_of(supabase(settings), Config()).api_path == ("api", "public", "extensions")
    assert host_of(supabase(settings), Config(api_schemas=("v1",))).api_path == ("v1", "public", "extensions")
    assert host_of(PLAIN, Config(api_schemas=("api",))).api_path == ("api", "public")


def test_a_project_that_hides_its_new_tables_says_so() -> None:
    assert host_of(supabase(), Config()).default_mode == platform("supabase").default_mode
    assert host_of(supabase(Settings(exposes_new_tables=False)), Config()).default_mode == "revoked"
    assert host_of(supabase(Settings(exposes_new_tables=True)), Config()).default_mode == "exposed"
