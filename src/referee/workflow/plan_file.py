"""Reads a plan as `referee fix --format json` writes it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

from referee.errors import ReadError
from referee.model.names import QName
from referee.model.plan import Lock, Phase, Plan, Step, Timeouts

# A setting of time, as plans have them; nothing that could end the constant that it becomes.
_TIME = re.compile(r"\d+ ?(?:ms|s|min|h)?")
_NAME = re.compile(r'(?:"((?:[^"]|"")+)"|([^".]+))')


class _Lock(msgspec.Struct, frozen=True):
    relation: str
    mode: str


class _Timeouts(msgspec.Struct, frozen=True):
    lock: str = "2s"
    statement: str = "0"


class _Step(msgspec.Struct, frozen=True):
    phase: str
    sql: str
    about: str = ""
    locks: tuple[_Lock, ...] = ()
    in_transaction: bool = True
    alone: bool = False
    repeatable: bool = False
    timeouts: _Timeouts = _Timeouts()
    rows: int | None = None
    hazards: tuple[str, ...] = ()
    undo: tuple[str, ...] | str | None = ()


class _Plan(msgspec.Struct, frozen=True):
    version: int
    steps: tuple[_Step, ...]
    schema_before: str | None = None
    verification: tuple[str, ...] = ()


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """The plan in a file. Raises ReadError for a file that is missing or holds none."""
    try:
        found = msgspec.json.decode(Path(path).read_bytes(), type=_Plan)
    except FileNotFoundError as error:
        raise ReadError(f"There is no plan {path}. Check the path, or write one: referee fix --format json.") from error
    except OSError as error:
        raise ReadError(f"The plan {path} could not be read: {error.strerror or error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ReadError(f"{path} is no plan: {error}. Write one with `referee fix --format json`.") from error
    if found.version != 1:
        raise ReadError(f"{path} is a plan of version {found.version}; this referee knows version 1. Upgrade it.")
    if not found.steps:
        raise ReadError(f"{path} has no steps: there is nothing to do, or the fix edits files in place.")
    return Plan(
        found.schema_before or "", tuple(_step(step, path) for step in found.steps), (), tuple(found.verification)
    )


def _step(step: _Step, path: str | os.PathLike[str]) -> Step:
    try:
        phase = Phase[step.phase.upper()]
    except KeyError:
        known = ", ".join([str(one) for one in Phase])
        raise ReadError(f'{path} has a step of phase "{step.phase}"; there are {known}.') from None
    for limit in (step.timeouts.lock, step.timeouts.statement):
        if not _TIME.fullmatch(limit):
            raise ReadError(f'{path} has a step with the time limit "{limit}"; write it as 500ms, 2s, or 0 for none.')
    undo = (step.undo,) if isinstance(step.undo, str) else step.undo
    return Step(
        phase,
        step.sql,
        step.about or step.sql,
        tuple(Lock(_qname(lock.relation), lock.mode) for lock in step.locks),
        step.in_transaction,
        step.alone,
        step.repeatable,
        Timeouts(step.timeouts.lock, step.timeouts.statement),
        step.rows,
        step.hazards,
        undo,
    )


def _qname(text: str) -> QName:
    """A qualified name as SQL writes it.

    >>> _qname('public."Org.s"')
    QName(schema='public', name='Org.s')
    """
    parts = [quoted.replace('""', '"') if quoted else bare for quoted, bare in _NAME.findall(text)]
    return QName(parts[0], parts[1]) if len(parts) == 2 else QName("public", text)
