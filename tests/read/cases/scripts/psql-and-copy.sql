\restrict abc
        \set x 1
        create table a (id int primary key, t text);
        copy a (id, t) from stdin;
1	create table nope (x int);
2	'it''s
\.
        create table b (x int references a); -- ; '
        /* ; /* nested ; */ ' */ create table c (x int);
    