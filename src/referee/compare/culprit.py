"""Which statement of a project's files took a locked object away, or made it what it is now."""

from __future__ import annotations

from collections.abc import Iterator

from referee.model.comparison import Violation
from referee.model.names import Ref
from referee.model.origins import Origins
from referee.model.schema import Trigger
from referee.model.source import Span
from referee.sql import statements as records
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
            if not wanted.isdisjoint(_dropped(statement.action)):
                yield Span(source.path, statement.start, statement.end)
                return


# What kind of thing is dropped, its name, and its table if it has one.
_Dropped = tuple[str, str, str]


def _ways(violation: Violation) -> Iterator[_Dropped]:
    """What somebody may have dropped for the object to be gone: a trigger goes along with its function."""
    ref = violation.object
    yield from _named(ref)
    for change in violation.restore:
        trigger = getattr(change, "trigger", None)
        if isinstance(trigger, Trigger):
            yield "function", trigger.function.name, ""


def _named(ref: Ref) -> Iterator[_Dropped]:
    if ref.part and ref.kind != "function":
        yield ref.kind, ref.part, ref.name
        yield "table", ref.name, ""
    else:
        yield ref.kind, ref.name, ""


def _dropped(action: records.Action) -> Iterator[_Dropped]:
    if isinstance(action, records.Drop):
        if action.parts:
            for name, part in zip(action.names, action.parts, strict=True):
                yield action.kind, part, name.name
        else:
            for name in action.names:
                yield action.kind, name.name, ""
    elif isinstance(action, records.AlterTable):
        for one in action.actions:
            if one.kind == "drop constraint":
                yield "constraint", one.name, action.name.name
