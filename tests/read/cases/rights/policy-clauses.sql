create table t (id int, b bool);
create policy "using (a)" on t using ( (id > 1) /* ) check (b) */ ) with  check ( b and id in (1,2) );
create policy checks on t for insert with check (
  b   -- check (this)
);
create policy w on t for update using (b
  ) with check (not b
  );
alter policy w on t using (id = 3 ) with check ( id = 4);
alter policy w on t with check(id=5);
