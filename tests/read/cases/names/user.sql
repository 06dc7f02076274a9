create schema postgres;
create table a (x int);
set search_path to "$user";
create table b (x int);
set search_path to '$user';
create table c (x int);
drop schema postgres cascade;
set search_path to "$user", public;
create table d (x int);
