-- Imitates index_advisor 0.2: its function under its own name.
-- It advises nothing: one row without statements, and an error that says so.

create function index_advisor(query text) returns table (
  startup_cost_before jsonb, startup_cost_after jsonb, total_cost_before jsonb, total_cost_after jsonb,
  index_statements text[], errors text[]
) language sql stable as $$
  select null::jsonb, null::jsonb, null::jsonb, null::jsonb, array[]::text[], array['no advice on a throw-away server']
$$;
