from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from referee.errors import ReadError, UsageError
from referee.model.finding import Finding
from referee.model.source import Location
from referee.workflow.baseline import Baseline, compare, read_baseline, write_baseline
from tests.workflow.findings import finding

pytestmark = pytest.mark.usefixtures("own_rules")

RAN = ("lost-key", "late-trigger")


@pytest.fixture(autouse=True)
def _in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(findings: Sequence[Finding]) -> Baseline:
    write_baseline("written.json", findings)
    return read_baseline("written.json")


ONE, TWO, THREE = finding(name="one"), finding(name="two"), finding("late-trigger", name="three")


def test_what_was_written_down_is_old(tmp_path: Path) -> None:
    write_baseline(tmp_path / "b.json", [ONE, TWO])
    found = compare([ONE, TWO, THREE], read_baseline(tmp_path / "b.json"), RAN)
    assert (found.findings, found.baselined, found.notices) == ((THREE,), 2, ())


def test_an_old_finding_may_move() -> None:
    moved = replace(ONE, location=Location("other.sql", 99, 1, 99, 2))
    assert compare([moved], written([ONE]), RAN).findings == ()


def test_each_old_finding_counts_once() -> None:
    assert compare([ONE, ONE], written([ONE]), RAN).findings == (ONE,)
    assert compare([ONE, ONE], written([ONE, ONE]), RAN).findings == ()


def test_old_findings_that_are_gone_are_told() -> None:
    (notice,) = compare([], written([ONE]), RAN).notices
    assert notice.message == (
        "1 finding of the baseline is gone: lost-key on public.songs.one. Write it anew with --write-baseline."
    )
    (notice,) = compare([], written([finding(name=str(n)) for n in range(5)]), RAN).notices
    assert notice.message.startswith("5 findings of the baseline are gone: ")
    assert " and 2 more. Write" in notice.message


def test_findings_of_a_rule_that_did_not_run_are_not_gone() -> None:
    assert compare([], written([THREE]), ("lost-key",)).notices == ()


def test_the_file_is_for_readers_and_the_same_each_time(tmp_path: Path) -> None:
    write_baseline(tmp_path / "a.json", [ONE, TWO, THREE])
    write_baseline(tmp_path / "b.json", [THREE, TWO, ONE])
    text = (tmp_path / "a.json").read_text()
    assert text == (tmp_path / "b.json").read_text()
    assert text.endswith("}\n")
    assert json.loads(text)["findings"][0] == {
        "fingerprint": THREE.fingerprint,
        "rule": "late-trigger",
        "object": "public.songs.three",
        "message": "The key points to the wrong table.",
    }


def test_a_baseline_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"There is no baseline .*b\.json\. Check the path, or write one"):
        read_baseline(tmp_path / "b.json")


@pytest.mark.parametrize("text", ["", "[]", '{"version": 1}', '{"version": 1, "findings": [{}]}', "\xff"])
def test_a_file_that_is_no_baseline(tmp_path: Path, text: str) -> None:
    (tmp_path / "b.json").write_text(text, encoding="latin-1")
    with pytest.raises(ReadError, match=r"b\.json is no baseline of referee"):
        read_baseline(tmp_path / "b.json")


def test_a_baseline_of_a_later_version(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text('{"version": 2, "findings": []}')
    with pytest.raises(ReadError, match="version 2; this referee knows version 1"):
        read_baseline(tmp_path / "b.json")


def test_a_folder_is_no_baseline(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="could not be read"):
        read_baseline(tmp_path)
    with pytest.raises(UsageError, match="could not be written"):
        write_baseline(tmp_path / "missing" / "b.json", [])
