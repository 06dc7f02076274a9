-- Imitates pg_cron 1.6: schema cron with its functions and tables; postgres may read jobs but changes them through
-- the functions. A job is written down and never run.

create schema cron;

create table cron.job (
  jobid bigserial not null,
  schedule text not null,
  command text not null,
  nodename text not null default 'localhost'::text,
  nodeport integer not null default 5432,
  database text not null default current_database(),
  username text not null default current_user,
  active boolean not null default true,
  jobname text,
  constraint job_pkey primary key (jobid),
  constraint jobname_username_uniq unique (jobname, username)
);
alter table cron.job enable row level security;
create policy cron_job_policy on cron.job using (username = current_user);

create table cron.job_run_details (
  jobid bigint,
  runid bigserial not null,
  job_pid integer,
  database text,
  username text,
  command text,
  status text,
  return_message text,
  start_time timestamp with time zone,
  end_time timestamp with time zone,
  constraint job_run_details_pkey primary key (runid)
);
alter table cron.job_run_details enable row level security;
create policy cron_job_run_details_policy on cron.job_run_details using (username = current_user);

-- These two run with the rights of their owner and therefore take the caller's name as an argument.
create function cron.referee_schedule(
  job_name text, schedule text, command text, database text, username text, active boolean
) returns bigint language plpgsql security definer set search_path to pg_catalog as $$
declare
  id bigint;
begin
  if schedule !~ '^(@\w+|\d+ seconds?|\S+(\s+\S+){4})$' then
    raise exception 'invalid schedule: %', schedule
      using errcode = '22023', hint = 'Use cron format (e.g. 5 4 * * *), or interval format ''[1-59] seconds''';
  end if;
  insert into cron.job as kept (jobname, schedule, command, database, username, active)
  values (job_name, schedule, command, database, username, active)
  on conflict on constraint jobname_username_uniq do update
    set schedule = excluded.schedule, command = excluded.command, database = excluded.database, active = excluded.active
  returning kept.jobid into id;
  return id;
end
$$;

create function cron.referee_unschedule(id bigint, job_name text, caller text) returns boolean
language plpgsql security definer set search_path to pg_catalog as $$
begin
  delete from cron.job where (jobid = id or jobname = job_name) and username = caller;
  if not found then
    raise exception 'could not find valid entry for job ''%''', coalesce(job_name, id::text) using errcode = 'XX000';
  end if;
  return true;
end
$$;

create function cron.schedule(schedule text, command text) returns bigint language sql as $$
  select cron.referee_schedule(null, schedule, command, current_database()::text, current_user::text, true)
$$;

create function cron.schedule(job_name text, schedule text, command text) returns bigint language sql as $$
  select cron.referee_schedule(job_name, schedule, command, current_database()::text, current_user::text, true)
$$;

create function cron.schedule_in_database(
  job_name text, schedule text, command text, database text, username text default null, active boolean default true
) returns bigint language sql as $$
  select cron.referee_schedule(job_name, schedule, command, database, coalesce(username, current_user::text), active)
$$;

create function cron.unschedule(job_id bigint) returns boolean language sql as $$
  select cron.referee_unschedule(job_id, null, current_user::text)
$$;

create function cron.unschedule(job_name text) returns boolean language sql as $$
  select cron.referee_unschedule(null, job_name, current_user::text)
$$;

create function cron.alter_job(
  job_id bigint, schedule text default null, command text default null, database text default null,
  username text default null, active boolean default null
) returns void language sql security definer set search_path to pg_catalog as $$
  update cron.job as kept
  set schedule = coalesce(alter_job.schedule, kept.schedule),
      command = coalesce(alter_job.command, kept.command),
      database = coalesce(alter_job.database, kept.database),
      username = coalesce(alter_job.username, kept.username),
      active = coalesce(alter_job.active, kept.active)
  where kept.jobid = job_id
$$;

alter default privileges in schema cron grant all on tables to postgres with grant option;
alter default privileges in schema cron grant all on functions to postgres with grant option;
alter default privileges in schema cron grant all on sequences to postgres with grant option;
grant usage on schema cron to postgres with grant option;
grant select on cron.job to postgres with grant option;
grant all on cron.job_run_details to postgres with grant option;
grant all on all functions in schema cron to postgres with grant option;
