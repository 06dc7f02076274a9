"""Names of database objects, folded as Postgres folds them, and how they are printed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal, NamedTuple

# Keywords that quote_ident() quotes: all that are not "unreserved" (PostgreSQL 18, src/include/parser/kwlist.h).
_QUOTED_KEYWORDS = frozenset(
    """
    all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast
    char character check coalesce collate collation column concurrently constraint create cross current_catalog
    current_date current_role current_schema current_time current_timestamp current_user dec decimal default deferrable
    desc distinct do else end except exists extract false fetch float for foreign freeze from full grant greatest group
    grouping having ilike in initially inner inout int integer intersect interval into is isnull join json json_array
    json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value
    lateral leading least left like limit localtime localtimestamp merge_action national natural nchar none normalize
    not notnull null nullif numeric offset on only or order out outer overlaps overlay placing position precision
    primary real references returning right row select session_user setof similar smallint some substring symmetric
    system_user table tablesample then time timestamp to trailing treat trim true union unique user using values
    varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest
    xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
    """.split()
)
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*", re.ASCII)

#: Postgres cuts names at NAMEDATALEN - 1 bytes.
MAX_NAME_BYTES = 63


@lru_cache(maxsize=65536)
def quote(name: str) -> str:
    """The identifier as ``quote_ident()`` prints it: bare where it can be, else in double quotes.

    >>> quote("users"), quote("select"), quote('mem"bers')
    ('users', '"select"', '"mem""bers"')
    """
    if _PLAIN.fullmatch(name) and name not in _QUOTED_KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


@lru_cache(maxsize=65536)
def dotted(schema: str, name: str) -> str:
    """A schema and a name in it as they are printed. Reports name the same tables over and over."""
    return f"{quote(schema)}.{quote(name)}"


def clip(name: str, limit: int = MAX_NAME_BYTES) -> str:
    """The name cut to ``limit`` bytes of UTF-8, never inside a character, as Postgres cuts it."""
    if name.isascii():
        return name[:limit]
    return name.encode("utf-8")[:limit].decode("utf-8", errors="ignore")


class QName(NamedTuple):
    """A schema-qualified name, unquoted and folded."""

    schema: str
    name: str

    def __str__(self) -> str:
        return dotted(*self)


class FunctionName(NamedTuple):
    """A function's identity: its name and the canonical types of its input arguments."""

    schema: str
    name: str
    arguments: tuple[str, ...] = ()

    @property
    def qualified(self) -> QName:
        return QName(self.schema, self.name)

    def __str__(self) -> str:
        return f"{dotted(self.schema, self.name)}({', '.join(self.arguments)})"


def fits(names: Iterable[str], pattern: str) -> bool:
    """Whether a pattern is one of the names, or one of them fits it: ``*``, ``?`` and ``[...]`` stand for other text.

    >>> fits(["public.songs"], "public.*"), fits(["public.a[1]"], "public.a[1]")
    (True, True)
    """
    return any(name == pattern or fnmatchcase(name, pattern) for name in names)


def table_names(table: QName) -> tuple[str, str]:
    """What a pattern may call a table: as SQL writes it, and without the quotes, which a shell takes away."""
    return str(table), ".".join(table)


RefKind = Literal[
    "schema",
    "table",
    "view",
    "column",
    "constraint",
    "index",
    "trigger",
    "policy",
    "function",
    "type",
    "extension",
    "default",
    "role",
    "migration",
    "server",
    "file",
]


class Ref(NamedTuple):
    """A reference to any object of a schema: the key under which origins, findings and changes name it.

    ``part`` is what lives inside ``name``: a column, constraint, trigger or policy of a table, or the argument list
    of a function ("(uuid, text)"). It is empty for objects that live in a schema directly.
    """

    kind: RefKind
    schema: str
    name: str
    part: str = ""

    @property
    def owner(self) -> QName:
        """The table, or for objects without a table the object itself."""
        return QName(self.schema, self.name)

    def __str__(self) -> str:
        return _printed_ref(*self)


@lru_cache(maxsize=65536)
def _printed_ref(kind: RefKind, schema: str, name: str, part: str) -> str:
    """A reference as it is printed. Reports name the same objects over and over."""
    if kind in ("schema", "extension", "role"):
        return quote(name)
    if kind in ("migration", "server", "file"):
        return name
    if kind == "function":
        return dotted(schema, name) + part
    return f"{dotted(schema, name)}.{quote(part)}" if part else dotted(schema, name)


class Target(NamedTuple):
    """The referenced end of a foreign key: a table and its columns."""

    table: QName
    columns: tuple[str, ...]

    def __str__(self) -> str:
        return _printed_target(*self)


@lru_cache(maxsize=65536)
def _printed_target(table: QName, columns: tuple[str, ...]) -> str:
    return f"{dotted(*table)}({', '.join([quote(column) for column in columns])})"
