"""`referee scan --source ... --mirror ...`: accounts and their mirror in different places."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from referee.data.across import Across, InDatabase, InFile, Lacking, Side, compare
from referee.data.watch import Tell
from referee.errors import UsageError
from referee.identity.mirrors import is_named_like_users
from referee.model.names import QName, Ref, Target
from referee.model.question import Question, QuestionKind
from referee.model.scan import Answer, Scan, ScanScope
from referee.model.schema import Schema
from referee.workflow.config import Config, parse_table, read_config
from referee.workflow.scan import Subject, read_subject

_URL_SIGNS = ("://", "=")


@dataclass(frozen=True, slots=True)
class Place:
    """Where ids are: a URL or a file, and which table and column they are in, if that was said."""

    where: str
    key: str | None = None

    @property
    def is_file(self) -> bool:
        return not any(sign in self.where for sign in _URL_SIGNS) or Path(self.where).is_file()


def scan_across(
    source: Place,
    mirror: Place,
    config: Config | None = None,
    sample: int = 5,
    tell: Tell = lambda message: None,
) -> Scan:
    """Which accounts have no mirror row and which mirror rows have no account, wherever the two are.

    Raises UsageError where it cannot be told which table or column is meant, ReadError for a file, ServerError for a
    database.
    """
    began = time.monotonic()
    config = config if config is not None else read_config()
    sides = _side(source, config, "source"), _side(mirror, config, "mirror")
    found = compare(*sides, sample, tell)
    return _scan(sides, found, round(time.monotonic() - began, 3))


def _side(place: Place, config: Config, part: str) -> Side:
    if place.is_file:
        return InFile(Path(place.where), place.key)
    subject = read_subject(place.where, config)
    target = _target(subject, place, part)
    table = subject.schema.table(target.table)
    column = table.column(target.columns[0]) if table is not None and target.columns else None
    if column is None:
        raise UsageError(f"{subject.name} has no {target}. Name the {part}'s table and column with --{part}-key.")
    return InDatabase(f"{target.table} in {subject.name}", target, column.type, subject.connect)


def _target(subject: Subject, place: Place, part: str) -> Target:
    """The table and column of a side: as given, else as the schema tells."""
    if place.key is not None:
        given = parse_table(place.key)
        if given is None:
            raise UsageError(f'"{place.key}" is no table; write it as schema.table or schema.table(column).')
        return given if given.columns else Target(given.table, _key_of(subject.schema, given.table))
    found = _known(subject, part)
    if len(found) != 1:
        several = f"it has {', '.join(map(str, found))}" if found else "none of its tables looks like one"
        raise UsageError(f"Which table of {subject.name} is the {part}? {several}. Name it with --{part}-key.")
    return found[0]


def _known(subject: Subject, part: str) -> list[Target]:
    if part == "source":
        return list(dict.fromkeys(identity.source for identity in subject.identities.all))
    mirrors = [mirror.target for identity in subject.identities.all for mirror in identity.mirrors]
    if mirrors:
        return list(dict.fromkeys(mirrors))
    # Without the accounts beside it, a mirror has nothing but its name.
    return [
        Target(table.name, table.primary_key.columns)
        for table in subject.schema.own_tables
        if is_named_like_users(table.name.name)
        and table.primary_key is not None
        and len(table.primary_key.columns) == 1
    ]


def _key_of(schema: Schema, name: QName) -> tuple[str, ...]:
    table = schema.table(name)
    return table.primary_key.columns[:1] if table is not None and table.primary_key is not None else ()


def _scan(sides: tuple[Side, Side], found: Across, seconds: float) -> Scan:
    source, mirror = sides
    answers = (
        _answer("unmirrored", mirror, source, found.columns, found.unmirrored),
        _answer("stray", mirror, mirror, found.columns[::-1], found.stray, other=source),
    )
    scope = ScanScope(
        database=f"{source.name} and {mirror.name}",
        version="",
        role="",
        mode="across",
        parallel=1,
        statement_timeout=None,
        lock_timeout=None,
        tables=2,
        questions=2,
        identities=(source.name,),
    )
    return Scan(scope, answers, seconds=seconds, notices=found.notices)


def _answer(
    kind: QuestionKind,
    subject: Side,
    judged: Side,
    columns: tuple[str, str],
    lacking: Lacking,
    other: Side | None = None,
) -> Answer:
    looked_up = other or subject
    question = Question(
        kind=kind,
        subject=Ref("table", *_name(subject)),
        table=_name(judged),
        columns=(columns[0],),
        types=("text",),
        target=Target(_name(looked_up), (columns[1],)),
        row_key=(columns[0],),
        rows=f"{judged.name} as r",
        applies=f"r.{columns[0]} is not null",
        lookup=f"select from {looked_up.name} as t where t.{columns[1]} = r.{columns[0]}",
    )
    return Answer(
        question,
        lacking.of,
        violations=lacking.count,
        values=lacking.count,
        sample=lacking.samples,
        seconds=lacking.seconds,
        kept=lacking.samples,
    )


def _name(side: Side) -> QName:
    return side.target.table if isinstance(side, InDatabase) else QName("file", side.path.name)
