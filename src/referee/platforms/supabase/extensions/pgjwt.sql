-- Imitates pgjwt 0.2: sign and verify with HS256, HS384 and HS512, which give what the extension gives, and its url_*
-- helpers.

create function url_encode(data bytea) returns text language sql immutable strict
  return translate(encode(data, 'base64'), E'+/=\n', '-_');

create function url_decode(data text) returns bytea language sql immutable strict
  return decode(translate(data, '-_', '+/') || repeat('=', (4 - length(data) % 4) % 4), 'base64');

-- HMAC as in RFC 2104.
create function algorithm_sign(signables text, secret text, algorithm text) returns text language plpgsql immutable
set search_path to pg_catalog as $$
declare
  block constant integer := case algorithm when 'HS256' then 64 else 128 end;
  key bytea := convert_to(secret, 'UTF8');
  message constant bytea := convert_to(signables, 'UTF8');
  inner_pad bytea := '';
  outer_pad bytea := '';
  code bytea;
begin
  if algorithm not in ('HS256', 'HS384', 'HS512') then
    raise exception 'Cannot use "%": No such hash algorithm', algorithm using errcode = '22023';
  end if;
  if length(key) > block then
    key := case algorithm when 'HS256' then sha256(key) when 'HS384' then sha384(key) else sha512(key) end;
  end if;
  key := key || decode(repeat('00', block - length(key)), 'hex');
  for i in 0 .. block - 1 loop
    inner_pad := inner_pad || set_byte('\x00', 0, get_byte(key, i) # 54);
    outer_pad := outer_pad || set_byte('\x00', 0, get_byte(key, i) # 92);
  end loop;
  code := case algorithm
    when 'HS256' then sha256(outer_pad || sha256(inner_pad || message))
    when 'HS384' then sha384(outer_pad || sha384(inner_pad || message))
    else sha512(outer_pad || sha512(inner_pad || message))
  end;
  return translate(encode(code, 'base64'), E'+/=\n', '-_');
end
$$;

create function sign(payload json, secret text, algorithm text default 'HS256') returns text language sql immutable
  return url_encode(convert_to('{"alg":"' || algorithm || '","typ":"JWT"}', 'UTF8'))
    || '.' || url_encode(convert_to(payload::text, 'UTF8'))
    || '.' || algorithm_sign(
      url_encode(convert_to('{"alg":"' || algorithm || '","typ":"JWT"}', 'UTF8'))
        || '.' || url_encode(convert_to(payload::text, 'UTF8')),
      secret,
      algorithm
    );

create function verify(token text, secret text, algorithm text default 'HS256')
returns table (header json, payload json, valid boolean) language sql immutable
begin atomic
  select
    convert_from(url_decode(split_part(token, '.', 1)), 'UTF8')::json,
    convert_from(url_decode(split_part(token, '.', 2)), 'UTF8')::json,
    split_part(token, '.', 3)
      = algorithm_sign(split_part(token, '.', 1) || '.' || split_part(token, '.', 2), secret, algorithm);
end;
