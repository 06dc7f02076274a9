create extension citext;
create extension hstore;
create table a (e citext, x int, h hstore);
create index on a (e);
drop extension citext;
drop extension citext cascade;
drop extension if exists citext;
drop extension citext;
drop extension hstore cascade;
