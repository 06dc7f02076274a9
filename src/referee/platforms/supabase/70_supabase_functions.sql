-- supabase_functions: the trigger function behind the dashboard's webhooks, and what it records.

create table supabase_functions.migrations (
  version text not null,
  inserted_at timestamp with time zone not null default now(),
  constraint migrations_pkey primary key (version)
);

create table supabase_functions.hooks (
  id bigserial not null,
  hook_table_id integer not null,
  hook_name text not null,
  created_at timestamp with time zone not null default now(),
  request_id bigint,
  constraint hooks_pkey primary key (id)
);
create index supabase_functions_hooks_h_table_id_h_name_idx on supabase_functions.hooks (hook_table_id, hook_name);
create index supabase_functions_hooks_request_id_idx on supabase_functions.hooks (request_id);

-- Arguments of the trigger: url, method, headers, params, time-out in milliseconds; the last three may be missing.
create function supabase_functions.http_request() returns trigger language plpgsql security definer
set search_path to supabase_functions as $$
declare
  url text := nullif(tg_argv[0], 'null');
  method text := nullif(tg_argv[1], 'null');
  headers jsonb := coalesce(nullif(tg_argv[2], 'null'), '{"Content-Type": "application/json"}')::jsonb;
  params jsonb := coalesce(nullif(tg_argv[3], 'null'), '{}')::jsonb;
  timeout_ms integer := coalesce(nullif(tg_argv[4], 'null'), '1000')::integer;
  request bigint;
begin
  if url is null then
    raise exception 'url argument is missing';
  elsif method is null then
    raise exception 'method argument is missing';
  elsif method = 'GET' then
    request := net.http_get(url, params, headers, timeout_ms);
  elsif method = 'POST' then
    request := net.http_post(
      url,
      jsonb_build_object(
        'old_record', old, 'record', new, 'type', tg_op, 'table', tg_table_name, 'schema', tg_table_schema
      ),
      params,
      headers,
      timeout_ms
    );
  else
    raise exception 'method argument % is invalid', method;
  end if;
  insert into supabase_functions.hooks (hook_table_id, hook_name, request_id) values (tg_relid, tg_name, request);
  return new;
end
$$;

alter table supabase_functions.migrations owner to supabase_functions_admin;
alter table supabase_functions.hooks owner to supabase_functions_admin;
alter function supabase_functions.http_request() owner to supabase_functions_admin;

grant usage on schema net to supabase_functions_admin, postgres, anon, authenticated, service_role;
grant all on all tables in schema supabase_functions to postgres, anon, authenticated, service_role;
grant all on all sequences in schema supabase_functions to postgres, anon, authenticated, service_role;
revoke all on function supabase_functions.http_request() from public;
grant execute on function supabase_functions.http_request() to postgres, anon, authenticated, service_role;
