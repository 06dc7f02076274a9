from __future__ import annotations

import ast

import pytest

from referee.testgen.pytest_file import render
from tests.testgen.schemas import HOSTILE, POSTS, PROFILES, TRIGGER, expected

FULL = PROFILES + POSTS + TRIGGER + "create policy p on public.profiles for select using (true);"


def values(text: str) -> dict[str, object]:
    """The constants of the module."""
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def test_it_pins_what_the_pgtap_file_pins() -> None:
    found = values(render(expected(FULL, "email", "phone", "anonymous")))
    assert found == {
        "REFERENCES": [
            ("public.posts", "author", ["public.profiles(id) ON DELETE SET NULL ON UPDATE NO ACTION"]),
            ("public.profiles", "id", ["auth.users(id) ON DELETE CASCADE ON UPDATE NO ACTION"]),
        ],
        "TRIGGERS": [("auth.users", "on_auth_user_created", "O")],
        "FUNCTIONS": [("public.handle_new_user()", 'postgres SECURITY DEFINER search_path=""')],
        "POLICIES": [("public.profiles", ["p FOR SELECT TO public"])],
        "SIGN_UPS": [("email", "Ada"), ("phone", ""), ("anonymous", "")],
    }


@pytest.mark.parametrize("ways", [(), ("email",)])
def test_what_is_not_there_is_not_written(ways: tuple[str, ...]) -> None:
    found = values(render(expected(PROFILES + POSTS, *ways)))
    assert set(found) == {"REFERENCES", *(["SIGN_UPS"] if ways else [])}


def test_hostile_names_are_python() -> None:
    found = values(render(expected(HOSTILE, "email")))
    references = found["REFERENCES"]
    assert isinstance(references, list)
    assert {column for _, column, _ in references} == {"id", "org;id", "back\\slash"}
