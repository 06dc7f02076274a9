"""Real projects on a throw-away server, beside what the replay says: python -m tests.corpus.server FOLDER [UNIT ...]

FOLDER holds checkouts as ``tests.corpus.compare`` takes them. Every unit's migrations are run as the host runs them,
and the catalog that they leave is compared with the replayed schema, fact by fact. A row of the table is one unit:

    keys         how its keys in facts/foreign-keys.tsv are known: "catalog" means that a server has run it all before
    refused      statements that the server refused
    gaps         what the replay says that it does not know
    differences  facts on which the two readers differ
    told         of these, the ones whose object a gap names, or that follow from what a gap names
    rows         the ones that rows caused, at which no replay looks (SQLSTATE class 23)
    built        the ones in a unit of which a gap says that SQL built at run time may have changed anything
    left         the others

Below it stand the statement that the server refused first, with its SQLSTATE, and the judgement of facts/replays.tsv;
then each difference that is left, with its reason in facts/readers.tsv.

Ends with 1 where something was refused or is left that the facts do not judge, and where they judge what is no more.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from referee.errors import RefereeError
from referee.platforms import SUPABASE
from referee.postgres.server import Server, start_server
from referee.workflow.check import read
from tests.corpus.compare import CONFIG, Project, known_keys, projects, table
from tests.read.agreement import Difference, Readings, read_both

_SHOWN = 5


@dataclass(frozen=True)
class Row:
    """One unit, as both readers have it."""

    unit: str
    readings: Readings

    @property
    def cause(self) -> str | None:
        """Place and SQLSTATE of the first statement that was refused: ``file:line SQLSTATE``."""
        if not self.readings.failures:
            return None
        first = self.readings.failures[0]
        source = self.readings.replayed.origins.sources[first.path]
        return f"{Path(first.path).name}:{source.position(first.place).line} {first.report.sqlstate}"

    @cached_property
    def kinds(self) -> dict[Difference, str]:
        """Each difference with the column of the table that it counts in."""
        unexplained = set(self.readings.unexplained)
        return {one: self._kind(one) if one.text in unexplained else "told" for one in self.readings.differences}

    def _kind(self, difference: Difference) -> str:
        if self.readings.is_by_rows(difference):
            return "rows"
        return "built" if self.readings.boundless else "left"

    @property
    def left(self) -> list[str]:
        """What the facts must judge: differences, statements refused without a gap, and gaps about what was run."""
        return [
            *(one.text for one, kind in self.kinds.items() if kind == "left"),
            *(f"refused without a gap: {text}" for text in self.readings.unseen_failures),
            *(
                []
                if self.readings.boundless
                else (f"ran, says the server: {text}" for text in self.readings.false_alarms)
            ),
        ]


def rows(folder: Path, server: Server, units: Sequence[str]) -> Iterator[Row | str]:
    """The rows of the units, and for one that cannot be read a line that says so."""
    for unit in units:
        project: Project = projects()[unit]
        try:
            reading = read(project.path(folder), CONFIG)
        except RefereeError as error:
            yield f"{unit}: {error}"
            continue
        yield Row(unit, read_both(server, reading.migrations.files, SUPABASE))


def main(arguments: Sequence[str]) -> int:
    folder, *units = arguments or [""]
    if not folder or not Path(folder).is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    report = _Report()
    with start_server(SUPABASE) as server:
        for row in rows(Path(folder), server, units or list(projects())):
            report.add(row)
    return report.finish()


class _Report:
    """Prints rows as they come, and counts what the facts do not say."""

    def __init__(self) -> None:
        self.sources = {unit: sorted({key.source for key in keys}) for unit, keys in known_keys().items()}
        self.causes = {row["unit"]: (row["first cause"], row["judgement"]) for row in table("replays.tsv")}
        self.reasons = {row["unit"]: (int(row["left"]), row["reason"]) for row in table("readers.tsv")}
        self.clean = Counter[str]()
        self.seen = Counter[str]()
        self.wrong: list[str] = []
        print(
            f"{'unit':56}{'keys':9}{'statements':>11}{'refused':>9}{'gaps':>6}{'differences':>13}{'told':>6}{'rows':>6}"
            f"{'built':>7}{'left':>6}"
        )

    def add(self, row: Row | str) -> None:
        if isinstance(row, str):
            print(row)
            self.wrong.append(row)
            return
        readings, kinds = row.readings, Counter(row.kinds.values())
        source = "/".join(self.sources.get(row.unit, ["-"]))
        print(
            f"{row.unit:56}{source:9}{readings.replayed.statements:11}{len(readings.failures):9}"
            f"{len(readings.replayed.gaps):6}{len(readings.differences):13}{kinds['told']:6}{kinds['rows']:6}"
            f"{kinds['built']:7}{kinds['left']:6}",
            flush=True,
        )
        self.seen[source] += 1
        self.clean[source] += not readings.failures
        self._judge_cause(row)
        self._judge_rest(row)

    def _judge_cause(self, row: Row) -> None:
        known, judgement = self.causes.get(row.unit, (None, ""))
        if row.cause is not None:
            first = row.readings.failures[0].report
            print(f"    first refused: {row.cause} {first.message}")
            print(f"    judgement: {judgement if known == row.cause else 'none'}")
        if known != row.cause:
            self.wrong.append(f"{row.unit}: first refused is {row.cause}, the facts have {known}")

    def _judge_rest(self, row: Row) -> None:
        count, reason = self.reasons.get(row.unit, (0, ""))
        for text in row.left[:_SHOWN]:
            print(f"    left: {text[:220]}")
        if row.left:
            print(f"    {len(row.left)} left; reason: {reason or 'none'}")
        if count != len(row.left):
            self.wrong.append(f"{row.unit}: {len(row.left)} left, the facts have {count}")

    def finish(self) -> int:
        for source, count in sorted(self.seen.items()):
            print(f"{source}: {self.clean[source]} of {count} units replay without an error")
        for text in self.wrong:
            print(f"differs from the facts: {text}")
        return 1 if self.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
