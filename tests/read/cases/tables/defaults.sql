create table a (a text default 'a,b(' not null, b text default ('x' || 'y') unique, c timestamptz default now() not null,
  d jsonb default '{}'::jsonb, e text[] default array['a', 'b']::text[], f boolean default true, g boolean default not true,
  h int default -1, i numeric default 1.50, j text default E'it\'s', k text default $$dollar$$, l text default current_user,
  m interval default interval '1 day', n date default current_date, o int default case when true then 1 else 2 end not null,
  p text default null, q text default lower('X') collate "C", r uuid default gen_random_uuid() primary key,
  s int[] default '{}', t text default 'x'::varchar(20), u timestamptz default timezone('utc'::text, now()),
  v int default (1) check (v > 0), w text default 'a' -- a comment, with a comma
  , x bit(3) default b'101', y bytea default '\x00', z text default coalesce(null, 'z'));
