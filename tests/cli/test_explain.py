from __future__ import annotations

import pytest

from referee import rules
from referee.cli.main import main


@pytest.mark.parametrize("rule", [rule.id for rule in rules.ALL])
def test_every_rule_has_a_page(rule: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", rule]) == 0
    page = capsys.readouterr().out
    assert page.startswith(f"# {rule}\n\n")
    assert "```sql" in page


def test_an_unknown_rule_is_told_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "split-identity"]) == 2
    assert capsys.readouterr().err == (
        'referee: There is no rule "split-identity". Did you mean "split-identity-reference"? '
        "`referee rules` lists them.\n"
    )
