"""What a rename changes in the texts of other things: Postgres keeps numbers there, and prints the new name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from referee.model.names import FunctionName, QName, quote
from referee.read.replay.session import Session
from referee.read.replay.state import State
from referee.read.replay.uses import Thing, Used, texts, used_by
from referee.sql.mentions import Mention, replace_ranges

Places = list[tuple[str, Mention]]
_Range = tuple[int, int, str]


class Rewrite(NamedTuple):
    """A text of a thing as it will be."""

    thing: Thing
    field: str
    text: str


def for_relation(session: Session, old: QName, new: QName) -> list[Rewrite]:
    """What a new name or schema of a table, view or sequence changes."""

    def ranges(places: Places) -> Iterator[tuple[str, _Range]]:
        for field, mention in places:
            yield field, _whole(mention, old, new)

    found: list[Rewrite] = []
    for user, used in _users(session, old.name):
        if old in used.relations or user.owner == old:
            changes = list(ranges(used.relations.get(old, [])))
            changes.extend(_qualifications(session, user, old, new))
            found.extend(_rewrites(session.state, user, changes))
    return found


def _qualifications(session: Session, user: Thing, old: QName, new: QName) -> Iterator[tuple[str, _Range]]:
    """The table's name in front of columns."""
    if old.name == new.name:
        return
    for (table, _column), places in _used(session, user).columns.items():
        for field, mention in places:
            if table == old and mention.table == old.name and mention.table_place[0] >= 0:
                yield field, (*mention.table_place, quote(new.name))


def for_column(session: Session, table: QName, old: str, new: str) -> list[Rewrite]:
    """What a new name of a column changes."""

    def places(used: Used) -> Places:
        return used.columns.get((table, old), [])

    return _all(session, old, places, lambda mention: (mention.start, mention.end, quote(new)))


def for_function(session: Session, old: FunctionName, new: QName) -> list[Rewrite]:
    """What a new name or schema of a function changes."""
    former = old.qualified

    def places(used: Used) -> Places:
        return used.functions.get(old, [])

    return _all(session, old.name, places, lambda mention: _whole(mention, former, new))


def for_type(session: Session, old: QName, new: QName) -> list[Rewrite]:
    """What a new name or schema of a type changes."""

    def places(used: Used) -> Places:
        return used.types.get(old, [])

    return _all(session, old.name, places, lambda mention: _whole(mention, old, new))


def for_label(session: Session, enum: QName, old: str, new: str) -> list[Rewrite]:
    """What a new name of an enum's label changes."""

    def places(used: Used) -> Places:
        return used.labels.get((enum, old), [])

    literal = "'" + new.replace("'", "''") + "'"
    return _all(session, old, places, lambda mention: (mention.start, mention.end, literal))


def apply(session: Session, rewrites: Iterable[Rewrite], moved: Callable[[Thing], Thing] = lambda thing: thing) -> None:
    """Puts the new texts in; ``moved`` tells where a thing is by now."""
    for thing, field, text in rewrites:
        here = moved(thing)
        _put(session.state, here, field, text)
        session.uses.note(here.kind, here.owner, here.part, session.path)


def _users(session: Session, name: str) -> Iterator[tuple[Thing, Used]]:
    for user, path in list(session.uses.naming(session.state, name)):
        schemas = tuple([session.role if schema == "$user" else schema for schema in path])
        yield user, used_by(session.state, user, schemas)


def _used(session: Session, user: Thing) -> Used:
    return used_by(session.state, user, session.path)


def _all(
    session: Session, name: str, places: Callable[[Used], Places], change: Callable[[Mention], _Range]
) -> list[Rewrite]:
    found: list[Rewrite] = []
    for user, used in _users(session, name):
        changes = [(field, change(mention)) for field, mention in places(used) if mention.end > mention.start]
        found.extend(_rewrites(session.state, user, changes))
    return found


def _whole(mention: Mention, old: QName, new: QName) -> _Range:
    """The new name in place of the old one, with a schema where there was one or where it changes."""
    text = quote(new.name) if mention.schema is None and new.schema == old.schema else str(new)
    return mention.first, mention.end, text.replace("'", "''") if mention.quoted else text


def _rewrites(state: State, user: Thing, changes: Iterable[tuple[str, _Range]]) -> Iterator[Rewrite]:
    by_field: dict[str, list[_Range]] = {}
    for field, change in changes:
        if change[1] > change[0]:
            by_field.setdefault(field, []).append(change)
    for field, ranges in by_field.items():
        yield Rewrite(user, field, replace_ranges(texts(state, user)[field], ranges))


def _put(state: State, thing: Thing, field: str, text: str) -> None:
    name = thing.owner
    if thing.kind == "view":
        if name in state.views:
            state.views[name] = replace(state.views[name], definition=text)
    elif thing.kind == "function":
        _put_in_function(state, thing, field, text)
    elif thing.kind == "type":
        _put_in_domain(state, name, field, text)
    elif name in state.tables:
        table = state.tables[name]
        if field == "parts":
            table.parts[thing.part] = text
            return
        containers: dict[str, Any] = {
            "check": table.checks,
            "default": table.columns,
            "index": table.indexes,
            "policy": table.policies,
            "trigger": table.triggers,
        }
        container = containers[thing.kind]
        container[thing.part] = replace(container[thing.part], **{field: text})


def _put_in_function(state: State, thing: Thing, field: str, text: str) -> None:
    name = thing.function
    if name not in state.functions:
        return
    if field == "body":
        return  # its places in the file would no longer be right
    defaults, outputs = state.signatures[name]
    position = int(field)
    state.signatures[name] = ((*defaults[:position], text, *defaults[position + 1 :]), outputs)


def _put_in_domain(state: State, name: QName, field: str, text: str) -> None:
    if name not in state.domains:
        return
    if field == "=":
        state.domains[name] = replace(state.domains[name], default=text)
        return
    checks = state.domain_checks[name] | {field: text}
    state.domain_checks[name] = checks
    state.domains[name] = replace(state.domains[name], checks=tuple([checks[key] for key in sorted(checks)]))
