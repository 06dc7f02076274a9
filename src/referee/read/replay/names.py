"""Whether everything that a policy, view or body names is there when it is made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from referee.model.names import FunctionName, Ref
from referee.read.replay.refused import Refused
from referee.read.replay.session import Session
from referee.read.replay.state import TableState
from referee.read.replay.uses import Thing, Used, texts_to_check, used_by
from referee.sql.builtins import GRAMMAR_CALLS, extension_names, information_relations, server_names
from referee.sql.mentions import Mention, mentions
from referee.sql.statements import TypeWritten, Written

_WORD = re.compile(r"'[^']*'|\w+")


class Missing(NamedTuple):
    """A name that nothing has, and the SQLSTATE of the error."""

    sqlstate: str
    what: str


def require_names(session: Session, thing: Thing, ref: Ref, local: frozenset[str] = frozenset()) -> None:
    """Reports what a thing names and no file creates; ``local`` are names of its own, such as arguments.

    The thing is kept, as its intent is plain. Raises Refused for a column that a known table does not have.
    """
    for missing in _missing_names(session, thing, local):
        message = f"{ref} names {missing.what}, which no file creates before this"
        if missing.sqlstate == "42703":
            raise Refused("42703", f"{missing.what} does not exist", ref)
        if missing.sqlstate == "42725":
            raise Refused("42725", f"{missing.what} is not unique", ref)
        session.lack(missing.sqlstate, message, ref)
        return


def unknown_words(session: Session, table: TableState, *texts: str | None) -> set[str]:
    """The words of expressions about a table that are neither its columns nor known from other expressions."""
    words = frozenset().union(*[_words(text) for text in texts if text is not None]) - session.known_words
    return {word for word in words if word not in table.columns}


@lru_cache(maxsize=4096)
def _words(text: str) -> frozenset[str]:
    """The words outside strings. The tables of a project have policies that say the same."""
    return frozenset([word for word in _WORD.findall(text) if word[0] != "'"])


def learn_words(session: Session, words: set[str]) -> None:
    """Notes words that turned out to be names of functions and the like; those of a query may be anything."""
    if not any(word.lower() == "select" for word in words):
        session.known_words |= words


def _missing_names(session: Session, thing: Thing, local: frozenset[str]) -> Iterator[Missing]:
    used = used_by(session.state, thing, session.schemas, texts_to_check)
    known = _resolved(used)
    for text in texts_to_check(session.state, thing).values():
        found = mentions(text)
        names = local | {mention.name for mention in found if mention.kind == "alias"}
        has_rows = any(mention.kind == "rows" for mention in found)
        for mention in found:
            if mention.kind == "function" and mention.arguments == 0 and _is_ambiguous(session, mention):
                yield Missing("42725", f"function {_dotted(mention)}()")
            if mention in known:
                continue
            if mention.kind == "column":
                if not has_rows and _is_missing_column(session, thing, mention, found, names):
                    yield Missing("42703", f'column "{mention.name}"')
            elif mention.kind == "relation" and not is_known_relation(session, mention.schema, mention.name):
                yield Missing("42P01", f'relation "{_dotted(mention)}"')
            elif mention.kind == "function" and not _is_known_function(session, mention):
                yield Missing("42883", f"function {_dotted(mention)}()")
            elif mention.kind == "type" and not _is_known_type(session, mention):
                yield Missing("42704", f'type "{_dotted(mention)}"')


def _resolved(used: Used) -> set[Mention]:
    groups = (used.relations, used.columns, used.functions, used.types)
    return {mention for group in groups for places in group.values() for _, mention in places}


def _dotted(mention: Mention) -> str:
    return f"{mention.schema}.{mention.name}" if mention.schema else mention.name


def _is_missing_column(
    session: Session, thing: Thing, mention: Mention, found: tuple[Mention, ...], names: frozenset[str]
) -> bool:
    """Whether all tables that a column may belong to are known and lack it."""
    if mention.name == "*" or mention.name in names:
        return False
    relations = [other for other in found if other.kind == "relation" and not other.quoted]
    own = thing.owner if thing.owner in session.state.tables and thing.kind not in ("view", "function") else None
    if mention.table is not None:
        if mention.table in names and all(mention.table != (one.alias or one.name) for one in relations):
            return False
        relations = [one for one in relations if mention.table == (one.alias or one.name)]
        is_row = thing.kind == "trigger" and mention.table in ("new", "old")
        if not relations and not is_row and (own is None or mention.table != own.name):
            return False
    elif not mention.inside and own is not None:
        relations = []
    if mention.table is None and any(mention.name == (one.alias or one.name) for one in relations):
        return False  # a row as a whole
    tables = [session.find_table(Written(one.schema, one.name)) for one in relations]
    if own is not None and (mention.table is None or not relations):
        tables.append(session.state.tables[own])
    if not tables or any(table is None or table.open for table in tables):
        return False
    is_table = mention.table is None and any(table is not None and table.name.name == mention.name for table in tables)
    return not is_table and mention.name not in _SYSTEM_COLUMNS


_SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "value"})


def is_known_relation(session: Session, schema: str | None, name: str) -> bool:
    """Whether Postgres or an extension brings, or may bring, a relation of this name."""
    if schema == "information_schema":
        return name in information_relations()
    if schema is not None and schema.startswith("pg_") and schema != "pg_catalog":
        return True
    if schema in (None, "pg_catalog") and name in server_names().relations:
        return True
    if schema is None and name in session.temporary:
        return True
    return _may_be_brought(session, schema, name, "relations")


def _is_known_function(session: Session, mention: Mention) -> bool:
    schema, name = mention.schema, mention.name
    if schema is None and name in GRAMMAR_CALLS:
        return True
    written = Written(schema, name)
    if session.is_brought(written) or any(session.state.overloads.get(one) for one in session.candidates(written)):
        return True
    if _is_known_type(session, mention) and mention.arguments == 1:
        return True  # a cast
    return _may_be_brought(session, schema, name, "functions")


def _is_ambiguous(session: Session, mention: Mention) -> bool:
    """Whether a call without arguments may mean several functions: one without any is not preferred to defaults."""
    for name in session.candidates(Written(mention.schema, mention.name)):
        overloads = session.state.overloads.get(name, ())
        if len(overloads) > 1:
            return sum(_takes_nothing(session, one) for one in overloads) > 1
    return False


def _takes_nothing(session: Session, name: FunctionName) -> bool:
    defaults, _ = session.state.signatures.get(name, ((), ()))
    return all(default is not None for default in defaults) and len(defaults) == len(name.arguments)


def _is_known_type(session: Session, mention: Mention) -> bool:
    if session.knows_type(TypeWritten(mention.schema, mention.name)):
        return True
    return _may_be_brought(session, mention.schema, mention.name, "types")


def _may_be_brought(session: Session, schema: str | None, name: str, kind: str) -> bool:
    """Whether an installed extension brings, or may bring, something of this name where it is looked for."""
    for extension, installed in session.state.extensions.items():
        names = extension_names(extension)
        place = names.schema if names is not None and names.schema else installed
        is_reached = place == schema if schema is not None else place in session.path
        if is_reached and (names is None or not names.complete or name in getattr(names, kind)):
            return True
    return False
