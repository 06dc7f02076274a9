"""`referee snapshot`: a schema as a file that compare reads."""

from __future__ import annotations

from contextlib import ExitStack

from referee.compare.snapshot import write_snapshot
from referee.compare.texts import incomplete
from referee.workflow.config import read_config
from referee.workflow.sides import Options, read_sides


def snapshot_of(subject: str = ".", options: Options | None = None) -> str:
    """The text of a snapshot of a project, database or dump. Raises what reading it raises."""
    options = options or Options(read_config(subject))
    with ExitStack() as stack:
        [reading] = read_sides([subject], options, stack)
        world = reading.world
        texts = reading.texts(incomplete(world.schema))
    kind = reading.subject.kind
    return write_snapshot(
        world.schema,
        kind="project" if kind == "snapshot" else kind,
        name=reading.subject.name,
        platform=world.platform.name,
        server=world.server,
        texts={str(ref): text for ref, text in texts.items()},
        history=world.history,
    )
