"""What in a project rests on stand-ins for extensions, so that its verdicts are not the last word."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from referee.model.rehearsal import Unverified
from referee.model.schema import Schema
from referee.platforms import Platform
from referee.postgres.session import Session

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
