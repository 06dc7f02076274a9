create table t (id int, owner uuid);
create function me(a int default 1) returns uuid language sql as 'select null::uuid';
create policy p1 on t using (owner = me());
create function me(a text default 'x') returns uuid language sql as 'select null::uuid';
create policy p2 on t using (owner = me());
create function me() returns uuid language sql as 'select null::uuid';
create policy p3 on t using (owner = me());
