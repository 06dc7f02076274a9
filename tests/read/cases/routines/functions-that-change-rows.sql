create table t (id int, "delete" boolean);
create function f1() returns void language sql as 'delete from t where id = 1';
create function f2() returns void language sql as $$
  -- first
  DELETE FROM public.t WHERE id = 1;
$$;
create function f3() returns void language sql as 'truncate t';
create function f4() returns void language sql as 'delete from nowhere';
create function f5() returns int language sql as 'with gone as (delete from t returning id) select count(*)::int from gone';
create function f6() returns void language sql as 'update t set id = 2 where id = 1; insert into t (id) values (3)';
create policy p on t using ("delete");
create function f7() returns void language sql as 'lock table t';
