create schema s;
create schema t;
create table s.b (x int unique);
create table t.b (x int unique);
create table a (id int primary key);
create table s.c (x int references public.a, check (x > 0));
create table t.c (x int references public.a, check (x > 0));
create table c (x int references a);
alter table s.c add foreign key (x) references t.b (x);
