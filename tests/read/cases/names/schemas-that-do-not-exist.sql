create table nope.a (x int);
create function nope.f() returns int language sql as 'select 1';
create type nope.t as enum ('a');
set search_path to nope;
create table a (x int);
set search_path to nope, public;
create table b (x int);
create schema nope;
create table c (x int);
