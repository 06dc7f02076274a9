select t.oid, t.typnamespace, t.typname, t.typtype, t.typrelid, format_type(t.typbasetype, t.typtypmod), t.typnotnull, t.typdefault,
       array(select e.enumlabel::text from pg_enum e where e.enumtypid = t.oid order by e.enumsortorder),
       array(
         select pg_get_expr(k.conbin, 0) from pg_constraint k
         where k.conrelid = 0 and k.contypid = t.oid and k.contype = 'c' order by k.conname
       )
from pg_type t
where (t.typtype in ('e', 'd') or t.typtype = 'c' and t.typrelid in (select oid from pg_class where relkind = 'c'))
  and {own:t.typnamespace}
  and t.oid not in (
    select objid from pg_depend
    where classid = 'pg_type'::regclass and refclassid = 'pg_extension'::regclass and deptype = 'e'
  )
