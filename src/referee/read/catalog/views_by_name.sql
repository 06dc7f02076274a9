select c.relnamespace, c.relname, c.relkind, c.relowner, c.reloptions::text[], ''
from pg_class c
where c.relkind in ('v', 'm') and {own:c.relnamespace}
  and c.oid not in (
    select objid from pg_depend
    where classid = 'pg_class'::regclass and refclassid = 'pg_extension'::regclass and deptype = 'e'
  )
