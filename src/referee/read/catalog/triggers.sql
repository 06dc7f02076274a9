select t.tgrelid, t.tgname, p.pronamespace, p.proname, t.tgtype, t.tgattr::int2[], t.tgenabled, t.tgargs, t.tgconstraint <> 0,
       t.tgdeferrable, t.tginitdeferred, case when t.tgqual is not null then pg_get_triggerdef(t.oid) end
from pg_trigger t
join pg_proc p on p.oid = t.tgfoid
where not t.tgisinternal and t.tgparentid = 0
