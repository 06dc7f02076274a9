create schema s create table a (id int primary key) create table b (x int references a) create view v as select * from a;
create schema if not exists s;
create schema s;
create schema authorization current_user;
create table s.c (x int);
