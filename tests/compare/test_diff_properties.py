"""Whatever the two schemas: the changes between them, applied, make them equal; and a schema equals itself."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from referee.model.schema import Schema
from referee.postgres.server import Server
from tests.compare import schemas
from tests.compare.applying import apply, backward, compared, forward, read, summaries

_FEW = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
_base: list[Schema] = []


def base(server: Server) -> Schema:
    """What the platform brings, read once."""
    if not _base:
        with server.database() as name:
            _base.append(read(server, name))
    return _base[0]


@_FEW
@given(data=st.data())
def test_changes_make_one_schema_the_other_and_back(server: Server, data: st.DataObject) -> None:
    start = base(server)
    left, right = data.draw(schemas.schemas(start)), data.draw(schemas.schemas(start))
    with server.database() as database:
        apply(server, database, start, forward(compared(start, left).differences))
        made = read(server, database)
        assert summaries(compared(left, made)) == []
        steps = compared(made, right)
        note("\n".join(summaries(steps)))
        apply(server, database, made, forward(steps.differences))
        changed = read(server, database)
        assert summaries(compared(right, changed)) == []
        apply(server, database, changed, backward(compared(made, changed).differences))
        assert summaries(compared(made, read(server, database))) == []


@_FEW
@given(data=st.data())
def test_a_schema_does_not_differ_from_itself(server: Server, data: st.DataObject) -> None:
    schema = data.draw(schemas.schemas(base(server)))
    again = Schema(**{name: getattr(schema, name) for name in schema.__dataclass_fields__})
    assert (compared(schema, again).differences, compared(schema, again).counts) == ([], {})


@_FEW
@given(data=st.data())
def test_the_two_directions_mirror_each_other(server: Server, data: st.DataObject) -> None:
    start = base(server)
    left, right = data.draw(schemas.schemas(start)), data.draw(schemas.schemas(start))
    there, back = compared(left, right), compared(right, left)
    assert Counter((one.object, one.forward, one.backward) for one in there.differences) == Counter(
        (one.object, one.backward, one.forward) for one in back.differences
    )
    assert there.counts == back.counts
