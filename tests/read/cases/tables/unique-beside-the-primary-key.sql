create table a (id int primary key unique);
create table b (id int unique primary key, unique (id));
create table c (id int, constraint named unique (id), primary key (id));
create table d (x int, y int, unique (x, y), unique (x, y), unique (y, x));
create table e (x int unique, constraint second unique (x), unique nulls not distinct (x));
create table f (id int primary key, constraint f_too unique (id) deferrable);
alter table a add unique (id), add constraint once_more unique (id);
create table g (x int unique, unique (x) deferrable);
create table h (x int, y int, primary key (x) include (y), unique (x) include (y));
