-- Both expressions of a policy are often the same, and printing is what takes the time here.
select p.polrelid, p.polname, p.polcmd, p.polpermissive, p.polroles::oid[], q.expression,
       case when p.polwithcheck::text = p.polqual::text then q.expression else pg_get_expr(p.polwithcheck, p.polrelid) end
from pg_policy p
cross join lateral (select pg_get_expr(p.polqual, p.polrelid) as expression offset 0) q
