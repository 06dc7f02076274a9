create table a (id int, x int);
create unique index u on a (id);
create table b (x int references a (id));
drop index u;
drop index u cascade;
create index i on a (x);
drop index i cascade;
drop index if exists i;
