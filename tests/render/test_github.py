from __future__ import annotations

from dataclasses import replace

from referee.model.finding import Severity
from referee.model.source import Location
from referee.render.github import render
from tests.render.diagnoses import CLEAN, FULL, SPLIT, hostile

FILE = "supabase/migrations/1_baseline.sql"


def test_each_finding_is_a_command() -> None:
    first, second, third, *log = render(FULL).splitlines()
    assert first == (
        f"::error file={FILE},line=3,endLine=3,col=43,endColumn=69,title=split-identity-reference (likely)::"
        "public.songs(edited_by) references auth.users(id), while the others point to public.users(id). "
        "An insert is accepted here and refused elsewhere with 23503.%0A"
        "fix: let public.songs.songs_edited_by_fkey reference public.users(id) instead of auth.users(id)"
    )
    assert second == (
        f"::notice file={FILE},line=4,endLine=4,col=1,endColumn=6,title=referee::This comment suppresses nothing."
    )
    assert third == "::notice title=referee::By the way."
    assert log[0] == "1 error (2 suppressed, 3 in the baseline)."


def test_severities_are_the_commands_of_github() -> None:
    for severity, command in ((Severity.WARNING, "::warning "), (Severity.INFO, "::notice ")):
        finding = replace(SPLIT, problem=replace(SPLIT.problem, severity=severity))
        assert render(replace(CLEAN, findings=(finding,))).startswith(command)


def test_over_several_lines_there_are_no_columns() -> None:
    finding = replace(SPLIT, location=Location("a.sql", 3, 5, 4, 2))
    assert render(replace(CLEAN, findings=(finding,))).startswith("::error file=a.sql,line=3,endLine=4,title=")


def test_without_a_place_the_object_is_named() -> None:
    text = render(replace(CLEAN, findings=(replace(SPLIT, location=None),)))
    assert text.startswith(
        "::error title=split-identity-reference (likely)::public.songs.songs_edited_by_fkey: public.songs(edited_by)"
    )


def test_paths_are_seen_from_the_root_of_the_repository() -> None:
    assert f"file=apps/db/{FILE},line" in render(FULL, "apps/db/{}".format)


def test_hostile_names_make_no_command_of_their_own() -> None:
    lines = render(hostile()).split("\n")
    commands = [line for line in lines if line.startswith("::")]
    assert [line.split(" ")[0] for line in commands] == ["::error", "::notice"]
    properties = commands[0].removeprefix("::error ").split("::")[0]
    assert [part.split("=")[0] for part in properties.split(",")] == ["file", "line", "endLine", "title"]
    assert properties.startswith("file=a%2Cb%3Ac%25d/Org's 🎸%0A.sql,")


def test_a_clean_result_states_its_scope() -> None:
    assert render(CLEAN).startswith("Nothing found.\nChecked bandbook")
