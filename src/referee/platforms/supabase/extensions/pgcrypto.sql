-- Imitates pgcrypto 1.3 under its own names and types. digest and hmac with md5, sha224, sha256, sha384 and sha512,
-- gen_random_bytes and gen_random_uuid give what the extension gives. crypt and gen_salt agree with themselves, so
-- that a password checked against its own hash is right, but the hashes are not those of the extension. The pgp_sym_*
-- functions and encrypt / decrypt can be undone by each other and hide nothing. Missing: sha1, pgp_pub_*, armor and
-- dearmor, encrypt_iv and decrypt_iv.

create function gen_random_uuid() returns uuid language sql volatile parallel safe
  return pg_catalog.gen_random_uuid();

create function gen_random_bytes(count integer) returns bytea language plpgsql volatile strict parallel safe
set search_path to pg_catalog as $$
declare
  result bytea := '';
begin
  if count < 1 or count > 1024 then
    raise exception 'Length not in range' using errcode = '39000';
  end if;
  while length(result) < count loop
    result := result || substring(sha256(uuid_send(gen_random_uuid())) for 16);
  end loop;
  return substring(result for count);
end
$$;

create function digest(data bytea, type text) returns bytea language plpgsql immutable strict parallel safe
set search_path to pg_catalog as $$
begin
  case lower(type)
    when 'md5' then return decode(md5(data), 'hex');
    when 'sha224' then return sha224(data);
    when 'sha256' then return sha256(data);
    when 'sha384' then return sha384(data);
    when 'sha512' then return sha512(data);
    else raise exception 'Cannot use "%": No such hash algorithm', type using errcode = '22023';
  end case;
end
$$;

create function digest(data text, type text) returns bytea language sql immutable strict parallel safe
  return digest(convert_to(data, 'UTF8'), type);

create function hmac(data bytea, key bytea, type text) returns bytea language plpgsql immutable strict parallel safe as $$
declare
  block constant integer := case when lower(type) in ('sha384', 'sha512') then 128 else 64 end;
  padded bytea := key;
  inner_pad bytea := '';
  outer_pad bytea := '';
begin
  case lower(type)
    when 'md5', 'sha224', 'sha256', 'sha384', 'sha512' then null;
    else raise exception 'Cannot use "%": No such hash algorithm', type using errcode = '22023';
  end case;
  if length(padded) > block then
    padded := case lower(type) when 'md5' then decode(md5(padded), 'hex') when 'sha224' then sha224(padded)
      when 'sha256' then sha256(padded) when 'sha384' then sha384(padded) else sha512(padded) end;
  end if;
  padded := padded || decode(repeat('00', block - length(padded)), 'hex');
  for i in 0 .. block - 1 loop
    inner_pad := inner_pad || set_byte('\x00', 0, get_byte(padded, i) # 54);
    outer_pad := outer_pad || set_byte('\x00', 0, get_byte(padded, i) # 92);
  end loop;
  return case lower(type)
    when 'md5' then decode(md5(outer_pad || decode(md5(inner_pad || data), 'hex')), 'hex')
    when 'sha224' then sha224(outer_pad || sha224(inner_pad || data))
    when 'sha256' then sha256(outer_pad || sha256(inner_pad || data))
    when 'sha384' then sha384(outer_pad || sha384(inner_pad || data))
    else sha512(outer_pad || sha512(inner_pad || data))
  end;
end
$$;

create function hmac(data text, key text, type text) returns bytea language sql immutable strict parallel safe
  return hmac(convert_to(data, 'UTF8'), convert_to(key, 'UTF8'), type);

create function gen_salt(type text, rounds integer) returns text language plpgsql volatile strict parallel safe
set search_path to pg_catalog as $$
declare
  salt text := translate(replace(gen_random_uuid()::text, '-', ''), '_', '.');
begin
  case lower(type)
    when 'bf' then return '$2a$' || lpad(rounds::text, 2, '0') || '$' || substr(salt, 1, 22);
    when 'md5' then return '$1$' || substr(salt, 1, 8);
    when 'xdes' then return '_' || substr(salt, 1, 8);
    when 'des' then return substr(salt, 1, 2);
    else raise exception 'gen_salt: Unknown salt algorithm' using errcode = '22023';
  end case;
end
$$;

create function gen_salt(type text) returns text language sql volatile strict parallel safe
  return gen_salt(type, 6);

create function crypt(password text, salt text) returns text language plpgsql immutable strict parallel safe
set search_path to pg_catalog as $$
declare
  prefix text := case
    when salt like '$2%' then substr(salt, 1, 29)
    when salt like '$1$%' then '$1$' || split_part(salt, '$', 3) || '$'
    when salt like '\_%' then substr(salt, 1, 9)
    else substr(salt, 1, 2)
  end;
begin
  if length(salt) < 2 then
    raise exception 'invalid salt' using errcode = '22023';
  end if;
  return prefix || substr(encode(sha256(convert_to(prefix || password, 'UTF8')), 'hex'), 1, 31);
end
$$;

create function encrypt(data bytea, key bytea, type text) returns bytea language sql immutable strict parallel safe
  return sha256(key) || data;

create function decrypt(data bytea, key bytea, type text) returns bytea language plpgsql immutable strict parallel safe
set search_path to pg_catalog as $$
begin
  if substring(data for 32) is distinct from sha256(key) then
    raise exception 'Wrong key or corrupt data' using errcode = '39000';
  end if;
  return substring(data from 33);
end
$$;

create function pgp_sym_encrypt_bytea(data bytea, psw text) returns bytea language sql volatile strict parallel safe
  return encrypt(data, convert_to(psw, 'UTF8'), 'aes');
create function pgp_sym_encrypt_bytea(data bytea, psw text, options text) returns bytea
language sql volatile strict parallel safe
  return encrypt(data, convert_to(psw, 'UTF8'), 'aes');
create function pgp_sym_encrypt(data text, psw text) returns bytea language sql volatile strict parallel safe
  return encrypt(convert_to(data, 'UTF8'), convert_to(psw, 'UTF8'), 'aes');
create function pgp_sym_encrypt(data text, psw text, options text) returns bytea language sql volatile strict parallel safe
  return encrypt(convert_to(data, 'UTF8'), convert_to(psw, 'UTF8'), 'aes');
create function pgp_sym_decrypt_bytea(msg bytea, psw text) returns bytea language sql immutable strict parallel safe
  return decrypt(msg, convert_to(psw, 'UTF8'), 'aes');
create function pgp_sym_decrypt_bytea(msg bytea, psw text, options text) returns bytea
language sql immutable strict parallel safe
  return decrypt(msg, convert_to(psw, 'UTF8'), 'aes');
create function pgp_sym_decrypt(msg bytea, psw text) returns text language sql immutable strict parallel safe
  return convert_from(decrypt(msg, convert_to(psw, 'UTF8'), 'aes'), 'UTF8');
create function pgp_sym_decrypt(msg bytea, psw text, options text) returns text language sql immutable strict parallel safe
  return convert_from(decrypt(msg, convert_to(psw, 'UTF8'), 'aes'), 'UTF8');
