"""Rehearses real projects and compares with what is known of their triggers: python -m tests.corpus.prove FOLDER

FOLDER holds checkouts of the projects that ``facts/projects.tsv`` lists, each in a folder named after its unit. Nothing
of theirs is kept here. For each project with a trigger on auth.users the outcome of a sign-up with an e-mail address,
of one without, and of deleting a user who has nothing else is compared with ``facts/triggers.tsv``. Units can be named
behind the folder; ``--all`` rehearses every project whole and prints how long that took.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from referee.errors import RefereeError
from referee.model.rehearsal import FlowResult, Rehearsal
from referee.workflow.config import Config
from referee.workflow.prove import Wish, prove

_FACTS = Path(__file__).parent / "facts"
# Outcomes that differ from the facts, and why referee's are right.
_EXPLAINED = {
    ("mckaywrigley__chatbot-ui", "deletion"): (
        "a trigger on deletion calls the http extension. Where that is missing the call fails (42704); here a stand-in "
        "answers 200, and what calls it is listed as unverified"
    ),
}
_FLOWS = ("sign-up-email-confirmed", "sign-up-anonymous", "sign-up-phone", "hard-delete")


@dataclass(frozen=True, slots=True)
class Known:
    """What was seen when users were inserted into a project's replayed schema and deleted."""

    unit: str
    replayed: bool
    with_email: str
    without_email: str
    deleted: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One outcome that is another than the known one."""

    unit: str
    what: str
    known: str
    seen: str
    why: str


def known() -> dict[str, Known]:
    """The facts by unit; a project with several triggers has the same outcomes in each line."""
    with (_FACTS / "triggers.tsv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return {
            row["unit"]: Known(
                row["unit"],
                row["probe_replay_ok"] == "True",
                row["signup_email"],
                row["signup_null_email"],
                row["delete_user"],
            )
            for row in rows
        }


def migrations() -> dict[str, str]:
    """Where each unit keeps its migrations, seen from the folder of checkouts."""
    with (_FACTS / "projects.tsv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return {row["unit"]: f"{row['unit'].partition('#')[0]}/{row['migrations']}" for row in rows}


def rehearse(path: Path, only: Sequence[str] = _FLOWS) -> Rehearsal:
    return prove(path, Config(platform="supabase"), Wish(tuple(only), races=not only)).rehearsals[0]


def compare(fact: Known, rehearsal: Rehearsal) -> Iterator[Difference]:
    """Where the rehearsal says something else than the facts."""
    flows = {flow.flow: flow for flow in rehearsal.flows}
    expectations = (fact.with_email, fact.without_email, fact.deleted)
    for (what, name), expected in zip(_COMPARED, expectations, strict=True):
        seen = flows[name]
        if _outcome(seen) != expected:
            yield Difference(fact.unit, what, expected, _outcome(seen), _why(seen))


_COMPARED = (
    ("sign-up with e-mail", "sign-up-email-confirmed"),
    ("sign-up without e-mail", "sign-up-anonymous"),
    ("deletion", "hard-delete"),
)


def _beside(fact: Known | None, rehearsal: Rehearsal, differences: Sequence[Difference]) -> str:
    """What was seen, and whether the facts say so."""
    flows = {flow.flow: flow for flow in rehearsal.flows}
    seen = ", ".join(f"{what} {_outcome(flows[name])}" for what, name in _COMPARED)
    if fact is None:
        return seen
    return f"{seen}: {'different' if differences else 'the same'}"


def _outcome(flow: FlowResult) -> str:
    return {"pass": "OK", "fail": "ERR"}.get(flow.outcome, flow.outcome)


def _why(flow: FlowResult) -> str:
    if flow.failed_step is None:
        return flow.reason or "; ".join(flow.notes)
    failure = flow.failed_step.failure
    by = failure.raised_by
    where = f", raised by {by.function} line {by.line}" if by is not None else ""
    return f"{failure.sqlstate} {failure.message}{where}"


def main(arguments: Sequence[str]) -> int:
    whole = "--all" in arguments
    folder, *units = [one for one in arguments if one != "--all"]
    facts, places = known(), migrations()
    differences = 0
    for unit in units or (sorted(places) if whole else sorted(facts)):
        begin = time.perf_counter()
        try:
            rehearsal = rehearse(Path(folder) / places[unit], () if whole else _FLOWS)
        except RefereeError as error:
            print(f"{unit}: {error}")
            differences += unit in facts
            continue
        broken = [one for one in rehearsal.unverified if one.failed_statement]
        found = list(compare(facts[unit], rehearsal)) if unit in facts else []
        state = "replays" if not broken else f"{len(broken)} statements fail"
        print(f"{unit}: {state}, {time.perf_counter() - begin:.1f} s, {_beside(facts.get(unit), rehearsal, found)}")
        for one in found:
            explained = _EXPLAINED.get((unit, one.what))
            print(f"    {one.what}: known {one.known}, seen {one.seen}: {explained or one.why}")
            differences += explained is None
        if whole:
            _summarise(rehearsal)
    return int(differences > 0)


def _summarise(rehearsal: Rehearsal) -> None:
    unmade = [one for one in rehearsal.references if one.not_run is not None]
    print(
        f"    {len(rehearsal.references)} references, {len(unmade)} without a row; "
        f"{len(rehearsal.writes)} writes; {len(list(rehearsal.failures()))} failures"
    )
    for one in unmade:
        print(f"      {one.key.ref}: {one.not_run}")
    if rehearsal.deletion is not None:
        for table, reason in rehearsal.deletion.unmade:
            print(f"      deletion, {table}: {reason}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
