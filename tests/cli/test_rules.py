from __future__ import annotations

import json

import pytest

from referee import rules
from referee.cli.main import main


def test_every_rule_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [rule.id for rule in rules.ALL]
    assert [line.split()[1] for line in lines] == [str(rule.severity) for rule in rules.ALL]


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["version"] == 1
    assert [rule["id"] for rule in data["rules"]] == [rule.id for rule in rules.ALL]
    assert set(data["rules"][0]) == {"id", "severity", "summary"}
