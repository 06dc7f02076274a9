select c.oid, c.relnamespace, c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relowner, c.relacl::text,
       case when c.relispartition then i.parents[1] end, case when not c.relispartition then i.parents end
from pg_class c
left join (select inhrelid, array_agg(inhparent order by inhseqno) as parents from pg_inherits group by inhrelid) i
  on i.inhrelid = c.oid
where c.relkind in ('r', 'p', 'f') and c.relpersistence <> 't' and {own:c.relnamespace}
  and c.oid not in (
    select objid from pg_depend
    where classid = 'pg_class'::regclass and refclassid = 'pg_extension'::regclass and deptype = 'e'
  )
order by c.oid
