-- The assertions of pgTAP that suites about tables, keys and policies use, under pgTAP's names and in referee's own words:
-- for servers that have no pgTAP. What is missing here fails with 42883, and the file that calls it counts as not run.

create function extensions.plan(tests integer) returns text language plpgsql as $$
begin
  perform set_config('referee.tap_plan', tests::text, false), set_config('referee.tap_run', '0', false);
  return '1..' || tests;
end $$;

create function extensions.no_plan() returns setof text language plpgsql as $$
begin
  perform set_config('referee.tap_plan', '0', false), set_config('referee.tap_run', '0', false);
end $$;

create function extensions.finish() returns setof text language plpgsql as $$
declare
  planned integer := current_setting('referee.tap_plan', true)::integer;
  run integer := current_setting('referee.tap_run', true)::integer;
begin
  if planned = 0 then
    return next '1..' || run;
  elsif planned <> run then
    return next 'not ok - planned ' || planned || ' tests but ran ' || run;
  end if;
end $$;

create function extensions.ok(passes boolean, description text default '') returns text language plpgsql as $$
declare
  number integer := coalesce(nullif(current_setting('referee.tap_run', true), ''), '0')::integer + 1;
begin
  perform set_config('referee.tap_run', number::text, false);
  return case when passes then 'ok ' else 'not ok ' end || number || ' - ' || coalesce(description, '');
end $$;

create function extensions.diag(said text) returns text language sql as $$ select '# ' || said $$;

create function extensions.pass(description text default '') returns text language sql as
  $$ select extensions.ok(true, description) $$;

create function extensions.fail(description text default '') returns text language sql as
  $$ select extensions.ok(false, description) $$;

-- As pgTAP does, a failure shows both values.
create function extensions."is"(have anyelement, want anyelement, description text default '') returns text language sql
as $$
  select extensions.ok(have is not distinct from want, description)
         || case when have is not distinct from want then ''
                 else format(E'\n#         have: %s\n#         want: %s', coalesce(have::text, 'NULL'),
                             coalesce(want::text, 'NULL')) end
$$;

create function extensions.isnt(have anyelement, want anyelement, description text default '') returns text
language sql as $$ select extensions.ok(have is distinct from want, description) $$;

-- What a query returns, each row as the JSON of its values.
create function extensions.referee_rows(query text) returns jsonb[] language plpgsql as $$
declare
  one record;
  found jsonb[] := '{}';
begin
  for one in execute case when query ~ '\s' then query else 'execute ' || query end loop
    found := found || (select jsonb_agg(value) from json_each_text(row_to_json(one)));
  end loop;
  return found;
end $$;

create function extensions.is_empty(query text, description text default '') returns text language sql as
  $$ select extensions.ok(cardinality(extensions.referee_rows(query)) = 0, description) $$;

create function extensions.isnt_empty(query text, description text default '') returns text language sql as
  $$ select extensions.ok(cardinality(extensions.referee_rows(query)) > 0, description) $$;

create function extensions.results_eq(have text, want text, description text default '') returns text language sql as
  $$ select extensions.ok(extensions.referee_rows(have) = extensions.referee_rows(want), description) $$;

create function extensions.results_eq(have text, want anyarray, description text default '') returns text
language sql as $$
  select extensions.ok(
    extensions.referee_rows(have)
      = array(select jsonb_build_array(value) from json_array_elements_text(to_json(want)) as each (value)),
    description
  )
$$;

create function extensions.lives_ok(query text, description text default '') returns text language plpgsql as $$
begin
  execute case when query ~ '\s' then query else 'execute ' || query end;
  return extensions.ok(true, description);
exception when others then
  return extensions.ok(false, description || ': ' || sqlstate || ' ' || sqlerrm);
end $$;

-- throws_ok(query), (query, code or message), (query, code, message), (query, code, message, description),
-- (query, message, description): a text of five characters is a code.
create function extensions.throws_ok(query text, a text default null, b text default null, c text default null)
returns text language plpgsql as $$
declare
  has_code boolean := length(a) = 5;
  code text := case when has_code then a end;
  message text := case when has_code then b else a end;
  description text := case when has_code then c else coalesce(c, b) end;
begin
  begin
    execute case when query ~ '\s' then query else 'execute ' || query end;
  exception when others then
    return extensions.ok(
      (code is null or code = sqlstate) and (message is null or message = sqlerrm), coalesce(description, 'it throws')
    );
  end;
  return extensions.ok(false, coalesce(description, 'it throws'));
end $$;

create function extensions.has_table(schema_name name, table_name name, description text default '') returns text
language sql as $$
  select extensions.ok(to_regclass(format('%I.%I', schema_name, table_name)) is not null, description)
$$;

create function extensions.has_column(schema_name name, table_name name, column_name name, description text default '')
returns text language sql as $$
  select extensions.ok(exists (
    select from pg_attribute
    where attrelid = to_regclass(format('%I.%I', schema_name, table_name)) and attname = column_name and attnum > 0
  ), description)
$$;

create function extensions.has_function(schema_name name, function_name name, arguments name[], description text
default '') returns text language sql as $$
  select extensions.ok(
    to_regprocedure(format('%I.%I(%s)', schema_name, function_name, array_to_string(arguments, ','))) is not null,
    description
  )
$$;

create function extensions.has_trigger(schema_name name, table_name name, trigger_name name, description text default '')
returns text language sql as $$
  select extensions.ok(exists (
    select from pg_trigger
    where tgrelid = to_regclass(format('%I.%I', schema_name, table_name)) and tgname = trigger_name
  ), description)
$$;

-- Whether a table has a constraint of a kind on exactly these columns, whatever their order.
create function extensions.referee_has(schema_name name, table_name name, kinds "char"[], columns name[])
returns boolean language sql as $$
  select exists (
    select from pg_constraint as k
    where k.conrelid = to_regclass(format('%I.%I', schema_name, table_name)) and k.contype = any (kinds)
      and array(select attname from pg_attribute where attrelid = k.conrelid and attnum = any (k.conkey) order by 1)
        = array(select name from unnest(columns) as name order by 1)
  )
$$;

create function extensions.col_is_pk(schema_name name, table_name name, column_name name, description text default '')
returns text language sql as $$
  select extensions.ok(extensions.referee_has(schema_name, table_name, '{p}', array[column_name]), description)
$$;

create function extensions.col_is_fk(schema_name name, table_name name, column_name name, description text default '')
returns text language sql as $$
  select extensions.ok(extensions.referee_has(schema_name, table_name, '{f}', array[column_name]), description)
$$;

create function extensions.col_is_unique(schema_name name, table_name name, column_name name, description text default
'') returns text language sql as $$
  select extensions.ok(extensions.referee_has(schema_name, table_name, '{p,u}', array[column_name]), description)
$$;

create function extensions.col_is_unique(schema_name name, table_name name, columns name[], description text default '')
returns text language sql as $$
  select extensions.ok(extensions.referee_has(schema_name, table_name, '{p,u}', columns), description)
$$;

create function extensions.col_not_null(schema_name name, table_name name, column_name name, description text default '')
returns text language sql as $$
  select extensions.ok(exists (
    select from pg_attribute
    where attrelid = to_regclass(format('%I.%I', schema_name, table_name)) and attname = column_name and attnotnull
  ), description)
$$;

create function extensions.enum_has_labels(schema_name name, enum_name name, labels name[], description text default '')
returns text language sql as $$
  select extensions.ok(
    array(select enumlabel from pg_enum where enumtypid = to_regtype(format('%I.%I', schema_name, enum_name))
          order by enumsortorder) = labels,
    description
  )
$$;
