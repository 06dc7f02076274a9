from __future__ import annotations

import json

from referee.model.suite import FileResult, Score, Trial
from referee.render import tests_json, tests_text

SCORE = Score(
    "bänd",
    "pgTAP",
    (FileResult("a.sql", 1200), FileResult("b.sql", 3, ("x is y",), "42P01 no table")),
    (
        Trial("drop the trigger t", "drop-trigger", ("a.sql: x is y",)),
        Trial("drop the policy p", "drop-policy"),
        Trial("let a reference b", "retarget-foreign-key", not_run="23503 rows"),
    ),
)


def test_people_read_what_was_not_noticed_and_what_was_not_tried() -> None:
    assert tests_text.render(SCORE) == (
        "1,203 assertions in 2 files pass on the schema as it is (run by pgTAP).\n"
        "  b.sql does not: x is y; 42P01 no table\n"
        "Of 2 faults, put in one at a time, the tests notice 1.\n"
        "  not noticed: drop the policy p\n"
        "  not tried: let a reference b: 23503 rows\n"
    )


def test_one_of_a_kind_is_told_as_one() -> None:
    one = Score("s", "pgTAP", (FileResult("a.sql", 1),), (Trial("drop the trigger t", "drop-trigger", ("a",)),))
    assert tests_text.render(one) == (
        "1 assertion in 1 file passes on the schema as it is (run by pgTAP).\n"
        "Of 1 fault, put in one at a time, the tests notice 1.\n"
    )


def test_programs_read_every_fault() -> None:
    document = json.loads(tests_json.render([("t/a.sql", True)], SCORE))
    assert list(document) == ["version", "files", "mutation"]
    assert document["version"] == 1
    assert document["files"] == [{"path": "t/a.sql", "changed": True}]
    mutation = document["mutation"]
    assert mutation["summary"] == {"faults": 3, "noticed": 1, "survived": 1, "not_tried": 1}
    assert [fault["verdict"] for fault in mutation["faults"]] == ["noticed", "survived", "not-tried"]
    assert mutation["faults"][2]["reason"] == "23503 rows"
    assert mutation["suite"][1] == {"path": "b.sql", "passed": 3, "failed": ["x is y"], "error": "42P01 no table"}
    assert mutation["subject"] == "bänd"


def test_nobody_asked_for_faults() -> None:
    assert json.loads(tests_json.render([], None)) == {"version": 1, "files": [], "mutation": None}
