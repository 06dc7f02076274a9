from __future__ import annotations

from types import ModuleType

import pytest

from referee.testgen import pgtap, pytest_file
from referee.testgen.seal import is_intact
from tests.testgen.schemas import POSTS, PROFILES, TRIGGER, expected

FULL = PROFILES + POSTS + TRIGGER


@pytest.mark.parametrize("module", [pgtap, pytest_file])
def test_a_generated_file_tells_whether_it_was_changed(module: ModuleType) -> None:
    text = module.render(expected(FULL, "email"))
    assert is_intact(text)
    assert is_intact(text.replace("\n", "\r\n"))
    assert is_intact(text.replace("SELECT", "select").replace("    ", "\t"))
    assert not is_intact(text.replace("public.posts", "public.post"))
    assert not is_intact(text + "x")
    assert not is_intact("-- Written by `referee tests`")


def test_a_formatter_makes_no_difference() -> None:
    text = pytest_file.render(expected(FULL, "email"))
    assert is_intact(text.replace("'", '"').replace("]),\n", "],),\n\n"))
