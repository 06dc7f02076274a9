"""Which statement of a project's files took a locked object away, or made it what it is now."""

from __future__ import annotations

from collections.abc import Iterator

from referee.compare.history import Key, dropped, names_of
from referee.model.comparison import Violation
from referee.model.origins import Origins
from referee.model.schema import Trigger
from referee.model.source import Span
from referee.sql.script import read_script


def culprit(violation: Violation, origins: Origins) -> Span | None:
    """The last statement that made, altered or dropped the object; None where no file holds one."""
    order = {path: number for number, path in enumerate(origins.sources)}
    found = [*origins.statements.get(violation.object, ())[-1:], *_dropper(violation, origins)]
    return max(found, key=lambda span: (order.get(span.path, -1), span.start), default=None)


def _dropper(violation: Violation, origins: Origins) -> Iterator[Span]:
    """The last statement that dropped the object, or what it cannot be without."""
    wanted = set(_ways(violation))
    words = {name for _, name, _ in wanted}
    for source in reversed(list(origins.sources.values())):
        # Reading a file takes much longer than looking for a word in it.
        if not any(word in source.text for word in words):
            continue
        for statement in reversed(read_script(source.text).statements):
            if not wanted.isdisjoint(dropped(statement.action)):
                yield Span(source.path, statement.start, statement.end)
                return


def _ways(violation: Violation) -> Iterator[Key]:
    """What somebody may have dropped for the object to be gone: a trigger goes along with its function."""
    yield from names_of(violation.object)
    for change in violation.restore:
        trigger = getattr(change, "trigger", None)
        if isinstance(trigger, Trigger):
            yield "function", trigger.function.name, ""
