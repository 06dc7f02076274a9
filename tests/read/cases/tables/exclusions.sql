create extension btree_gist;
create table a (id int, during tsrange, exclude using gist (during with &&), constraint apart exclude using gist (id with =, during with &&) where (id > 0));
alter table a add exclude using gist (id with =, during with -|-);
alter table a add constraint apart check (id > 0);
alter table a drop constraint apart;
create table b (id int, during daterange, primary key (id, during without overlaps), unique (during, id));
create table c (b_id int, during daterange, foreign key (b_id, period during) references b (id, period during));
