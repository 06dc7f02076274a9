create schema s;
create schema t;
set local search_path to s;
create table a (x int);
commit;
create table b (x int);
-- next file
set search_path to t;
begin;
set local search_path to s;
create table c (x int);
commit;
create table d (x int);
-- next file
set search_path to s;
rollback;
create table e (x int);
-- next file
set session search_path to s;
commit;
create table f (x int);
begin;
set search_path to t;
rollback;
create table g (x int);
