
        create table a (x int, y int, z text, primary key (x, y), unique (y, x), unique (z, x),
          check (x > y), constraint big check (x < 100 and y < 100));
        create table b (x int, y int, foreign key (x, y) references a, constraint back foreign key (y, x) references a (y, x)
          on delete restrict on update no action, foreign key (x, y) references a (x, y) on delete set null (y));
    