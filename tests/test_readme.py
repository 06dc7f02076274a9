"""What the README shows is what the commands print."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from referee import rules

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SCREENS = re.findall(r"^```text\n\$ referee ([^\n]*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def run(arguments: str) -> str:
    """What a command prints, run where a reader would run it."""
    command = [sys.executable, "-m", "referee", *arguments.split()]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def test_there_is_a_screen() -> None:
    assert SCREENS


@pytest.mark.parametrize(("arguments", "screen"), SCREENS)
def test_screens_are_what_is_printed(arguments: str, screen: str) -> None:
    printed, at = run(arguments), 0
    for part in screen.split("\n...\n"):
        found = printed.find(part.strip("\n"), at)
        assert found >= 0, f"`referee {arguments}` no longer prints:\n{part}"
        at = found + len(part.strip("\n"))


def test_every_rule_has_its_line() -> None:
    listed = set(re.findall(r"^\| `([a-z-]+)` \|", README, re.MULTILINE))
    assert {rule.id for rule in rules.ALL} <= listed


def test_the_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"^make (\w+)", README, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_pages_exist() -> None:
    for page in set(re.findall(r"\]\((docs/[^)#]+)", README)):
        assert (ROOT / page).exists(), page
