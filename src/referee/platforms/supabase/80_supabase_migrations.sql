-- supabase_migrations: the history that the command line keeps of migrations and seeds.

create table supabase_migrations.schema_migrations (
  version text not null,
  statements text[],
  name text,
  constraint schema_migrations_pkey primary key (version)
);

create table supabase_migrations.seed_files (
  path text not null,
  hash text not null,
  constraint seed_files_pkey primary key (path)
);

alter table supabase_migrations.schema_migrations owner to postgres;
alter table supabase_migrations.seed_files owner to postgres;
