"""What a server says about itself: who is active, what stands in the way, how tables stand."""

from __future__ import annotations

from collections.abc import Iterable

from referee.model.names import QName
from referee.sql.clauses import string

#: Other clients' sessions: how many are active, and of how many that cannot be seen.
OTHERS = """
select count(*) filter (where state = 'active'), count(*) filter (where state is null)
from pg_catalog.pg_stat_activity
where backend_type = 'client backend' and pid <> pg_catalog.pg_backend_pid() and application_name not like 'referee%'
"""

#: One row about the server: whether it is a standby, its lag in seconds, the role, whether it sees past row security.
SERVER = """
select pg_catalog.pg_is_in_recovery(),
       case when pg_catalog.pg_is_in_recovery()
            then extract(epoch from clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())::float8 end,
       current_user::text, pg_catalog.current_setting('server_version')
"""

#: Triggers behind foreign keys that do not fire: schema, table and name of the key, the trigger's table, its state.
DISABLED = """
select kn.nspname, kc.relname, k.conname, tn.nspname, tc.relname, t.tgenabled::text
from pg_catalog.pg_constraint as k
join pg_catalog.pg_trigger as t on t.tgconstraint = k.oid and t.tgisinternal and t.tgenabled in ('D', 'R')
join pg_catalog.pg_class as kc on kc.oid = k.conrelid
join pg_catalog.pg_namespace as kn on kn.oid = kc.relnamespace
join pg_catalog.pg_class as tc on tc.oid = t.tgrelid
join pg_catalog.pg_namespace as tn on tn.oid = tc.relnamespace
where k.contype = 'f'
order by 1, 2, 3, 4, 5
"""

#: Roles and databases that run with keys and triggers switched off: role and database, NULL for all, and the setting.
REPLICA_ROLES = """
select r.rolname, d.datname, s.setting
from pg_catalog.pg_db_role_setting as g
cross join lateral unnest(g.setconfig) as s (setting)
left join pg_catalog.pg_roles as r on r.oid = g.setrole
left join pg_catalog.pg_database as d on d.oid = g.setdatabase
where s.setting = 'session_replication_role=replica'
  and (g.setdatabase = 0 or d.datname = pg_catalog.current_database())
"""


def standing(tables: Iterable[QName]) -> str:
    """The query for how tables stand: schema, name, may be read, row security hides rows, rows as last estimated.

    The estimate is NULL where the table has never been looked at. Tables that are gone have no row.
    """
    names = ", ".join([f"({string(table.schema)}, {string(table.name)})" for table in tables])
    return f"""
select n.nspname, c.relname,
       pg_catalog.has_schema_privilege(n.oid, 'usage') and pg_catalog.has_any_column_privilege(c.oid, 'select'),
       pg_catalog.row_security_active(c.oid),
       case when c.reltuples < 0 or (c.reltuples = 0 and c.relpages = 0) then null else c.reltuples::bigint end
from (values {names}) as x (s, t)
join pg_catalog.pg_namespace as n on n.nspname = x.s
join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = x.t
"""


#: The oldest transaction of another session: process, who, seconds, state.
OLDEST_TRANSACTION = """
select pid, coalesce(nullif(application_name, ''), usename::text, 'unknown'),
       extract(epoch from clock_timestamp() - xact_start)::float8, coalesce(state, 'unknown')
from pg_catalog.pg_stat_activity
where xact_start is not null and pid <> pg_catalog.pg_backend_pid() and backend_type = 'client backend'
order by xact_start limit 1
"""


def index_state(table: str, index: str) -> str:
    """The query for an index by its name, both as SQL writes them: its full name, whether it is valid."""
    return f"""
select i.indexrelid::regclass::text, i.indisvalid
from pg_catalog.pg_index as i
join pg_catalog.pg_class as c on c.oid = i.indexrelid
where i.indrelid = pg_catalog.to_regclass({string(table)})
  and pg_catalog.quote_ident(c.relname) = pg_catalog.quote_ident((pg_catalog.parse_ident({string(index)}))[1])
"""
