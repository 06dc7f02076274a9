"""What `fix` prints: a plan with everything that it may say, for people and for programs."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace

from referee.model import change as changes
from referee.model.finding import Finding, Problem, Severity
from referee.model.names import QName, Ref
from referee.model.plan import Embedding, Lock, Phase, Plan, Question, Step
from referee.model.repair import Check, FileChange, Proof, Proposal, Repair
from referee.render import fix_json, fix_text

USERS, SONGS, AUTH = QName("public", "users"), QName("public", "songs"), QName("auth", "users")
FILL = Step(
    Phase.BACKFILL,
    "insert into public.users select",
    "the accounts get their rows; this counts them:\nselect 1",
    (Lock(USERS, "ROW EXCLUSIVE"),),
    repeatable=True,
    rows=1,
    hazards=("mind one", "mind both"),
    touches="select 1",
)
CHECK = Step(
    Phase.VALIDATE,
    "alter table public.songs validate constraint k",
    "every row is checked",
    (Lock(SONGS, "SHARE UPDATE EXCLUSIVE"),),
    rows=5_000_000,
    touches=SONGS,
)
DROP = Step(
    Phase.CONTRACT,
    "alter table public.songs drop constraint k",
    "the key goes",
    (Lock(SONGS, "ACCESS EXCLUSIVE"), Lock(AUTH, "ACCESS EXCLUSIVE")),
    alone=True,
    rows=0,
    hazards=("mind both",),
    undo=("alter table public.songs add k",),
)
OTHER = Step(Phase.EXPAND, "comment on table public.songs is 'x'", "a comment", undo=None)
PLAN = Plan(
    "abc",
    (OTHER, FILL, CHECK, DROP),
    (),
    ("select from nothing",),
    (
        Embedding("gained", SONGS, USERS, "songs_by_fkey"),
        Embedding("lost", SONGS, QName("public", "people"), "songs_by_fkey"),
        Embedding("ambiguous", SONGS, USERS, "songs_of_fkey"),
    ),
    True,
)
REPAIR = Repair(
    "project",
    "migration",
    "as asked for",
    (Proposal(changes.CreateIndex(SONGS, ("by",)), ()),),
    (FileChange("migrations/2.sql", None, "select 1;\n"),),
    (Question("what of it", "What becomes of it?", "leave", "It is safe.", ("leave", "drop"), "leave"),),
    PLAN,
    Proof("18.6", (Check("it holds", True),)),
    commands=("# change the schema", "psql"),
)


def text(repair: Repair = REPAIR) -> str:
    return fix_text.render(repair, columns=200)


def test_each_step_says_its_locks_its_rows_and_whether_it_can_be_repeated() -> None:
    lines = text().splitlines()
    at = lines.index("Plan")
    comment, fill, validate, drop = lines[at + 1 : at + 5]
    assert comment == "  1. expand: a comment (no table is locked)"
    assert fill == (
        "  2. backfill: the accounts get their rows (ROW EXCLUSIVE on public.users; 1 row; can be repeated)"
    )
    assert validate.endswith("every row is checked (SHARE UPDATE EXCLUSIVE on public.songs; about 5,000,000 rows)")
    locks = "ACCESS EXCLUSIVE on public.songs; ACCESS EXCLUSIVE on auth.users"
    assert drop == f"  4. contract: the key goes ({locks}; no rows, only the catalog)"
    # Each hazard once, whatever number of steps has it.
    assert lines[at + 5 : at + 7] == ["  mind: mind one", "  mind: mind both"]


def test_clients_are_told_what_they_notice() -> None:
    said = text()
    assert "public.songs can embed public.users along songs_by_fkey." in said
    assert "public.songs can no longer embed public.people along songs_by_fkey." in said
    assert "related by more than songs_of_fkey now" in said
    assert "PGRST201" in said
    assert "generated anew" in said
    silent = text(replace(REPAIR, plan=replace(PLAN, embeddings=(), changes_types=False)))
    assert "clients" not in silent.lower()


def test_verification_and_commands_can_be_copied() -> None:
    said = text()
    assert "finds nothing when all is well\n  select from nothing;\n" in said
    assert said.endswith("Then test and deliver it:\n  # change the schema\n  psql\n")
    assert "to decide otherwise (leave, drop): --answer 'what of it=...'" in said


def test_an_answer_is_one_word_for_a_shell_whatever_the_names_in_it() -> None:
    [question] = REPAIR.questions
    hostile = replace(question, id=f'on-delete "Org\'s"."{"n" * 63}"."mem""bers"')
    lines = fix_text.render(replace(REPAIR, questions=(hostile,)), columns=80).splitlines()
    [option] = [line.strip() for line in lines if "--answer" in line]
    assert shlex.split(option) == ["--answer", f"{hostile.id}=..."]


def test_without_a_proof_that_holds_nothing_is_said_of_delivery() -> None:
    said = text(replace(REPAIR, proof=Proof("18.6", (Check("it holds", False),))))
    assert said.endswith("The proof does not hold, so nothing was written.\n")


def test_each_file_that_was_written_has_a_line() -> None:
    more = (*REPAIR.files, FileChange("rollbacks/2.sql", None, "select 2;\n", "rollback"))
    assert "Written:\n  migrations/2.sql\n  rollbacks/2.sql\n" in text(replace(REPAIR, files=more, written=True))


def test_a_finding_that_takes_two_changes_is_counted_once() -> None:
    problem = Problem(Ref("table", *SONGS), "A cause.", "A consequence.", Severity.ERROR)
    finding = Finding("a-rule", problem, None, (), "abc")
    both = tuple(Proposal(changes.CreateIndex(SONGS, (column,)), (finding,)) for column in ("by", "of"))
    assert "2 changes for 1 finding, new migrations (as asked for)." in text(replace(REPAIR, proposals=both))


def test_what_was_not_proven_is_not_called_so() -> None:
    assert "  proven    " in text()
    for proof in (None, Proof("18.6", (Check("it holds", False, ("it does not",)),))):
        said = text(replace(REPAIR, proof=proof))
        assert "  unproven  " in said
        assert "  proven    " not in said
    assert "nothing was run (--no-verify)" in text(replace(REPAIR, proof=None))


def test_programs_get_all_of_it() -> None:
    found = json.loads(fix_json.render(REPAIR))
    assert [step["undo"] for step in found["steps"]] == [None, [], [], ["alter table public.songs add k"]]
    assert [step["rows"] for step in found["steps"]] == [None, 1, 5_000_000, 0]
    assert found["steps"][3]["locks"] == [
        {"relation": "public.songs", "mode": "ACCESS EXCLUSIVE"},
        {"relation": "auth.users", "mode": "ACCESS EXCLUSIVE"},
    ]
    assert found["embeddings"][2] == {
        "change": "ambiguous",
        "referencing": "public.songs",
        "referenced": "public.users",
        "key": "songs_of_fkey",
    }
    assert (found["changes_types"], found["verification"]) == (True, ["select from nothing"])
    edited = json.loads(fix_json.render(replace(REPAIR, way="in-place", plan=None)))
    assert (edited["steps"], edited["embeddings"], edited["schema_before"]) == ([], [], None)
