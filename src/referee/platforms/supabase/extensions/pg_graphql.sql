-- Imitates pg_graphql 1.5: graphql.resolve, and with it graphql_public.graphql.
-- No query is answered: each gives an error that says so.

create function graphql.resolve(
  query text, variables jsonb default '{}'::jsonb, "operationName" text default null, extensions jsonb default null
) returns jsonb language sql stable as $$
  select jsonb_build_object(
    'data', null,
    'errors', jsonb_build_array(jsonb_build_object('message', 'GraphQL is not available on a throw-away server.'))
  )
$$;

grant usage on schema graphql to postgres, anon, authenticated, service_role;
grant all on all functions in schema graphql to postgres, anon, authenticated, service_role;
