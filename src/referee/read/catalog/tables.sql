select c.oid, c.relnamespace, c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relowner, c.relacl::text,
       (select i.inhparent from pg_inherits i where i.inhrelid = c.oid and c.relispartition),
       case when c.relispartition then null
            else (select array_agg(i.inhparent order by i.inhseqno) from pg_inherits i where i.inhrelid = c.oid) end
from pg_class c
where c.relkind in ('r', 'p', 'f') and c.relpersistence <> 't' and {own:c.relnamespace}
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
