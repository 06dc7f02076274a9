select c.relnamespace, c.relname, c.relkind, c.relowner, c.reloptions::text[], coalesce(pg_get_viewdef(c.oid), '')
from pg_class c
where c.relkind in ('v', 'm') and {own:c.relnamespace}
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
