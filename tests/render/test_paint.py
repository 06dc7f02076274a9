from __future__ import annotations

import io

import pytest

from referee.render.paint import painter


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_a_terminal_gets_colour() -> None:
    painted = painter(Terminal())("error", "wrong")
    assert painted.startswith("\x1b[")
    assert "wrong" in painted
    assert painted.endswith("\x1b[0m")


def test_a_file_gets_none() -> None:
    assert painter(io.StringIO())("error", "wrong") == "wrong"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_none_gets_none(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert painter(Terminal())("error", "wrong") == "wrong"
