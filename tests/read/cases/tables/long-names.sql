create table a_table_with_a_name_that_is_very_long_indeed_and_goes_on (id int primary key,
  a_column_with_a_name_that_is_very_long_indeed_and_goes_on_and_on int unique check (a_column_with_a_name_that_is_very_long_indeed_and_goes_on_and_on > 0));
create table short (a_column_with_a_name_that_is_very_long_indeed_and_goes_on_and_on int
  references a_table_with_a_name_that_is_very_long_indeed_and_goes_on (a_column_with_a_name_that_is_very_long_indeed_and_goes_on_and_on),
  b int references a_table_with_a_name_that_is_very_long_indeed_and_goes_on);
create index on short (a_column_with_a_name_that_is_very_long_indeed_and_goes_on_and_on, b);
create table a_table_whose_name_is_longer_than_the_sixty_three_bytes_that_fit_into_a_name (id serial primary key);
create table another_table_with_a_name_that_is_rather_long_______________ (id bigint generated always as identity,
  a1 int, a2 int, a3 int, a4 int, unique (a1, a2, a3, a4), unique (a4, a3, a2, a1), unique (a1, a2, a3, id));
alter table a_table_whose_name_is_longer_than_the_sixty_three_bytes_that_fit_into_a_name rename to
  another_name_that_is_longer_than_the_sixty_three_bytes_that_fit_into_a_name;
