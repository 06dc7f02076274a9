-- Printing an expression opens its table from PostgreSQL 17 on, where equal expressions are also stored alike (before,
-- each held its place in the statement). So a default is printed once for all the tables that have it; the expression of
-- a generated column names columns and is printed by itself.
{since 17:with printed as materialized (
  select e.tree, pg_get_expr(d.adbin, d.adrelid) as expression
  from (select min(oid) as one, adbin::text as tree from pg_attrdef where adbin::text not like '%{VAR %' group by 2) e
  join pg_attrdef d on d.oid = e.one
)|}
select a.attrelid, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       {since 17:coalesce(p.expression, pg_get_expr(d.adbin, d.adrelid))|pg_get_expr(d.adbin, d.adrelid)},
       a.attgenerated, a.attidentity, a.attacl::text
from pg_attribute a
join pg_class c on c.oid = a.attrelid
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
{since 17:left join printed p on p.tree = d.adbin::text|}
where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'f', 'c') and c.relpersistence <> 't'
  and {own:c.relnamespace}
