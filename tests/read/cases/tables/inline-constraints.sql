create table a (id int primary key, code text not null unique, n int check (n > 0) default 5, x numeric(10,2) default 0.5);
create table b (id int constraint b_is_key primary key, a_id int not null constraint to_a references a,
  code text references a (code) on delete cascade on update set null,
  other int references a (id) match full on delete set default deferrable initially deferred,
  late int references a deferrable, plain int references a not deferrable initially immediate);
