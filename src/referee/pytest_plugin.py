"""The pytest plugin: tests on a real Postgres that behaves like production.

    referee_db          a database of one's own for each test, with the project's migrations
    sign_up             somebody gets an account, statement by statement as the sign-up service does it
    delete_user         and loses it
    as_user             requests of somebody who signed in; as_anon and as_service_role likewise
    assert_no_orphans   and assert_mirrored, assert_references: what should hold afterwards

``pytest --help`` lists the options. Each process of pytest-xdist has a server of its own, on a private socket.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

# pytest loads this module in every project of the environment, those that never ask for it included. So what takes
# time to load is loaded when a test asks for a database.
if TYPE_CHECKING:
    from uuid import UUID

    from referee.workflow.playground import Actor, Database, Playground, User

    Someone = User | UUID | str


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("referee", "databases for tests")
    group.addoption(
        "--referee-project", metavar="PATH", help="The project whose migrations the databases hold. [ini: same name]"
    )
    group.addoption(
        "--referee-postgres-bin", metavar="DIR|auto", help="Postgres programs to use instead of referee's own."
    )
    parser.addini("referee_project", "the project whose migrations the databases hold, from the folder of this file")
    parser.addini("referee_allow_failures", "go on where statements of the migrations fail", type="bool", default=False)


@pytest.fixture(scope="session")
def referee_playground(pytestconfig: pytest.Config) -> Iterator[Playground]:
    """The server of this process, on which the project is migrated once."""
    from referee.errors import RefereeError
    from referee.workflow.playground import open_playground

    programs = pytestconfig.getoption("--referee-postgres-bin")
    manager = open_playground(_project(pytestconfig), programs=programs or None)
    try:
        playground = manager.__enter__()
    except RefereeError as error:
        pytest.fail(str(error), pytrace=False)
    try:
        if playground.failures and not pytestconfig.getini("referee_allow_failures"):
            pytest.fail(_refused(playground), pytrace=False)
        yield playground
    finally:
        manager.__exit__(None, None, None)


def _project(config: pytest.Config) -> str:
    given = config.getoption("--referee-project")
    if given:
        return os.path.join(str(config.invocation_params.dir), given)
    base = config.inipath.parent if config.inipath is not None else config.rootpath
    return os.path.join(str(base), str(config.getini("referee_project") or "."))


def _refused(playground: Playground) -> str:
    first = playground.failures[0]
    return (
        f"{len(playground.failures)} statements of the migrations fail, the first in {first.path}: "
        f"{first.report.sqlstate} {first.report.message}. `referee check --exact` lists them; to test without them, "
        "set referee_allow_failures = true."
    )


@pytest.fixture
def referee_db(referee_playground: Playground) -> Iterator[Database]:
    """A database of the test's own with the project's migrations: ``url``, ``execute()``."""
    database = referee_playground.create_database()
    yield database
    database.close()


@pytest.fixture
def sign_up(referee_db: Database) -> Callable[..., User]:
    """``sign_up("Ada", by="phone")``: by "email", "email-link", "phone", "anonymous", "google", "github", "invitation",
    "administrator" and others. Raises StatementError where the database refuses."""
    return referee_db.sign_up


@pytest.fixture
def delete_user(referee_db: Database) -> Callable[[Someone], None]:
    """``delete_user(ada)``: as the sign-up service deletes an account."""
    return referee_db.delete_user


@pytest.fixture
def as_user(referee_db: Database) -> Callable[..., Actor]:
    """``as_user(ada).execute("insert ...")``: a request in role authenticated, with the user's token."""
    return referee_db.as_user


@pytest.fixture
def as_anon(referee_db: Database) -> Callable[[], Actor]:
    """``as_anon().execute("select ...")``: a request of somebody who has not signed in."""
    return referee_db.as_anon


@pytest.fixture
def as_service_role(referee_db: Database) -> Callable[[], Actor]:
    """``as_service_role().execute("insert ...")``: a request with the service key, which no policy binds."""
    return referee_db.as_service_role


@pytest.fixture
def assert_no_orphans(referee_db: Database) -> Callable[[], None]:
    """``assert_no_orphans()``: every row that a foreign key of the project demands is there."""

    def check() -> None:
        __tracebackhide__ = True
        _none(referee_db.orphans())

    return check


@pytest.fixture
def assert_mirrored(referee_db: Database) -> Callable[..., None]:
    """``assert_mirrored()``, ``assert_mirrored(ada)``: every account has its row in each mirror, and the other way
    round."""

    def check(user: Someone | None = None) -> None:
        __tracebackhide__ = True
        if not any(referee_db.playground.mirrors()):
            pytest.fail("The project has no table that mirrors its users, so there is nothing to assert.")
        _none(referee_db.unmirrored(user))

    return check


@pytest.fixture
def assert_references(referee_db: Database) -> Callable[[str, str, str], None]:
    """``assert_references("public.songs", "created_by", "public.users(id)")``: the column has a foreign key there, and
    to nothing else."""
    from referee.workflow.playground import target

    def check(table: str, column: str, to: str) -> None:
        __tracebackhide__ = True
        expected = target(to)
        found = referee_db.references(table, column)
        if not found:
            pytest.fail(f"{table}.{column} has no foreign key; expected was one to {expected}.")
        _none([f"{table}.{column} references {other} ({name}), not {expected}" for name, other in found
               if other != expected])  # fmt: skip

    return check


def _none(problems: list[str]) -> None:
    __tracebackhide__ = True
    if problems:
        pytest.fail("\n".join(problems))
