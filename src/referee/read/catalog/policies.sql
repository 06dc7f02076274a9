select p.polrelid, p.polname, p.polcmd, p.polpermissive, p.polroles::oid[], pg_get_expr(p.polqual, p.polrelid),
       pg_get_expr(p.polwithcheck, p.polrelid)
from pg_policy p
join pg_class c on c.oid = p.polrelid
where {own:c.relnamespace}
