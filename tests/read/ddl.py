"""Random schemas: statements over a few names, so that they meet, clash and refer to what is not there."""

from __future__ import annotations

from hypothesis import strategies as st

from referee.model.names import quote

_SCHEMAS = ("public", "s")
_TABLES = ("a", "b", "Org's", "select")
_COLUMNS = ("id", "x", 'mem"ber', "at")
_TYPES = ("int", "bigint", "text", "uuid", "timestamptz", "varchar(20)", "numeric(10, 2)", "int[]")
_ACTIONS = ("", " on delete cascade", " on delete set null", " on update cascade on delete restrict", " deferrable")
_ROLES = ("anon", "authenticated", "service_role", "public")
_RIGHTS = ("select", "insert", "update", "all", "select, delete")
_NAMES = (
    "k1",
    "k2",
    "a_x_fkey",
    "b_pkey",
    "A long name that goes on, and on, and on, far beyond sixty-three bytes, which is a lot",
)

HEAD = """
create schema s;
create function public.stamp() returns trigger language plpgsql as $$ begin return new; end $$;
create table public.a (id int primary key, x int references public.a, at timestamptz default now());
create table s.b (id int primary key, x int references public.a (id) on delete cascade, "mem""ber" text unique);
"""


def _one(values: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.sampled_from(values)


def _name(values: tuple[str, ...]) -> st.SearchStrategy[str]:
    return _one(values).map(quote)


def _qualified() -> st.SearchStrategy[str]:
    return st.one_of(_name(_TABLES), st.builds("{}.{}".format, _name(_SCHEMAS), _name(_TABLES)))


_TABLE, _COLUMN, _NAME = _qualified(), _name(_COLUMNS), _name(_NAMES)
_REFERENCES = st.builds(
    "references {}{}{}".format, _TABLE, st.one_of(st.just(""), _COLUMN.map("({})".format)), _one(_ACTIONS)
)
_CONSTRAINT = st.one_of(
    st.builds("primary key ({})".format, _COLUMN),
    st.builds("unique ({})".format, _COLUMN),
    st.builds("unique ({}, {})".format, _COLUMN, _COLUMN),
    st.builds("check ({} is not null)".format, _COLUMN),
    st.builds("foreign key ({}) {}".format, _COLUMN, _REFERENCES),
    st.builds("foreign key ({}) {} not valid".format, _COLUMN, _REFERENCES),
)
_NAMED = st.one_of(_CONSTRAINT, st.builds("constraint {} {}".format, _NAME, _CONSTRAINT))
_PART = st.one_of(
    st.just(""), st.just(" not null"), st.just(" primary key"), st.just(" unique"), st.just(" default null"),
    _REFERENCES.map(" {}".format),
)  # fmt: skip
_DEFINITION = st.builds("{} {}{}".format, _COLUMN, _one(_TYPES), _PART)
_BODY = st.lists(st.one_of(_DEFINITION, _DEFINITION, _NAMED), min_size=1, max_size=4, unique=True).map(", ".join)
_CHANGE = st.one_of(
    st.builds("add column {}".format, _DEFINITION),
    st.builds("add column if not exists {}".format, _DEFINITION),
    st.builds("drop column {}".format, _COLUMN),
    st.builds("drop column if exists {} cascade".format, _COLUMN),
    st.builds("rename column {} to {}".format, _COLUMN, _COLUMN),
    st.builds("rename to {}".format, _name(_TABLES)),
    st.builds("add {}".format, _NAMED),
    st.builds("drop constraint {}".format, _NAME),
    st.builds("drop constraint if exists {} cascade".format, _NAME),
    st.builds("rename constraint {} to {}".format, _NAME, _NAME),
    st.builds("validate constraint {}".format, _NAME),
    st.builds("alter column {} set not null".format, _COLUMN),
    st.builds("alter column {} drop not null".format, _COLUMN),
    st.builds("set schema {}".format, _name(_SCHEMAS)),
    _one(("enable row level security", "disable row level security", "force row level security")),
    st.builds("{} trigger {}".format, _one(("enable", "disable", "enable always")), _NAME),
)
STATEMENT = st.one_of(
    st.builds("create table {} ({})".format, _TABLE, _BODY),
    st.builds("create table if not exists {} ({})".format, _TABLE, _BODY),
    st.builds("alter table {} {}".format, _TABLE, _CHANGE),
    st.builds("alter table {} {}".format, _TABLE, _CHANGE),
    st.builds("alter table {} {}".format, _TABLE, _CHANGE),
    st.builds("drop table if exists {}{}".format, _TABLE, _one(("", " cascade"))),
    st.builds("create{} index on {} ({})".format, _one(("", " unique")), _TABLE, _COLUMN),
    st.builds("create index if not exists {} on {} ({}, {})".format, _NAME, _TABLE, _COLUMN, _COLUMN),
    st.builds("drop index {}".format, _NAME),
    st.builds(
        "create trigger {} {} on {} for each row execute function public.stamp()".format,
        _NAME,
        _one(("before insert", "after insert or update", "before delete", "after update of x")),
        _TABLE,
    ),
    st.builds("drop trigger {} on {}".format, _NAME, _TABLE),
    st.builds(
        "create policy {} on {} for {} to {} using ({} is not null)".format,
        _NAME,
        _TABLE,
        _one(("all", "select", "update", "delete", "insert")),
        _one(_ROLES),
        _COLUMN,
    ),
    st.builds("drop policy if exists {} on {}".format, _NAME, _TABLE),
    st.builds("grant {} on {} to {}".format, _one(_RIGHTS), _TABLE, _one(_ROLES)),
    st.builds("revoke {} on {} from {}".format, _one(_RIGHTS), _TABLE, _one(_ROLES)),
    st.builds("create view {} as select {} from {}".format, _name(("v", "w")), _COLUMN, _TABLE),
    st.builds("drop view {}".format, _name(("v", "w"))),
    st.builds("set search_path to {}".format, _one(("public", "s, public", "s"))),
)
#: The text of a migration that does one thing after the other.
MIGRATION = st.lists(STATEMENT, min_size=3, max_size=25).map(lambda found: HEAD + ";\n".join(found) + ";\n")
