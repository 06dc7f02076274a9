-- Imitates pgmq 1.5: queues as tables pgmq.q_<name> and pgmq.a_<name>, with create, drop, send, read, pop, archive,
-- delete, purge, set_vt, list and metrics. Partitioned queues are ordinary ones; read_with_poll does not wait;
-- create_unlogged logs; the condition of read is not looked at.

create table pgmq.meta (
  queue_name character varying not null,
  is_partitioned boolean not null,
  is_unlogged boolean not null,
  created_at timestamp with time zone not null default now(),
  constraint meta_queue_name_key unique (queue_name)
);

create type pgmq.message_record as (
  msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, vt timestamp with time zone, message jsonb,
  headers jsonb
);
create type pgmq.queue_record as (
  queue_name character varying, is_partitioned boolean, is_unlogged boolean, created_at timestamp with time zone
);
create type pgmq.metrics_result as (
  queue_name text, queue_length bigint, newest_msg_age_sec integer, oldest_msg_age_sec integer, total_messages bigint,
  scrape_time timestamp with time zone
);

create function pgmq.create_non_partitioned(queue_name text) returns void language plpgsql as $$
begin
  if length(queue_name) > 47 then
    raise exception 'queue name is too long, maximum length is 47 characters';
  end if;
  execute format(
    'create table if not exists pgmq.%I (
       msg_id bigint primary key generated always as identity,
       read_ct integer not null default 0,
       enqueued_at timestamp with time zone not null default now(),
       vt timestamp with time zone not null,
       message jsonb,
       headers jsonb)',
    'q_' || lower(queue_name)
  );
  execute format(
    'create table if not exists pgmq.%I (
       msg_id bigint primary key,
       read_ct integer not null default 0,
       enqueued_at timestamp with time zone not null default now(),
       archived_at timestamp with time zone not null default now(),
       vt timestamp with time zone not null,
       message jsonb,
       headers jsonb)',
    'a_' || lower(queue_name)
  );
  insert into pgmq.meta (queue_name, is_partitioned, is_unlogged)
  values (create_non_partitioned.queue_name, false, false)
  on conflict do nothing;
end
$$;

create function pgmq.create(queue_name text) returns void language sql as $$
  select pgmq.create_non_partitioned(queue_name)
$$;

create function pgmq.create_unlogged(queue_name text) returns void language sql as $$
  select pgmq.create_non_partitioned(queue_name)
$$;

create function pgmq.create_partitioned(
  queue_name text, partition_interval text default '10000', retention_interval text default '100000'
) returns void language sql as $$
  select pgmq.create_non_partitioned(queue_name)
$$;

create function pgmq.drop_queue(queue_name text) returns boolean language plpgsql as $$
begin
  execute format('drop table if exists pgmq.%I', 'q_' || lower(queue_name));
  execute format('drop table if exists pgmq.%I', 'a_' || lower(queue_name));
  delete from pgmq.meta where meta.queue_name = drop_queue.queue_name;
  return true;
end
$$;

create function pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay timestamp with time zone)
returns setof bigint language plpgsql as $$
begin
  return query execute format(
    'insert into pgmq.%I (vt, message, headers) select $2, * from unnest($1, $3) returning msg_id',
    'q_' || lower(queue_name)
  ) using msgs, delay, headers;
end
$$;

create function pgmq.send_batch(queue_name text, msgs jsonb[], delay integer default 0) returns setof bigint
language sql as $$
  select * from pgmq.send_batch(queue_name, msgs, null, clock_timestamp() + delay * interval '1 second')
$$;

create function pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay integer default 0)
returns setof bigint language sql as $$
  select * from pgmq.send_batch(queue_name, msgs, headers, clock_timestamp() + delay * interval '1 second')
$$;

create function pgmq.send_batch(queue_name text, msgs jsonb[], delay timestamp with time zone) returns setof bigint
language sql as $$
  select * from pgmq.send_batch(queue_name, msgs, null, delay)
$$;

create function pgmq.send(queue_name text, msg jsonb, delay integer default 0) returns setof bigint language sql as $$
  select * from pgmq.send_batch(queue_name, array[msg], delay)
$$;

create function pgmq.send(queue_name text, msg jsonb, delay timestamp with time zone) returns setof bigint
language sql as $$
  select * from pgmq.send_batch(queue_name, array[msg], delay)
$$;

create function pgmq.send(queue_name text, msg jsonb, headers jsonb, delay integer default 0) returns setof bigint
language sql as $$
  select * from pgmq.send_batch(queue_name, array[msg], array[headers], delay)
