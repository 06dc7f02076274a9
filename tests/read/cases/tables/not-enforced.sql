create table a (id int primary key);
create table b (x int references a not enforced, y int, z int references a,
  constraint t foreign key (y) references a not enforced, check (x > 0) not enforced);
alter table b alter constraint t enforced, alter constraint b_z_fkey not enforced;
