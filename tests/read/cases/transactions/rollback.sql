create table a (x int);
begin;
create table b (x int);
rollback;
create table c (x int);
-- next file
begin;
create table d (x int);
commit;
begin;
create table e (x int);
alter table d add column y int;
drop table if exists c;
end;
-- next file
begin;
create table f (x int);
savepoint s;
create table g (x int);
rollback to s;
create table h (x int);
commit;
create table i (x int);
rollback;
