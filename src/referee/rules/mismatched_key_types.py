from __future__ import annotations

import re
from collections.abc import Iterator

from referee.model.finding import Problem, Severity
from referee.model.identity import Identities
from referee.model.names import QName, Ref, Target
from referee.model.remedy import AlterColumnType, Remedy
from referee.model.schema import Column, ForeignKey, Schema, Table
from referee.rules.base import Rule

_INTEGERS = {"smallint": 16, "integer": 32, "bigint": 64}
_LENGTH = re.compile(r"(?:character varying|character)\((\d+)\)")
_FAMILIES = {
    "number": ("smallint", "integer", "bigint", "numeric", "real", "double precision"),
    "text": ("text", "character", "name"),
    "time": ("timestamp", "date"),
}


class MismatchedKeyTypes(Rule):
    """
    A foreign key column whose type differs from the type of the column that it references.

    ## Why it fails
    Postgres refuses a key between types that it cannot compare, such as text and uuid. It allows integer beside bigint,
    varchar beside text, integer beside numeric. The narrower side then breaks late: once the referenced ids exceed what
    the referencing column can hold, every insert fails with 22003 (numbers) or 22001 (text), in a table that nobody
    touched. Between timestamps with and without time zone, whether a row is found depends on the session's time zone.

    ## Wrong
    ```sql
    create table public.events (id bigint primary key);
    create table public.tickets (
      id bigint primary key,
      event_id integer references public.events (id)  -- finding
    );
    ```
    ## Right
    ```sql
    create table public.events (id bigint primary key);
    create table public.tickets (
      id bigint primary key,
      event_id bigint references public.events (id)
    );
    ```
    ## When it is deliberate
    Where the wider type costs space and the referenced ids are known to stay small.

    ## Severity and confidence
    It is a warning where values can be lost or missed, else information. Certain: both types are declared.
    """

    severity = Severity.WARNING

    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        for table in schema.own_tables:
            for key in table.foreign_keys:
                yield from _mismatches(schema, table, key)


def _mismatches(schema: Schema, table: Table, key: ForeignKey) -> Iterator[Problem]:
    target = schema.tables.get(key.target.table)
    if target is None:
        return
    for name, target_name in zip(key.columns, key.target.columns, strict=False):
        own, other = table.column(name), target.column(target_name)
        if own is None or other is None or own.type == other.type:
            continue
        own_base, other_base = _base(schema, own.type), _base(schema, other.type)
        # Between families there is no operator: Postgres refuses such a key (42804), so there is none to report.
        if own_base != other_base and _family(own_base) == _family(other_base):
            harm = _harm(own_base, other_base, str(Target(key.target.table, (other.name,))))
            yield _problem(key, own, other, harm)


def _base(schema: Schema, type_name: str) -> str:
    """The type behind a domain; varchar without a length is text by another name."""
    for _ in schema.domains:
        domain = schema.domains.get(QName(*type_name.split(".", 1))) if "." in type_name else None
        if domain is None:
            break
        type_name = domain.base
    return "text" if type_name == "character varying" else type_name


def _family(type_name: str) -> str:
    """The types that Postgres compares with each other."""
    for family, prefixes in _FAMILIES.items():
        if type_name.startswith(prefixes):
            return family
    return type_name


def _harm(own: str, other: str, target: str) -> str | None:
    """What goes wrong in earnest; None where the difference is only untidy."""
    if own in _INTEGERS and other in _INTEGERS:
        narrower = _INTEGERS[own] < _INTEGERS[other]
        return f"Once {target} exceeds the range of {own}, nothing can reference it: 22003." if narrower else None
    length = _length(own)
    if length is not None:
        longer = (_length(other) or length + 1) > length
        return f"A value of {target} longer than {length} characters cannot be referenced: 22001." if longer else None
    if own.startswith("timestamp") and other.startswith("timestamp"):
        return "Whether a row is found depends on the session's time zone: inserts fail with 23503 in some sessions."
    if {own, other} & {"real", "double precision"}:
        return "Floating point numbers are rounded, so equal ids can compare as different: inserts fail with 23503."
    if own in _INTEGERS and other.startswith("numeric"):
        return f"A value of {target} beyond the range of {own} cannot be referenced: 22003."
    return None


def _length(type_name: str) -> int | None:
    match = _LENGTH.fullmatch(type_name)
    return int(match[1]) if match else None


def _problem(key: ForeignKey, own: Column, other: Column, harm: str | None) -> Problem:
    return Problem(
        object=key.ref,
        cause=f"{Target(key.table, (own.name,))} is {own.type}, but {Target(key.target.table, (other.name,))}, "
        f"which it references, is {other.type}.",
        consequence=harm or "Each check of the key converts one side, and a join on it may find no index of use.",
        severity=Severity.WARNING if harm else Severity.INFO,
        table=key.table,
        columns=(own.name,),
        target=key.target,
        remedy=Remedy(AlterColumnType(Ref("column", *key.table, own.name), other.type)) if harm else None,
        key=own.name,
    )
