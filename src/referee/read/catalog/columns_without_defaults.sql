select a.attrelid, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       null::text, a.attgenerated, a.attidentity, a.attacl::text
from pg_attribute a
join pg_class c on c.oid = a.attrelid
where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'f', 'c') and c.relpersistence <> 't'
  and {own:c.relnamespace}
