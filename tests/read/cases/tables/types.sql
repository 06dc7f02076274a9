create table a (a int, b int4, c integer[], d int[][], e int array, f int array[3], g text[], h varchar, i varchar(10), j char, k char(4),
  l character varying(7)[], m numeric, n numeric(5), o numeric(5,2), p decimal(3,1), q float, r float(10), s float(40), t real, u double precision,
  v timestamp, w timestamptz(3), x timestamp(0) without time zone, y time with time zone, z time(2));
create table b (a interval, b interval(3), c interval day to second, d interval year to month, e bit, f bit(5), g bit varying, h bit varying(9), i varbit,
  j "char", k pg_catalog.int4, l bool, m json, n uuid[], o name, p oid, q regclass, r int8range, s tsvector, t money, u xml, v point, w inet, x cidr, y macaddr, z bytea);
create table c (a national character varying(3), b nchar(2), c dec, d smallint, e bpchar, f interval second(2), g interval hour, h _text, i pg_catalog."char",
  j int4multirange, k pg_lsn, l txid_snapshot, m "varchar"(3), n bpchar(5), o pg_catalog.numeric(3, -1));
