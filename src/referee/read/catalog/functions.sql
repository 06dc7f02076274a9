select p.pronamespace, p.proname, array(select format_type(t, null) from unnest(p.proargtypes) with ordinality u (t, n) order by n),
       l.lanname, format_type(p.prorettype, null), p.proretset, {since 14:coalesce(pg_get_function_sqlbody(p.oid), p.prosrc)|p.prosrc},
       p.prokind, p.prosecdef, p.provolatile, p.proisstrict, p.proconfig, p.proargnames, p.proargmodes::text[], p.proowner,
       p.proacl::text
from pg_proc p
join pg_language l on l.oid = p.prolang
where {own:p.pronamespace}
  and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype in ('e', 'i'))
