"""The list of names, against a server."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from referee.model.names import QName
from referee.model.schema import Namespace, Schema, Table
from referee.postgres.server import Server
from referee.postgres.session import FailedStatementError, Session
from referee.sql import builtins
from referee.sql.builtins import Arity
from referee.sql.expressions import read_expression, walk
from referee.sql.resolve import resolve_function, resolve_table, resolve_type
from referee.sql.tree import Call, TableUse
from tests.identity.sql import replayed

CATALOG = "'pg_catalog'::regnamespace"


@pytest.fixture
def session(server: Server, database: str) -> Iterator[Session]:
    with server.connect(database, server.superuser) as opened:
        yield opened


def sqlstate(session: Session, statement: str) -> str:
    """The SQLSTATE with which a statement fails; "" where it works."""
    try:
        session.run(statement)
    except FailedStatementError as failed:
        return failed.report.sqlstate
    return ""


def names(session: Session, query: str) -> set[str]:
    return {name for (name,) in session.rows(query)}


def test_the_list_is_what_the_server_has(session: Session) -> None:
    known = builtins.server_names()
    assert known.functions.keys() == names(session, f"select proname from pg_proc where pronamespace = {CATALOG}")
    relations = f"select relname from pg_class where relnamespace = {CATALOG} and relkind in ('r', 'v')"
    assert known.relations == names(session, relations)
    assert {"uuid", "text", "int4", "jsonb", "tsvector"} <= known.types
    assert known.types <= names(session, f"select typname from pg_type where typnamespace = {CATALOG}")
    information = (
        "select relname from pg_class where relnamespace = 'information_schema'::regnamespace and relkind = 'v'"
    )
    assert names(session, information) <= builtins.information_relations()


def test_every_builtin_takes_the_arguments_that_the_server_says(session: Session) -> None:
    query = f"select proname, pronargs - pronargdefaults, pronargs from pg_proc where pronamespace = {CATALOG}"
    for name, least, most in session.rows(query):
        arity = builtins.server_names().functions[name]
        assert arity.least <= least
        assert arity.takes(most)


def test_contrib_modules_bring_what_is_listed(session: Session) -> None:
    for extension in ("pg_trgm", "unaccent", "citext", "hstore", "vector"):
        session.run(f"create extension if not exists {extension} schema public cascade")
        query = (
            "select proname from pg_proc join pg_depend on objid = pg_proc.oid and deptype = 'e'"
            f" join pg_extension on refobjid = pg_extension.oid where extname = '{extension}'"
        )
        listed = builtins.extension_names(extension)
        assert listed is not None
        assert listed.functions.keys() == names(session, query)


def test_an_arity_without_a_limit() -> None:
    assert Arity(1, None).takes(40)
    assert not Arity(1, None).takes(0)
    assert not Arity(0, 2).takes(3)


def test_an_unknown_extension_is_not_known() -> None:
    assert builtins.extension_names("no_such_extension") is None
    assert builtins.extension_names("") is None
    assert builtins.suppliers("no_such_name") == ()


def test_tables_resolve_as_the_server_resolves_them(session: Session) -> None:
    choose = random.Random(1)
    places = ["alpha", "beta", "Gamma", "pg_catalog", "absent"]
    for place in places[:3]:
        session.run(f'create schema "{place}"')
    tables = {
        QName(place, name) for place in places[:3] for name in ("users", "Songs", "pg_class") if choose.random() < 0.6
    }
    for table in tables:
        session.run(f"create table {table} ()")
    schema = Schema(
        {name: Table(name) for name in tables}, namespaces={place: Namespace(place) for place in places[:3]}
    )
    for _ in range(60):
        path = tuple(choose.sample(places, choose.randint(0, 4)))
        session.run("set search_path = " + (", ".join(f'"{place}"' for place in path) or "''"))
        for name in ("users", "Songs", "pg_class", "pg_proc", "nothing"):
            query = (
                "select nspname, relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n"
                f" on n.oid = relnamespace where c.oid = pg_catalog.to_regclass('\"{name}\"')"
            )
            expected = [QName(*row) for row in session.rows(query)]
            assert [found for found in [resolve_table(schema, path, TableUse(None, name))] if found] == expected


@pytest.mark.parametrize(
    "expression",
    [
        "upper('a')",
        "concat(1, 2, 3)",
        "uuid_generate_v4()",
        "extensions.uuid_generate_v4()",
        "gen_random_uuid()",
        "gen_random_bytes(4)",
        "uuid('00000000-0000-0000-0000-000000000000')",
        "auth.uid()",
        "uid()",
        "coalesce(null, 1)",
        "percentile_cont(0.5) within group (order by 1)",
        "no_such_function(1)",
        "nowhere.upper('a')",
    ],
)
def test_functions_resolve_as_the_server_resolves_them(session: Session, expression: str) -> None:
    schema = replayed("").schema
    call = next(inner for inner in walk(read_expression(expression)) if isinstance(inner, Call))
    for path in ((), ("auth",), ("public", "extensions")):
        session.run("set search_path = " + (", ".join(path) or "''"))
        missing = sqlstate(session, f"select {expression}") in ("42883", "3F000")
        assert resolve_function(schema, path, call).exists == (not missing), path


def test_types_of_the_grammar_are_types_of_the_server(session: Session) -> None:
    session.run("set search_path = ''")
    for name in builtins.GRAMMAR_TYPES:
        assert resolve_type(Schema(), (), None, name).kind == "built-in"
        if not name.startswith(("serial", "bigserial", "smallserial")):
            session.run(f"select null::{name}")
