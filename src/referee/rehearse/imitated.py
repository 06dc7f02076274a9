"""What in a project rests on something that the throw-away server lacks, so that its verdicts are not the last word."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from referee.model.origins import Origins, Place
from referee.model.rehearsal import Unverified
from referee.model.schema import Function, Schema
from referee.platforms import Platform
from referee.postgres.session import Session
from referee.sql.bodies import read_body
from referee.sql.tree import Query

# What the server itself has under the same name comes first on every path.
_FUNCTIONS = """
    select distinct e.extname, p.proname
    from pg_catalog.pg_extension e
    join pg_catalog.pg_depend d on d.refclassid = 'pg_extension'::regclass and d.refobjid = e.oid and d.deptype = 'e'
    join pg_catalog.pg_proc p on d.classid = 'pg_proc'::regclass and p.oid = d.objid
    where e.extname = any(%s)
      and not exists (
        select from pg_catalog.pg_proc own
        where own.pronamespace = 'pg_catalog'::regnamespace and own.proname = p.proname
      )
    order by 1, 2
"""
_SHOWN = 3


def rests_on_stand_ins(
    session: Session, schema: Schema, platform: Platform, stand_ins: Sequence[str]
) -> Iterator[Unverified]:
    """An entry for each stand-in that the project's functions, defaults or policies call."""
    functions: defaultdict[str, list[str]] = defaultdict(list)
    for extension, name in session.rows(_FUNCTIONS, [list(stand_ins)]):
        functions[extension].append(name)
    texts = dict(_texts(schema))
    for extension, names in functions.items():
        called = re.compile(rf"\b(?:{'|'.join(map(re.escape, names))})\"?\s*\(")
        users = [user for user, text in texts.items() if called.search(text)]
        if users:
            more = f" and {len(users) - _SHOWN} more" if len(users) > _SHOWN else ""
            reason = f"what calls it is unverified: {', '.join(users[:_SHOWN])}{more}. {_limits(platform, extension)}"
            yield Unverified(f"stand-in for {extension}", reason.strip())


def refused_through_the_api(schema: Schema, origins: Origins) -> Iterator[Unverified]:
    """An entry for the functions that update or delete without WHERE: production refuses that in a request.

    Supabase's authenticator preloads safeupdate, which raises 21000 for each such statement, also inside functions
    (supabase/postgres, migrations; pg-safeupdate's README). It is a library, so nothing here can take its place.
    """
    found = [(function, query) for function in _in_requests(schema) if (query := _unlimited(function)) is not None]
    if not found:
        return
    names = [str(function.name) for function, _ in found]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    first, query = found[0]
    yield Unverified(
        "safeupdate",
        f"{', '.join(names[:_SHOWN])}{more}: an UPDATE or DELETE without WHERE. In a request through the API Supabase "
        "refuses it (21000), also inside a function; this server does not",
        origins.location(Place(first.ref, (query.start, query.end))),
    )


def _in_requests(schema: Schema) -> Iterator[Function]:
    """The project's functions that a request may come to, not those that only the platform's tables set off."""
    for function in schema.functions.values():
        triggers = schema.triggers_by_function.get(function.name.qualified, ())
        if schema.is_managed(function.name.schema):
            continue
        if not triggers or any(not schema.is_managed(trigger.table.schema) for trigger in triggers):
            yield function


def _unlimited(function: Function) -> Query | None:
    """The first UPDATE or DELETE of a body that has no condition at all."""
    queries = [step.query for step in read_body(function.language, function.body).steps if step.query is not None]
    while queries:
        query = queries.pop(0)
        if query.action in ("update", "delete") and not query.conditions:
            return query
        queries = [*query.nested, *queries]
    return None


def _limits(platform: Platform, extension: str) -> str:
    found = platform.stand_ins.get(extension)
    return found.limits if found is not None else ""


def _texts(schema: Schema) -> Iterator[tuple[str, str]]:
    """Everything of the project's own that is evaluated, by what it is called."""
    for function in schema.functions.values():
        if not schema.is_managed(function.name.schema):
            yield str(function.name), function.body
    for table in schema.own_tables:
        for column in table.columns:
            if column.default is not None:
                yield f"{table.name}.{column.name}", column.default
        for policy in table.policies:
            yield str(policy.ref), f"{policy.using or ''} {policy.check or ''}"
