select k.conrelid, k.conname, k.contype, k.conkey, k.confrelid, k.confkey, k.confdeltype, k.confupdtype, k.confmatchtype,
       k.condeferrable, k.condeferred, k.convalidated,
       {since 18:k.conenforced|true} and not exists (
         select from pg_trigger t where t.tgconstraint = k.oid and t.tgisinternal and t.tgenabled in ('D', 'R')
       ),
       {since 15:k.confdelsetcols|null},
       case k.contype when 'c' then pg_get_expr(k.conbin, k.conrelid) when 'x' then pg_get_constraintdef(k.oid) end
from pg_constraint k
where k.contype in ('p', 'u', 'f', 'c', 'x') and k.conrelid <> 0 and k.conparentid = 0 and (k.conislocal or k.contype <> 'c')
  and {own:k.connamespace}
