"""Random schemas and random changes of them, as facts: every schema can be made, and made from every other."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from hypothesis import strategies as st

from referee.model.names import FunctionName, QName, Target
from referee.model.schema import (
    Action,
    Check,
    Column,
    Enabled,
    ForeignKey,
    Function,
    Grant,
    Index,
    Key,
    Policy,
    Schema,
    Table,
    Trigger,
    View,
)

USERS = QName("auth", "users")
NAMES = ("a", "Org's", 'mem"bers', "select", "🎸")
TYPES = ("uuid", "text", "integer", "character varying(20)", "timestamp with time zone", "text[]")
DEFAULTS = {
    "uuid": "gen_random_uuid()",
    "text": "'it''s'::text",
    "integer": "7",
    "character varying(20)": "'x'::character varying",
    "timestamp with time zone": "now()",
    "text[]": "'{}'::text[]",
}
ACTIONS: tuple[Action, ...] = ("NO ACTION", "RESTRICT", "CASCADE", "SET NULL")
COMMANDS: tuple[Literal["all", "select", "insert", "update", "delete"], ...] = (
    "all",
    "select",
    "insert",
    "update",
    "delete",
)
TIMINGS: tuple[Literal["BEFORE", "AFTER"], ...] = ("BEFORE", "AFTER")
STATES: tuple[Enabled, ...] = ("origin", "disabled", "always", "replica")
ROLES = ("anon", "authenticated", "service_role", "public")
PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
BODIES = (
    "begin return new; end",
    "begin\n  -- nothing\n  return new;\nend",
    "begin new.id := gen_random_uuid(); return new; end",
    "begin raise exception 'no ''way'' $function$'; end",
)

booleans = st.booleans()


@st.composite
def columns(draw: st.DrawFn) -> tuple[Column, ...]:
    """An id, a reference to a user, and some others."""
    found = [Column("id", "uuid", True, draw(st.sampled_from((None, "gen_random_uuid()"))))]
    found.append(Column("owner", "uuid", draw(booleans)))
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3)):
        kind = draw(st.sampled_from(TYPES))
        default = DEFAULTS[kind] if draw(booleans) else None
        found.append(Column(name, kind, draw(booleans), default))
    return tuple(found)


@st.composite
def tables(draw: st.DrawFn, name: QName, others: tuple[QName, ...]) -> Table:
    """A table; keys go to ``others``, which have a primary key on ``id``."""
    parts = draw(columns())
    names = [column.name for column in parts]
    any_columns = st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True).map(tuple)
    unique = draw(st.lists(any_columns, unique=True, max_size=1))
    keys = (
        Key(name, f"{name.name}_pkey", ("id",), primary=True),
        *(Key(name, f"u;k {name.name}", one) for one in unique),
    )
    more = draw(st.lists(any_columns, unique=True, max_size=2))
    backing = [Index(name, key.name, key.columns, True) for key in keys]
    plain = [
        Index(
            name,
            f"i {at} {name.name}"[:60],
            one,
            draw(booleans),
            predicate="(owner IS NOT NULL)" if draw(booleans) else None,
        )
        for at, one in enumerate(more)
    ]
    targets = draw(st.lists(st.sampled_from((USERS, *others)), max_size=2))
    return Table(
        name,
        parts,
        keys=tuple(sorted(keys, key=lambda key: key.name)),
        checks=tuple(
            Check(name, f"c{at}", text, draw(booleans))
            for at, text in enumerate(
                draw(st.lists(st.sampled_from(("(id IS NOT NULL)", "(owner <> id)")), unique=True))
            )
        ),
        foreign_keys=tuple(
            sorted(
                [draw(foreign_keys(name, f"f'{at}", target)) for at, target in enumerate(targets)], key=lambda k: k.name
            )
        ),
        indexes=tuple(sorted(backing + plain, key=lambda index: index.name)),
        triggers=tuple(draw(triggers(name, f"t{at}")) for at in range(draw(st.integers(0, 2)))),
        policies=tuple(draw(policies(name, f"p {at}")) for at in range(draw(st.integers(0, 2)))),
        row_security=draw(booleans),
        force_row_security=draw(booleans),
        owner="postgres",
        grants=draw(grants()),
    )


@st.composite
def foreign_keys(draw: st.DrawFn, table: QName, name: str, target: QName) -> ForeignKey:
    deferrable = draw(booleans)
    enforced = draw(st.sampled_from((True, True, True, False)))
    return ForeignKey(
        table,
        name,
        ("owner",),
        Target(target, ("id",)),
        draw(st.sampled_from(ACTIONS)),
        draw(st.sampled_from(ACTIONS)),
        deferrable=deferrable,
        initially_deferred=deferrable and draw(booleans),
        enforced=enforced,
        validated=enforced and draw(booleans),
    )


@st.composite
def triggers(draw: st.DrawFn, table: QName, name: str, managed: bool = False) -> Trigger:
    timing = draw(st.sampled_from(TIMINGS))
    events = draw(st.sets(st.sampled_from(("insert", "update", "delete")), min_size=1).map(frozenset))
    return Trigger(
        table,
        name,
        QName("public", draw(st.sampled_from(("touch", "Org's")))),
        timing,
        events,
        ("id",) if "update" in events and draw(booleans) else (),
        when="(new.id IS NOT NULL)" if events == {"insert"} and draw(booleans) else None,
        arguments=draw(st.sampled_from(((), ("Org's", "b\\c")))),
        enabled="origin" if managed else draw(st.sampled_from(STATES)),
    )


@st.composite
def policies(draw: st.DrawFn, table: QName, name: str) -> Policy:
    command = draw(st.sampled_from(COMMANDS))
    roles = tuple(sorted(draw(st.sets(st.sampled_from(("anon", "authenticated")), max_size=2)))) or ("public",)
    using = None if command == "insert" else draw(st.sampled_from(("true", "(owner = ( SELECT auth.uid() AS uid))")))
    check = (
        "(owner IS NOT NULL)" if command in ("insert", "update", "all") and (using is None or draw(booleans)) else None
    )
    return Policy(table, name, command, draw(booleans), roles, using, check)


@st.composite
def grants(draw: st.DrawFn) -> tuple[Grant, ...]:
    found = []
    for role in sorted(draw(st.sets(st.sampled_from(ROLES), max_size=3))):
        privileges = draw(st.sets(st.sampled_from(PRIVILEGES), min_size=1))
        found.append(Grant(role, frozenset(privileges)))
    return tuple(found)


@st.composite
def functions(draw: st.DrawFn, name: str) -> Function:
    settings = draw(st.sampled_from(((), (("search_path", '""'),), (("search_path", 'public, "Org\'s"'),))))
    return Function(
        FunctionName("public", name),
        "plpgsql",
        "trigger",
        draw(st.sampled_from(BODIES)),
        security_definer=draw(booleans),
        volatility=draw(st.sampled_from(("volatile", "stable"))),
        settings=settings,
        owner="postgres",
        grants=tuple([Grant(role, frozenset({"EXECUTE"})) for role in sorted(draw(st.sets(st.sampled_from(ROLES))))]),
    )


@st.composite
def schemas(draw: st.DrawFn, base: Schema) -> Schema:
    """A schema on top of a platform."""
    names = [QName("public", name) for name in ("t", "T 2", "x;y") if draw(booleans)]
    made: list[Table] = []
    for name in names:
        made.append(draw(tables(name, (*(one.name for one in made), name))))
    has_view = bool(made) and draw(booleans)
    called = {trigger.function for table in made for trigger in table.triggers}
    on_users = draw(st.lists(triggers(USERS, "on_user", managed=True), max_size=1))
    called |= {trigger.function for trigger in on_users}
    wanted = {function.name for function in called} | ({"spare"} if draw(booleans) else set())
    source = base.tables[USERS]
    users = replace(source, triggers=tuple(sorted([*source.triggers, *on_users], key=lambda one: one.name)))
    return replace(
        base,
        tables={**base.tables, USERS: users, **{table.name: table for table in made}},
        functions={**base.functions, **{one.name: one for one in [draw(functions(name)) for name in sorted(wanted)]}},
        views={**base.views, **({QName("public", "v"): view(made[0].name, draw(booleans))} if has_view else {})},
    )


def view(table: QName, invoker: bool) -> View:
    return View(
        QName("public", "v"), f"SELECT 1 AS one WHERE (EXISTS ( SELECT FROM {table}))", False, invoker, owner="postgres"
    )
