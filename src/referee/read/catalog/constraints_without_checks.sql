select k.conrelid, k.conname, k.contype, k.conkey, k.confrelid, k.confkey, k.confdeltype, k.confupdtype, k.confmatchtype,
       k.condeferrable, k.condeferred, k.convalidated, {since 18:k.conenforced|true}, {since 15:k.confdelsetcols|null}, null
from pg_constraint k
where k.contype in ('p', 'u', 'f') and k.conrelid <> 0 and k.conparentid = 0
  and {own:k.connamespace}
