"""What Postgres would refuse."""

from __future__ import annotations

from referee.model.names import QName, Ref, quote
from referee.model.origins import GapKind
from referee.sql.statements import Written

# SQLSTATEs that say that something is not there (PostgreSQL 18, appendix A): table, column, function, other object,
# schema.
_MISSING = frozenset({"42P01", "42703", "42883", "42704", "3F000"})


class Refused(Exception):  # noqa: N818 - it says what Postgres does
    """Postgres would refuse the statement here, with this SQLSTATE."""

    def __init__(self, sqlstate: str, message: str, object: Ref | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.object = object

    @property
    def is_missing(self) -> bool:
        """Whether because of something that is not there."""
        return self.sqlstate in _MISSING

    @property
    def kind(self) -> GapKind:
        return "missing-object" if self.is_missing else "would-fail"


def dotted(written: Written) -> str:
    """A name as Postgres prints it in its messages."""
    return f"{written.schema}.{written.name}" if written.schema else written.name


def missing_column(table: QName, column: str) -> Refused:
    return Refused(
        "42703", f'column "{column}" of relation "{table.name}" does not exist', Ref("column", *table, column)
    )


def missing_constraint(table: QName, name: str) -> Refused:
    return Refused(
        "42704", f'constraint "{name}" of relation "{table.name}" does not exist', Ref("constraint", *table, name)
    )


def missing_schema(name: str) -> Refused:
    return Refused("3F000", f'schema "{name}" does not exist', Ref("schema", "", name))


def missing(what: str, name: str, sqlstate: str = "42704") -> Refused:
    return Refused(sqlstate, f'{what} "{name}" does not exist')


def taken(name: str, what: str = "relation", sqlstate: str = "42P07") -> Refused:
    return Refused(sqlstate, f'{what} "{name}" already exists')


def in_use(what: str, users: list[str]) -> Refused:
    """Something else depends on what is to be dropped."""
    listed = ", ".join(users[:3]) + (f" and {len(users) - 3} more" if len(users) > 3 else "")
    return Refused("2BP01", f"cannot drop {what} because other objects depend on it: {listed}")


def printed(name: QName) -> str:
    """A name without the schema, quoted where it must be."""
    return quote(name.name)
