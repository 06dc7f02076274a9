from __future__ import annotations

from pathlib import Path

from referee.cli.group import COMMANDS
from referee.cli.reference import page, rule_pages
from referee.workflow.keys import KEYS

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_every_command_and_every_key_is_on_it() -> None:
    text = page()
    assert all(f"\n## referee {command}\n" in text for command in COMMANDS)
    assert all(f"| `{key.name}` | `{key.option}` | `{key.variable}` |" in text for key in KEYS)


def test_every_rule_has_its_page_and_it_is_current() -> None:
    folder = PAGE.parent / "rules"
    written = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert written == dict(rule_pages()), "run `make docs`"
