"""Steps as files: cut where transactions must be, each with its limits, and one file that leads back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from referee.model.plan import Phase, Step, Timeouts


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a migration tool wants around the statements of a file.

    ``up`` is its first line, ``alone`` that of a file that cannot run inside a transaction; ``begin`` and ``end`` stand
    around a statement with semicolons in it. ``splits`` is whether the tool sends a file statement by statement, so
    that settings may precede one that takes no transaction around it.
    """

    up: str = ""
    alone: str = ""
    begin: str = ""
    end: str = ""
    splits: bool = True


@dataclass(frozen=True, slots=True)
class Part:
    """What becomes one file: a name for it, and its steps."""

    name: str
    steps: tuple[Step, ...]


_PLAIN = Dialect()

# What reads or writes many rows is committed at once, so that nobody waits for more than its own part.
_SEPARATE = (Phase.BACKFILL, Phase.VALIDATE)


def cut(steps: Sequence[Step]) -> tuple[Part, ...]:
    """The steps in parts that may each be one transaction.

    A step that has to be alone ends its part; what stands before it there can be repeated. A validation never stands
    with the key that it validates. So any file may be run again after a lock time-out, also where each statement is
    committed by itself. Each validation has a transaction of its own: if one fails, what the others read is not read
    again.
    """
    parts: list[list[Step]] = []
    for step in _together(steps):
        if parts and _fits(parts[-1], step):
            parts[-1].append(step)
        else:
            parts.append([step])
    return tuple(Part(_name(part), tuple(part)) for part in parts)


def _together(steps: Sequence[Step]) -> list[Step]:
    """New keys before validations: from then on no row comes in that would break one of them."""
    return sorted(steps, key=lambda step: (step.phase, step.phase is Phase.VALIDATE and not step.alone))


def _fits(part: Sequence[Step], step: Step) -> bool:
    last = part[-1]
    if last.phase is not step.phase or step.phase in _SEPARATE:
        return False
    if not last.in_transaction or not step.in_transaction:
        return False
    # Statements that lock nothing may go before one that does.
    return not any(before.alone for before in part) and (not step.alone or not any(before.locks for before in part))


def _name(part: Sequence[Step]) -> str:
    step = next((step for step in part if step.locks), part[0])
    words = {
        Phase.EXPAND: "prepare",
        Phase.BACKFILL: "backfill",
        Phase.VALIDATE: "add_key" if step.alone else "validate_key",
        Phase.CONTRACT: "drop_old_key",
    }
    table = step.locks[0].relation.name if step.locks else ""
    plain = "".join([letter if letter.isascii() and letter.isalnum() else "_" for letter in table.lower()])[:30]
    return f"{words[step.phase]}_{plain}".rstrip("_")


def text_of(part: Part, number: int, total: int, dialect: Dialect = _PLAIN) -> str:
    """The text of a file."""
    first = part.steps[0]
    mark = dialect.up if first.in_transaction else dialect.alone
    has_limits = first.in_transaction or dialect.splits
    lines = [
        *([mark] if mark else []),
        *_head(part, number, total),
        *(_limits(part) if has_limits else ()),
        *_body(part, dialect),
        *(_RESET if has_limits else ()),
    ]
    return "\n".join(lines) + "\n"


def _head(part: Part, number: int, total: int) -> Iterator[str]:
    yield f"-- Part {number} of {total}, written by referee: {part.steps[0].phase}."
    if not part.steps[0].in_transaction:
        yield "-- It cannot run inside a transaction, so it stands alone."
    elif any(step.locks for step in part.steps):
        yield "-- If it ends with a lock time-out (55P03), nothing has changed for anybody: run it again."


def _limits(part: Part) -> Iterator[str]:
    lock = next((step.timeouts.lock for step in part.steps if step.alone), part.steps[0].timeouts.lock)
    yield f"set lock_timeout = '{lock}';"
    # The host ends statements of two minutes, and a large table takes longer to read.
    yield "set statement_timeout = 0;"


def _body(part: Part, dialect: Dialect) -> Iterator[str]:
    for step in part.steps:
        yield ""
        yield from [f"-- {line}" for line in step.about.split("\n")]
        if step.locks:
            yield f"-- Locks: {'; '.join([f'{lock.mode} on {lock.relation}' for lock in step.locks])}"
        if step.size is not None:
            yield f"-- Touches: {step.size}"
        yield from [f"-- Mind: {hazard}" for hazard in step.hazards]
        yield f"-- {repetition(step)}"
        yield from _marked(f"{step.sql};", dialect)


def _marked(statement: str, dialect: Dialect) -> Iterator[str]:
    marks = (dialect.begin, dialect.end) if dialect.begin and ";" in statement[:-1] else None
    yield from (marks[0], statement, marks[1]) if marks else (statement,)


def repetition(step: Step) -> str:
    """What a second run of a step does, in words."""
    return "A second run does no harm." if step.repeatable else "A second run fails, and changes nothing."


_RESET = ("", "reset statement_timeout;", "reset lock_timeout;")


def way_back(steps: Sequence[Step], after: Sequence[str] = ()) -> str:
    """The text of the file that takes everything back, the last first; rows that were filled in stay.

    It may be run again, and after only a part of the steps. ``after`` are commands to run when it is through.
    """
    lines = [
        "-- Written by referee. Takes the schema back to where it was; rows that were filled in stay.",
        "-- Run it with psql, each statement committed by itself. After a lock time-out (55P03) run it again.",
        *[f"-- Afterwards: {command}" for command in after],
        f"set lock_timeout = '{Timeouts().lock}';",
        "set statement_timeout = 0;",
    ]
    for step in reversed(_together(steps)):
        if step.undo:
            lines += ["", *[f"{statement};" for statement in step.undo]]
    return "\n".join([*lines, *_RESET]) + "\n"
