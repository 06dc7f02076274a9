select i.indrelid, c.relname, i.indkey::int2[], i.indnkeyatts, i.indisunique, a.amname, pg_get_expr(i.indpred, i.indrelid),
       i.indisvalid, {since 15:i.indnullsnotdistinct|false}
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_am a on a.oid = c.relam
where not i.indisexclusion and not c.relispartition and {own:c.relnamespace}
