-- A star means the relations of its own FROM, not those of the queries around it or inside it.
create table public.people (id int primary key, name text, icon text, age int, rank int);
create table public.songs (song int primary key, title text, owner int, length int, key text);

create view public.with_subquery as
  select *, (select name from public.people p where p.id = s.owner) as owner_name from public.songs s;
create view public.with_cte as
  with listed as (select * from public.songs) select p.id as person, l.title from public.people p cross join listed l;
create view public.with_union as
  select song from public.songs union select n from (select *, 1 as n from public.songs) as sub
  where exists (select from public.people p where p.id = n);

alter table public.people alter column icon type varchar(90); -- none of them holds it
alter table public.people alter column name type varchar(90); -- refused: with_subquery holds it
alter table public.songs alter column length type bigint; -- refused: all of them hold it

-- A join and a star behind a table are meant as they stand.
create view public.joined as select * from public.songs s join public.people p on p.id = s.owner;
alter table public.people alter column age type bigint; -- refused: joined holds it
drop view public.joined, public.with_subquery, public.with_cte, public.with_union;
alter table public.people alter column age type bigint;

create view public.nested as select * from (select p.id, p.rank from public.people p) as q, public.songs;
alter table public.people alter column age type int;
alter table public.people alter column rank type bigint; -- refused: nested holds it by its name
create view public.either as select * from public.people union all select * from public.people order by 1;
alter table public.people drop column icon; -- refused: either holds it
drop table public.songs; -- refused: nested holds it
