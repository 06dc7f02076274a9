"""What referee reads and finds in real projects, beside what is known of them: python -m tests.corpus.compare FOLDER

FOLDER holds checkouts of the projects that ``facts/projects.tsv`` lists, each in a folder ``owner__name``. Nothing of
theirs is kept here. Every foreign key of ``facts/foreign-keys.tsv`` is looked for in the replayed schema, with its
target, its ON DELETE and the line on which it begins; then ``facts/verdicts.tsv`` is compared with what a check finds.
Units can be named behind the folder; ``--all`` prints every difference and not only the first ones.

Ends with 1 if fewer than 99.5 % of the keys that were read from a server's catalog are found, or a verdict is wrong.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from referee.errors import RefereeError
from referee.model.schema import ForeignKey
from referee.workflow.check import Reading, examine, read
from referee.workflow.config import Config

FACTS = Path(__file__).parent / "facts"
CONFIG = Config(platform="supabase", cache=False)
WANTED = 0.995
_SHOWN = 3


class Known(NamedTuple):
    """A foreign key that a project is known to have. ``source`` is how it is known: "catalog" or "static"."""

    unit: str
    table: str
    column: str
    target: str
    on_delete: str
    file: str
    line: int
    source: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.table}.{self.column} -> {self.target} ON DELETE {self.on_delete}"


class Project(NamedTuple):
    """Where a unit's checkout and its migrations are, below the folder of checkouts."""

    unit: str
    checkout: str
    migrations: str

    def path(self, folder: Path) -> Path:
        """What a check is given: a ``supabase`` folder, or the folder of migrations."""
        migrations = folder / self.checkout / self.migrations
        return migrations.parent if migrations.parts[-2:] == ("supabase", "migrations") else migrations


class Verdict(NamedTuple):
    """What a person found in a project: whether it splits an identity, and the rules that have something to say."""

    unit: str
    split: bool
    rules: tuple[str, ...]


@dataclass
class Agreement:
    """How many of a unit's keys were found as they are known."""

    unit: str
    found: dict[str, int]
    known: dict[str, int]
    differences: list[str]


def table(name: str) -> list[dict[str, str]]:
    with (FACTS / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def projects() -> dict[str, Project]:
    return {
        row["unit"]: Project(row["unit"], row["repository"].replace("/", "__"), row["migrations"])
        for row in table("projects.tsv")
    }


def known_keys() -> dict[str, list[Known]]:
    """The known keys by unit."""
    found: dict[str, list[Known]] = {}
    for row in table("foreign-keys.tsv"):
        names = (row["unit"], row["table"], row["column"], row["target"], row["on_delete"], row["file"])
        key = Known(*names, int(row["line"]), row["source"])
        found.setdefault(key.unit, []).append(key)
    return found


def verdicts() -> list[Verdict]:
    return [
        Verdict(
            row["unit"],
            row["split"] == "yes",
            tuple(word.split()[0] for word in row["other findings"].split(";") if word.strip()),
        )
        for row in table("verdicts.tsv")
    ]


# Keys


def compare_keys(unit: str, wanted: Sequence[Known], reading: Reading) -> Agreement:
    """Looks for each known key in what a unit's migrations build."""
    agreement = Agreement(unit, {}, {}, [])
    by_column: dict[tuple[str, str], list[ForeignKey]] = {}
    for key in reading.replayed.schema.foreign_keys():
        for column in key.columns:
            by_column.setdefault((f"{key.table.schema}.{key.table.name}", column), []).append(key)
    for known in wanted:
        agreement.known[known.source] = agreement.known.get(known.source, 0) + 1
        reason = _difference(known, by_column.get((known.table, known.column), []), reading)
        if reason is None:
            agreement.found[known.source] = agreement.found.get(known.source, 0) + 1
        else:
            agreement.differences.append(f"{known.source:8}{known}: {reason}")
    return agreement


def _difference(known: Known, candidates: Sequence[ForeignKey], reading: Reading) -> str | None:
    same = [
        key
        for key in candidates
        if str(key.target).replace('"', "") == known.target and key.on_delete == known.on_delete
    ]
    if not same:
        read = ", ".join(f"{key.target} ON DELETE {key.on_delete}" for key in candidates)
        return f"read as {read}" if read else "not read"
    places = list(_places(same, reading))
    if (known.file, known.line) in places:
        return None
    return "read at " + ", ".join(f"{file}:{line}" for file, line in places)


def _places(keys: Sequence[ForeignKey], reading: Reading) -> Iterator[tuple[str, int]]:
    """File and line on which the definition of each key begins."""
    origins = reading.replayed.origins
    for key in keys:
        span = origins.definitions.get(key.ref)
        location = None if span is None else origins.locate(span)
        if location is not None:
            yield Path(location.file).name, location.line


# Verdicts


def compare_verdict(verdict: Verdict, reading: Reading) -> Iterator[str]:
    """What a check says otherwise than a person did."""
    replayed = reading.replayed
    found = {finding.rule for finding in examine(replayed.schema, reading.identities, replayed.origins, CONFIG)}
    if ("split-identity-reference" in found) != verdict.split:
        yield f"splits an identity: {verdict.split} by hand, {not verdict.split} by referee"
    for rule in verdict.rules:
        if rule not in found:
            yield f"{rule}: by hand only"


# The whole


def main(arguments: Sequence[str]) -> int:
    options = [argument for argument in arguments if argument.startswith("-")]
    folder, *units = [argument for argument in arguments if not argument.startswith("-")] or [""]
    if not folder or not Path(folder).is_dir() or set(options) - {"--all"}:
        print(__doc__, file=sys.stderr)
        return 2
    shown = sys.maxsize if "--all" in options else _SHOWN
    everything, known = projects(), known_keys()
    agreements: list[Agreement] = []
    readings: dict[str, Reading] = {}
    for unit in units or known:
        project = everything[unit]
        try:
            readings[unit] = reading = read(project.path(Path(folder)), CONFIG)
        except RefereeError as error:
            print(f"{unit}: {error}", file=sys.stderr)
            return 2
        agreements.append(compare_keys(unit, known[unit], reading))
        _print(agreements[-1], len(reading.replayed.gaps), shown)
    wrong = list(_compare_verdicts(readings))
    return _summarise(agreements, wrong)


def _compare_verdicts(readings: dict[str, Reading]) -> Iterator[str]:
    for verdict in verdicts():
        if verdict.unit in readings:
            for difference in compare_verdict(verdict, readings[verdict.unit]):
                yield f"{verdict.unit}: {difference}"


def _print(agreement: Agreement, gaps: int, shown: int) -> None:
    counts = " ".join(
        f"{source} {agreement.found.get(source, 0)}/{count}" for source, count in sorted(agreement.known.items())
    )
    print(f"{agreement.unit:60} {counts:30} gaps {gaps}")
    for difference in agreement.differences[:shown]:
        print(f"    {difference}")
    if len(agreement.differences) > shown:
        print(f"    and {len(agreement.differences) - shown} more")


def _summarise(agreements: Sequence[Agreement], wrong: Sequence[str]) -> int:
    share = 1.0
    for source in ("catalog", "static"):
        known = sum(agreement.known.get(source, 0) for agreement in agreements)
        found = sum(agreement.found.get(source, 0) for agreement in agreements)
        if known:
            print(f"{source}: {found} of {known} keys agree, {found / known:.1%}")
        if known and source == "catalog":
            share = found / known
    for text in wrong:
        print(f"verdict {text}")
    print(f"verdicts that differ: {len(wrong)}")
    return 1 if share < WANTED or wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
