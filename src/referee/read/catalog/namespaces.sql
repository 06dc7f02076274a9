select oid, nspname, nspowner, nspacl::text
from pg_namespace
where nspname !~ '^pg_' and nspname <> 'information_schema'