$$;

create function pgmq.send(queue_name text, msg jsonb, headers jsonb, delay timestamp with time zone)
returns setof bigint language sql as $$
  select * from pgmq.send_batch(queue_name, array[msg], array[headers], delay)
$$;

create function pgmq.read(queue_name text, vt integer, qty integer, conditional jsonb default '{}')
returns setof pgmq.message_record language plpgsql as $$
begin
  return query execute format(
    'update pgmq.%1$I as kept
     set vt = clock_timestamp() + $1 * interval ''1 second'', read_ct = read_ct + 1
     where msg_id in (
       select msg_id from pgmq.%1$I where vt <= clock_timestamp() order by msg_id limit $2 for update skip locked)
     returning kept.msg_id, kept.read_ct, kept.enqueued_at, kept.vt, kept.message, kept.headers',
    'q_' || lower(queue_name)
  ) using vt, qty;
end
$$;

create function pgmq.read_with_poll(
  queue_name text, vt integer, qty integer, max_poll_seconds integer default 5, poll_interval_ms integer default 100,
  conditional jsonb default '{}'
) returns setof pgmq.message_record language sql as $$
  select * from pgmq.read(queue_name, vt, qty)
$$;

create function pgmq.pop(queue_name text) returns setof pgmq.message_record language plpgsql as $$
begin
  return query execute format(
    'delete from pgmq.%1$I as kept
     where msg_id = (
       select msg_id from pgmq.%1$I where vt <= clock_timestamp() order by msg_id limit 1 for update skip locked)
     returning kept.msg_id, kept.read_ct, kept.enqueued_at, kept.vt, kept.message, kept.headers',
    'q_' || lower(queue_name)
  );
end
$$;

create function pgmq.set_vt(queue_name text, msg_id bigint, vt integer) returns setof pgmq.message_record
language plpgsql as $$
begin
  return query execute format(
    'update pgmq.%I as kept set vt = clock_timestamp() + $2 * interval ''1 second'' where kept.msg_id = $1
     returning kept.msg_id, kept.read_ct, kept.enqueued_at, kept.vt, kept.message, kept.headers',
    'q_' || lower(queue_name)
  ) using msg_id, vt;
end
$$;

create function pgmq.delete(queue_name text, msg_ids bigint[]) returns setof bigint language plpgsql as $$
begin
  return query execute format('delete from pgmq.%I where msg_id = any ($1) returning msg_id', 'q_' || lower(queue_name))
    using msg_ids;
end
$$;

create function pgmq.delete(queue_name text, msg_id bigint) returns boolean language sql as $$
  select exists (select from pgmq.delete(queue_name, array[msg_id]))
$$;

create function pgmq.archive(queue_name text, msg_ids bigint[]) returns setof bigint language plpgsql as $$
begin
  return query execute format(
    'with gone as (
       delete from pgmq.%I where msg_id = any ($1) returning msg_id, read_ct, enqueued_at, vt, message, headers)
     insert into pgmq.%I (msg_id, read_ct, enqueued_at, vt, message, headers)
     select msg_id, read_ct, enqueued_at, vt, message, headers from gone
     returning msg_id',
    'q_' || lower(queue_name), 'a_' || lower(queue_name)
  ) using msg_ids;
end
$$;

create function pgmq.archive(queue_name text, msg_id bigint) returns boolean language sql as $$
  select exists (select from pgmq.archive(queue_name, array[msg_id]))
$$;

create function pgmq.purge_queue(queue_name text) returns bigint language plpgsql as $$
declare
  purged bigint;
begin
  execute format('delete from pgmq.%I', 'q_' || lower(queue_name));
  get diagnostics purged = row_count;
  return purged;
end
$$;

create function pgmq.list_queues() returns setof pgmq.queue_record language sql as $$
  select queue_name, is_partitioned, is_unlogged, created_at from pgmq.meta
$$;

create function pgmq.metrics(queue_name text) returns pgmq.metrics_result language plpgsql as $$
declare
  result pgmq.metrics_result;
begin
  execute format(
    'select $1, count(*), extract(epoch from now() - max(enqueued_at))::integer,
       extract(epoch from now() - min(enqueued_at))::integer, coalesce(max(msg_id), 0), now()
     from pgmq.%I',
    'q_' || lower(queue_name)
  ) into result using queue_name;
  return result;
end
$$;

grant usage on schema pgmq to postgres with grant option;
grant create on schema pgmq to postgres;
grant all on all tables in schema pgmq to postgres with grant option;
