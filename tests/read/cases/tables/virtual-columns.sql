create table a (n int, g int generated always as (n * 2) virtual, h int generated always as (n + 1));
