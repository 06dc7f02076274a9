create table a (id int not null, code text, more text);
create unique index a_by_id on a (id);
create unique index a_by_code on a (code);
create unique index a_by_more on a (more) include (code);
alter table a add constraint a_key primary key using index a_by_id;
alter table a add unique using index a_by_code, add constraint a_more unique using index a_by_more deferrable;
create table b (a_id int references a, code text references a (code));
