-- Imitates moddatetime 1.0 (contrib/spi): a BEFORE UPDATE trigger that puts the current time into the column named by
-- its argument.

create function moddatetime() returns trigger language plpgsql set search_path to pg_catalog as $$
begin
  if tg_nargs <> 1 then
    raise exception 'moddatetime (%): A single argument was expected', tg_relname;
  end if;
  return jsonb_populate_record(new, jsonb_build_object(tg_argv[0], now()));
end
$$;
