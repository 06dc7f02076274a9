"""The sessions of a repair: how what they ask is planned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from referee.data.writer import Limits, Writer
from referee.postgres.server import Server


@pytest.fixture
def writer(server: Server, database: str) -> Iterator[Writer]:
    with closing(Writer(lambda: server.connect(database), Limits(), lambda message: None)) as found:
        yield found


def test_no_range_is_gone_through_once_for_each_row(writer: Writer) -> None:
    """A range of new rows looks all but empty to the server: reading it in a nested loop took 15 s for 2,000 rows."""
    setting = "select current_setting('enable_nestloop')"
    assert writer.read([setting])[-1] == [("off",)]
    assert writer.batch([setting])[-1] == [("off",)]
    assert writer.session.value(setting) == "on"
