select r.oid, r.rolname, r.rolsuper, r.rolbypassrls, r.rolinherit,
       (select setting from unnest(r.rolconfig) setting where setting like 'search_path=%'),
       array(select g.rolname::text from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid order by 1)
from pg_roles r
where r.rolname !~ '^pg_'
