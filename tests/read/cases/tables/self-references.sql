create table a (id int primary key, parent int references a, root int, foreign key (root) references a (id));
alter table a add column other int references a (id) on delete set null;
create table b (id int unique, up int references b (id));
create table c (x int references c);
create table c (x int references c (x), y int);
create table c (up int references c, id int primary key);
drop table a;
drop table b;
