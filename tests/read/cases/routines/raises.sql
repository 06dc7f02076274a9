create function r1() returns void language plpgsql as $$ begin raise notice 'one %', 1; end $$;
create function r2() returns void language plpgsql as $$ begin raise notice 'one % two %', 1; end $$;
create function r3() returns void language plpgsql as $$ begin raise exception 'none', 1; end $$;
create function r4() returns void language plpgsql as $$ begin raise '100%% of %', coalesce(1, 2) using errcode = '22012', hint = 'a'; end $$;
create function r5() returns void language plpgsql as $$ begin raise warning '%', (array[1, 2])[1]; end $$;
create function r6() returns void language plpgsql as $$
begin
  -- raise notice 'one % two %', 1;
  /* raise notice '%'; */
  raise sqlstate '22012';
  raise division_by_zero using message = 'raise notice ''%''';
  perform 'raise notice ''%'';';
  raise notice 'a, % (b)', 'x, y' /* , z */;
  raise;
end
$$;
create function r7() returns void language sql as 'select 1 -- raise notice ''%'';';
do $$ begin create table t1 (x int); raise notice '% and %', 1; end $$;
do $$ begin create table t2 (x int); raise notice '% and %', 1, 2; end $$;
do $$ begin if false then raise notice '%'; end if; create table t3 (x int); end $$;
set check_function_bodies = off;
create function r8() returns void language plpgsql as $$ begin raise notice 'one % two %', 1; end $$;
