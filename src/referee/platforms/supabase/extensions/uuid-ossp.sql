-- Imitates uuid-ossp 1.1: the constants and the generators v1, v1mc, v3, v4 and v5, under their own names and types.
-- v3, v4 and v5 give what the extension gives. v1 and v1mc have a true time stamp but random sequence and node numbers.

create function uuid_nil() returns uuid language sql immutable strict parallel safe
  return '00000000-0000-0000-0000-000000000000'::uuid;
create function uuid_ns_dns() returns uuid language sql immutable strict parallel safe
  return '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid;
create function uuid_ns_url() returns uuid language sql immutable strict parallel safe
  return '6ba7b811-9dad-11d1-80b4-00c04fd430c8'::uuid;
create function uuid_ns_oid() returns uuid language sql immutable strict parallel safe
  return '6ba7b812-9dad-11d1-80b4-00c04fd430c8'::uuid;
create function uuid_ns_x500() returns uuid language sql immutable strict parallel safe
  return '6ba7b814-9dad-11d1-80b4-00c04fd430c8'::uuid;

create function uuid_generate_v4() returns uuid language sql volatile strict parallel safe
  return gen_random_uuid();

-- A version 1 UUID counts 100 ns since 15 October 1582, which is 12219292800 s before 1970.
create function uuid_generate_v1() returns uuid language plpgsql volatile strict parallel safe
set search_path to pg_catalog as $$
declare
  ticks text := lpad(to_hex((extract(epoch from clock_timestamp()) * 10000000)::bigint + 122192928000000000), 16, '0');
begin
  return (
    substr(ticks, 9, 8) || substr(ticks, 5, 4) || '1' || substr(ticks, 2, 3)
    || substr(replace(gen_random_uuid()::text, '-', ''), 17, 16)
  )::uuid;
end
$$;

create function uuid_generate_v1mc() returns uuid language sql volatile strict parallel safe
  return uuid_generate_v1();

create function uuid_generate_v3(namespace uuid, name text) returns uuid language plpgsql immutable strict parallel safe
set search_path to pg_catalog as $$
declare
  hash bytea := decode(md5(uuid_send(namespace) || convert_to(name, 'UTF8')), 'hex');
begin
  hash := set_byte(hash, 6, (get_byte(hash, 6) & 15) | 48);
  hash := set_byte(hash, 8, (get_byte(hash, 8) & 63) | 128);
  return encode(hash, 'hex')::uuid;
end
$$;

-- SHA-1 as in FIPS 180-4, because a plain Postgres has none. Words are kept in bigint and cut to 32 bits. All of <<
-- >> & | # have one precedence in Postgres, hence the parentheses.
create function uuid_generate_v5(namespace uuid, name text) returns uuid language plpgsql immutable strict parallel safe
set search_path to pg_catalog as $$
declare
  mask constant bigint := 4294967295;
  message bytea := uuid_send(namespace) || convert_to(name, 'UTF8');
  bits bigint := length(message) * 8;
  h bigint[] := array[1732584193, 4023233417, 2562383102, 271733878, 3285377520];
  w bigint[];
  a bigint; b bigint; c bigint; d bigint; e bigint; f bigint; k bigint; t bigint;
  at integer;
  hash bytea;
begin
  message := message || '\x80'::bytea;
  message := message || decode(repeat('00', (120 - length(message) % 64) % 64), 'hex') || int8send(bits);
  for chunk in 0 .. length(message) / 64 - 1 loop
    w := '{}';
    for i in 0 .. 15 loop
      at := chunk * 64 + i * 4;
      w[i] := (get_byte(message, at)::bigint << 24) | (get_byte(message, at + 1) << 16)
        | (get_byte(message, at + 2) << 8) | get_byte(message, at + 3);
    end loop;
    for i in 16 .. 79 loop
      t := w[i - 3] # w[i - 8] # w[i - 14] # w[i - 16];
      w[i] := ((t << 1) | (t >> 31)) & mask;
    end loop;
    a := h[1]; b := h[2]; c := h[3]; d := h[4]; e := h[5];
    for i in 0 .. 79 loop
      if i < 20 then
        f := (b & c) | ((b # mask) & d); k := 1518500249;
      elsif i < 40 then
        f := b # c # d; k := 1859775393;
      elsif i < 60 then
        f := (b & c) | (b & d) | (c & d); k := 2400959708;
      else
        f := b # c # d; k := 3395469782;
      end if;
      t := (((a << 5) | (a >> 27)) & mask) + f + e + k + w[i];
      e := d; d := c; c := ((b << 30) | (b >> 2)) & mask; b := a; a := t & mask;
    end loop;
    h := array[(h[1] + a) & mask, (h[2] + b) & mask, (h[3] + c) & mask, (h[4] + d) & mask, (h[5] + e) & mask];
  end loop;
  hash := int4send((h[1] - ((h[1] >> 31) << 32))::integer) || int4send((h[2] - ((h[2] >> 31) << 32))::integer)
    || int4send((h[3] - ((h[3] >> 31) << 32))::integer) || int4send((h[4] - ((h[4] >> 31) << 32))::integer);
  hash := set_byte(hash, 6, (get_byte(hash, 6) & 15) | 80);
  hash := set_byte(hash, 8, (get_byte(hash, 8) & 63) | 128);
  return encode(hash, 'hex')::uuid;
end
$$;
