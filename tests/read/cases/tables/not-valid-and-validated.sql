create table a (id int primary key);
create table b (x int, y int, z int);
alter table b add constraint later foreign key (x) references a not valid;
alter table b add foreign key (y) references a not valid;
alter table b validate constraint later;
alter table b add constraint positive check (z > 0) not valid, add constraint negative check (z < 10) not valid;
alter table b validate constraint positive;
alter table b validate constraint missing;
alter table b validate constraint b_y_fkey, add check (x > 0) not valid;
