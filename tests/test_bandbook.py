"""The example is what its README says, line by line, and its variants differ from it only where they should."""

from __future__ import annotations

import re
import tomllib
from difflib import unified_diff
from pathlib import Path

import pytest

from tests import bandbook
from tests.bandbook import BASELINE, HELPERS, MIRROR_LINES, RIGHT_LINES, VARIANTS, WRITE_LINES, WRONG_LINES, Variant

TABLES = {
    "users",
    "user_profiles",
    "bands",
    "band_memberships",
    "songs",
    "song_groups",
    "song_group_memberships",
    "setlists",
    "shows",
    "practice_sessions",
    "audit_log",
}

USER_REFERENCE = re.compile(r"REFERENCES\s+(?:(auth|public)\.)?users\b", re.IGNORECASE)


def code_lines(text: str) -> list[str]:
    """The lines without their comments; their numbers stay."""
    return [line.split("--")[0] for line in text.splitlines()]


def changes(variant: Variant) -> tuple[list[str], list[str]]:
    """The lines of the migration that a variant takes away, and those that it adds."""
    difference = unified_diff(
        bandbook.migration("broken").splitlines(), bandbook.migration(variant).splitlines(), n=0, lineterm=""
    )
    body = [line for line in difference if not line.startswith(("---", "+++", "@@"))]
    return [line[1:] for line in body if line[0] == "-"], [line[1:] for line in body if line[0] == "+"]


def defining_table(lines: list[str], number: int) -> str:
    """The table whose CREATE TABLE encloses a line."""
    for line in reversed(lines[:number]):
        if found := re.match(r"CREATE TABLE public\.(\w+) \($", line):
            return found[1]
    raise AssertionError(f"line {number} is in no table")


def test_the_mirror_stands_on_its_lines() -> None:
    lines = bandbook.read(BASELINE).splitlines()
    first, last = MIRROR_LINES[0], MIRROR_LINES[-1]
    assert lines[first - 1] == "CREATE TABLE public.users ("
    assert lines[last - 1] == ");"
    assert ");" not in lines[first - 1 : last - 1]


@pytest.mark.parametrize(("schema", "places"), [("auth", WRONG_LINES), ("public", RIGHT_LINES)], ids=["wrong", "right"])
def test_user_references_stand_on_their_lines(schema: str, places: dict[int, tuple[str, str]]) -> None:
    lines = code_lines(bandbook.read(BASELINE))
    for number, (table, column) in places.items():
        assert re.match(rf"  {column} UUID .*REFERENCES {schema}\.users\(id\)", lines[number - 1]), number
        assert defining_table(lines, number) == table


def test_there_are_exactly_thirteen_user_references() -> None:
    lines = code_lines(bandbook.read(BASELINE))
    found = {number: match[1] for number, line in enumerate(lines, 1) if (match := USER_REFERENCE.search(line))}
    assert found == dict.fromkeys(WRONG_LINES, "auth") | dict.fromkeys(RIGHT_LINES, "public")
    assert len(USER_REFERENCE.findall("\n".join(lines))) == 13


def test_the_session_is_written_on_three_lines() -> None:
    lines = code_lines(bandbook.read(BASELINE))
    written = {number: line.strip() for number, line in enumerate(lines, 1) if re.search(r"= auth\.uid\(\);", line)}
    assert written == WRITE_LINES


def test_the_tables_are_the_eleven() -> None:
    created = re.findall(r"^CREATE TABLE public\.(\w+) \($", bandbook.read(BASELINE), re.MULTILINE)
    assert set(created) == TABLES
    assert len(created) == len(TABLES)


def test_row_security_is_on_for_every_table() -> None:
    secured = re.findall(r"ALTER TABLE public\.(\w+) ENABLE ROW LEVEL SECURITY;", bandbook.read(BASELINE))
    assert set(secured) == TABLES


def test_no_policy_lets_a_user_insert_their_own_row() -> None:
    policies = re.findall(r"ON public\.users\s+FOR (\w+) TO (\w+)", bandbook.read(BASELINE))
    assert policies == [("SELECT", "authenticated"), ("UPDATE", "authenticated")]


def test_the_mirror_makes_no_ids_of_its_own() -> None:
    lines = code_lines(bandbook.read(BASELINE))
    key = lines[MIRROR_LINES[1] - 1]
    assert key.split() == ["id", "UUID", "PRIMARY", "KEY,"]


def test_retargeted_changes_six_clauses() -> None:
    removed, added = changes("retargeted")
    assert [line.replace("auth.users", "public.users") for line in removed] == added
    assert len(removed) == 6


def test_synced_adds_a_trigger_and_takes_nothing() -> None:
    removed, added = changes("synced")
    assert removed == []
    assert sum("CREATE TRIGGER" in line for line in added) == 1
    assert sum("CREATE OR REPLACE FUNCTION" in line for line in added) == 1


def test_fixed_is_both() -> None:
    removed, added = changes("fixed")
    assert removed == changes("retargeted")[0]
    assert sorted(added) == sorted(changes("retargeted")[1] + changes("synced")[1])
    assert "auth.users(id)" not in "".join(code_lines(bandbook.migration("fixed")))


def test_the_identity_key_is_the_last_difference() -> None:
    fixed, linked = (bandbook.migration(variant).splitlines() for variant in ("fixed", "fixed_with_identity_key"))
    different = [(before, after) for before, after in zip(fixed, linked, strict=True) if before != after]
    assert len(different) == 1
    assert "REFERENCES auth.users(id) ON DELETE CASCADE" in different[0][1]


def test_only_the_fixed_helper_leaves_the_mirror_to_the_trigger() -> None:
    filling = {variant: "INSERT INTO public.users" in bandbook.helpers(variant) for variant in VARIANTS}
    assert filling == {
        "broken": True,
        "retargeted": True,
        "synced": True,
        "fixed": False,
        "fixed_with_identity_key": False,
    }
    assert all("INSERT INTO auth.users" in bandbook.helpers(variant) for variant in VARIANTS)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_is_a_whole_project(variant: Variant, tmp_path: Path) -> None:
    folder = bandbook.write_project(variant, tmp_path / "project")
    assert (folder / BASELINE).read_text(encoding="utf-8") == bandbook.migration(variant)
    assert (folder / HELPERS).read_text(encoding="utf-8") == bandbook.helpers(variant)
    config = tomllib.loads((folder / "supabase/config.toml").read_text(encoding="utf-8"))
    assert config["project_id"] == "bandbook"
    assert (folder / "supabase/seed.sql").is_file()


@pytest.mark.parametrize("variant", VARIANTS)
def test_lines_are_found_again_in_a_variant(variant: Variant) -> None:
    lines = bandbook.migration(variant).splitlines()
    for number, text in WRITE_LINES.items():
        assert lines[bandbook.line_in(variant, number) - 1].strip() == text
    assert lines[bandbook.line_in(variant, MIRROR_LINES[-1]) - 1] == ");"


def test_broken_is_the_example_itself() -> None:
    assert bandbook.migration("broken") == bandbook.read(BASELINE)
    assert bandbook.helpers("broken") == bandbook.read(HELPERS)
