"""Follows a new row of the identity source through the triggers that it fires, and notes what goes wrong.

Each way to sign up is followed by itself, as the role that writes the source and under its search_path: through the
triggers on the source, the functions that they call, the rows that they insert, and the triggers that those rows fire
in turn. Nothing is run; where a value or a condition is not known, no fault is claimed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from referee.model.identity import Identities, Identity
from referee.model.names import QName
from referee.model.schema import Schema, Trigger
from referee.rules._faults import Fault, Fill, Pursuit
from referee.rules._follower import FIRING, Follower
from referee.rules._frames import Library
from referee.rules._inserts import target_place
from referee.rules._names import meant_table
from referee.rules._sign_up import sign_ups
from referee.sql.bodies import read_body, writes
from referee.sql.resolve import effective_path


def pursuits(schema: Schema, identities: Identities) -> tuple[tuple[Identity, Pursuit], ...]:
    """Every source with what its sign-ups meet. Three rules ask for the same in turn, so the latest answer is kept."""
    global _latest
    if _latest is None or _latest[0] is not schema or _latest[1] is not identities:
        found = tuple((identity, pursue(schema, identity)) for identity in by_source(identities))
        _latest = (schema, identities, found)
    return _latest[2]


_latest: tuple[Schema, Identities, tuple[tuple[Identity, Pursuit], ...]] | None = None


def by_source(identities: Identities) -> Iterator[Identity]:
    """One identity for each source, with all its mirrors: sets of schemas share their source and its triggers."""
    groups: dict[QName, list[Identity]] = {}
    for identity in identities.all:
        groups.setdefault(identity.source.table, []).append(identity)
    for first, *others in groups.values():
        mirrors = {mirror.table: mirror for identity in (*others, first) for mirror in identity.mirrors}
        references = tuple(reference for identity in (first, *others) for reference in identity.references)
        yield replace(first, mirrors=tuple(mirrors.values()), references=references)


def pursue(schema: Schema, identity: Identity) -> Pursuit:
    """Follows every way to sign up through the enabled triggers on the source."""
    return _follow(
        schema, identity, [trigger for trigger in own_triggers(schema, identity) if trigger.enabled in FIRING]
    )


def pursue_disabled(schema: Schema, identity: Identity) -> Pursuit:
    """The same for the triggers that are switched off: what they would do."""
    silent = [trigger for trigger in own_triggers(schema, identity) if trigger.enabled not in FIRING]
    return _follow(schema, identity, silent)


def own_triggers(schema: Schema, identity: Identity) -> Iterator[Trigger]:
    """The project's triggers on the source."""
    source = schema.table(identity.source.table)
    for trigger in source.triggers if source is not None else ():
        if not schema.is_managed(trigger.function.schema):
            yield trigger


def intended_fills(schema: Schema, identity: Identity) -> Iterator[Fill]:
    """Every INSERT into a mirror in the functions of the enabled triggers on the source, reached or not."""
    for trigger in own_triggers(schema, identity):
        function = schema.functions.get(trigger.function_name)
        if function is None or function.language != "plpgsql" or trigger.enabled not in FIRING:
            continue
        path = effective_path(function, identity.writer.search_path)
        for step, query in writes(read_body(function.language, function.body)):
            target = query.target
            if query.action != "insert" or target is None or step.in_handler >= 0:
                continue
            table = meant_table(schema, path, target)
            if table is not None and table.name in identity.mirror_by_table:
                yield Fill(table.name, trigger.ref, function.ref, "insert", False, target_place(query), "")


def _follow(schema: Schema, identity: Identity, triggers: list[Trigger]) -> Pursuit:
    faults: dict[Fault, frozenset[str]] = {}
    fills: dict[Fill, frozenset[str]] = {}
    library = Library(schema)
    for way in sign_ups(schema, identity) if triggers else ():
        follower = Follower(schema, identity, way, library)
        follower.sign_up(triggers)
        for fault in follower.faults:
            faults[fault] = faults.get(fault, frozenset()) | {way.way}
        for fill in follower.fills:
            fills[fill] = fills.get(fill, frozenset()) | {way.way}
    return Pursuit(faults, fills)
