"""What a replay finds is what a server has: the same SQL is read by both readers, and every fact is compared.

Where a replay cannot know, a gap says so, and its span lies in the statement that is in doubt.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from referee import rules
from referee.model.source import Source
from referee.platforms import PLAIN, SUPABASE
from referee.postgres.server import Server, start_server
from referee.rules.base import Example
from tests import bandbook
from tests.read import ddl
from tests.read.agreement import Readings, read_both

_FOLDER = Path(__file__).parent / "cases"
_CASES = {str(path.relative_to(_FOLDER)): path for path in sorted(_FOLDER.rglob("*.sql"))}
#: In front of a case that only a superuser may run.
_SUPERUSER = "-- as a superuser\n"
_EXAMPLES = {
    f"{rule.id}-{number}": example for rule in rules.ALL for number, example in enumerate(rule.examples, start=1)
}


@pytest.fixture(scope="module")
def plain_server() -> Iterator[Server]:
    with start_server(PLAIN) as started:
        yield started


def assert_agreement(readings: Readings) -> None:
    assert readings.unexplained == []
    assert readings.unseen_failures == []
    assert readings.false_alarms == []
    assert all(gap.span is not None for gap in readings.replayed.gaps)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", [case for case, path in _CASES.items() if not read(path).startswith(_SUPERUSER)])
def test_readers_agree(case: str, server: Server) -> None:
    assert_agreement(read_both(server, [Source(case, read(_CASES[case]))], SUPABASE))


@pytest.mark.parametrize("case", _CASES)
def test_readers_agree_for_a_superuser(case: str, plain_server: Server) -> None:
    assert_agreement(read_both(plain_server, [Source(case, read(_CASES[case]))], PLAIN))


@pytest.mark.parametrize("variant", bandbook.VARIANTS)
def test_readers_agree_on_bandbook(variant: bandbook.Variant, server: Server) -> None:
    readings = read_both(server, [Source("20251106000000_baseline_schema.sql", bandbook.migration(variant))], SUPABASE)
    assert readings.differences == []
    assert readings.failures == ()
    assert readings.replayed.gaps == ()


@pytest.mark.parametrize("example", _EXAMPLES.values(), ids=_EXAMPLES)
def test_readers_agree_on_the_examples_of_rules(example: Example, server: Server) -> None:
    readings = read_both(server, [Source("example.sql", example.schema)], SUPABASE)
    assert_agreement(readings)
    assert readings.failures == ()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=ddl.MIGRATION)
def test_readers_agree_on_random_schemas(text: str, server: Server) -> None:
    assert_agreement(read_both(server, [Source("random.sql", text)], SUPABASE))
