-- as a superuser
create role app;
grant pg_read_all_data, pg_monitor to app;
revoke pg_monitor from app;
create table t (id int primary key);
grant select on t to pg_read_all_stats;
create policy p on t to pg_monitor using (true);
set role pg_monitor;
reset role;
create table u (id int primary key);
alter table u owner to pg_database_owner;
alter default privileges for role pg_maintain grant select on tables to app;
alter role pg_monitor set search_path = x;
drop role pg_monitor;
drop role if exists pg_checkpoint;
create role pg_mine;
alter role pg_monitor rename to watcher;
alter role app rename to pg_app;
grant select on t to pg_nonsense;
