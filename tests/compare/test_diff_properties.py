"""Whatever the two schemas: the changes between them, applied, make them equal; and a schema equals itself."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from referee.model.schema import Schema
from referee.model.source import Source
from referee.platforms import SUPABASE
from referee.postgres.server import Server
from referee.read.replay import replay
from referee.sql.write import Writer, script
from tests.compare import schemas
from tests.compare.applying import apply, backward, compared, forward, read, run, summaries

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


@_FEW
@given(data=st.data())
def test_a_schema_is_the_same_whoever_reads_it(server: Server, data: st.DataObject) -> None:
    start = base(server)
    schema = data.draw(schemas.schemas(start))
    statements = script(forward(compared(start, schema).differences), Writer(start, "postgres", server.major))
    text = "".join(f"{statement};\n" for statement in statements)
    note(text)
    replayed = replay([Source("a.sql", text)], SUPABASE)
    assert [gap.message for gap in replayed.gaps] == []
    with server.database() as database:
        assert not run(server, database, statements).failures
        live = read(server, database)
        for left, right in ((live, replayed.schema), (live, read(server, database))):
            notes = compared(left, right)
            assert summaries(notes) == []
            assert set(notes.counts) <= {"formatting", "platform"}
