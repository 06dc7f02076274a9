-- The roles that own or may do something, by their names alone.
select r.oid, pg_get_userbyid(r.oid), false, false, true, null::text, array[]::text[]
from (
  select nspowner from pg_namespace
  union select relowner from pg_class
  union select proowner from pg_proc
  union select unnest(polroles) from pg_policy
  union select defaclrole from pg_default_acl
) r (oid)
where r.oid <> 0 and pg_get_userbyid(r.oid) !~ '^pg_'
