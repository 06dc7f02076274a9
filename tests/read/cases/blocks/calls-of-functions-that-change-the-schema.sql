create table loud (id int);
create table quiet (id int);
create table kept (id int);
create function secure(name text) returns void language plpgsql as $$
begin
  execute format('alter table %I enable row level security', name);
end
$$;
create function harmless(name text) returns int language sql as 'select 1';
select secure('loud');
do $$ begin perform secure('quiet'); perform harmless('kept'); end $$;
do $$
declare name text;
begin
  for name in select tablename from pg_tables where schemaname = 'public' and tablename = 'kept'
  loop
    begin
      execute 'revoke all on function public.' || quote_ident('nope') || ' from public';
    exception when others then null;
    end;
  end loop;
end
$$;
create function twice(a int) returns int language sql as 'select 1';
create function twice(a text) returns int language sql as 'select 1';
create function once(a int) returns int language sql as 'select 1';
do $$
declare r record;
begin
  for r in select routine_name from information_schema.routines where routine_schema = 'public' order by 1 desc
  loop
    begin
      execute 'revoke all on function public.' || quote_ident(r.routine_name) || ' from public';
    exception when others then null;
    end;
  end loop;
end
$$;
select nowhere.nothing();
do $$ begin perform nowhere.nothing(); create table never (id int); end $$;
