create table a (id int, code text);
alter table a add primary key (id), add unique (code), add check (id <> 0), add constraint c2 check (code <> '');
create table b (a_id int, code text);
alter table only b add constraint b_a foreign key (a_id) references a(id) on delete cascade, add foreign key (code) references a(code);
alter table b add column other int references a, add column if not exists other int references a, add column n int not null default 3;
alter table if exists b alter constraint b_a deferrable initially deferred;
alter table b alter constraint b_code_fkey not deferrable;
alter table b drop constraint b_a, drop constraint if exists nope;
alter table if exists nope add constraint x foreign key (y) references a;
