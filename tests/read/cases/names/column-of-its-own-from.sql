-- A bare column belongs to a relation in the FROM of its own SELECT, else to one of the SELECT around it.
create table posts (id int primary key, title text, author int);
create table people (id int primary key, title text, age int);
create table places (id int primary key, title text, age int, host int);

create view summary as
  select s.id, (select title from people u where author = u.id) as by_whom, (select count(*) from places) as places
  from posts s;
alter table posts alter column title type varchar(200);
alter table posts drop column title;
alter table places drop column title;
alter table people alter column title type varchar(10);  -- refused

-- The nearest counts, through two levels, and in the condition of a join.
create view hosted as
  select (select count(*) from posts join places on host = author where exists (select 1 from people where age > 1))
  from people;
alter table places drop column age;
alter table people drop column age;  -- refused

-- What a WITH changes is no part of the FROM behind it.
create table log (id int, note text);
create function tidy() returns setof int begin atomic
  with gone as (delete from log where note = 'x' returning id) select gone.id from gone, places where host > 1;
end;
alter table places add column note text;
alter table log drop column note;  -- refused
alter table places drop column note;
