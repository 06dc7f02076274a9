"""Migrations of any size: twelve statements for each table, with keys, indexes, policies, and a trigger with a body."""

from __future__ import annotations

from pathlib import Path

STATEMENTS_PER_TABLE = 12

_HEAD = """\
create table public.users (
  id uuid primary key,
  email text not null,
  name text not null
);
alter table public.users enable row level security;
create policy users_select on public.users for select to authenticated using (id = auth.uid());
create table public.audit_log (
  id bigint generated always as identity primary key,
  table_name text not null,
  row_id uuid not null,
  user_id uuid not null
);
"""

_TABLE = """
create table public.{t} (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  created_by uuid not null references public.users (id) on delete cascade,
  last_modified_by uuid references auth.users (id),
  parent_id uuid{parent},
  amount numeric(10,2) default 0 check (amount >= 0),
  created_at timestamptz not null default now(),
  data jsonb default '{{}}'::jsonb
);
create index {t}_created_by_idx on public.{t} (created_by);
create index {t}_parent_idx on public.{t} (parent_id) where parent_id is not null;
alter table public.{t} enable row level security;
create policy {t}_select on public.{t} for select to authenticated using (created_by = auth.uid());
create policy {t}_insert on public.{t} for insert to authenticated with check (created_by = auth.uid());
create policy {t}_update on public.{t} for update to authenticated
  using (created_by = auth.uid()) with check (created_by = auth.uid());
create function public.{t}_touch() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'INSERT' then
    new.created_by := auth.uid();
  end if;
  new.last_modified_by = auth.uid();
  insert into public.audit_log (table_name, row_id, user_id) values ('{t}', new.id, auth.uid());
  return new;
end;
$$;
create trigger {t}_touch before insert or update on public.{t} for each row execute function public.{t}_touch();
alter table public.{t} add constraint {t}_name_unique unique (name);
grant select, insert, update, delete on public.{t} to authenticated;
comment on table public.{t} is 'table number {number}';
"""


def table(number: int) -> str:
    """The statements of one table."""
    parent = f" references public.t{number - 1} (id)" if number else ""
    return _TABLE.format(t=f"t{number}", number=number, parent=parent)


def write(folder: Path, tables: int, files: int) -> Path:
    """Writes a Supabase project with so many tables in so many files; returns its folder."""
    migrations = folder / "supabase" / "migrations"
    migrations.mkdir(parents=True, exist_ok=True)
    (folder / "supabase" / "config.toml").write_text('project_id = "bench"\n')
    each = -(-tables // files)
    for index in range(files):
        numbers = range(index * each, min((index + 1) * each, tables))
        text = (_HEAD if index == 0 else "") + "".join(table(number) for number in numbers)
        (migrations / f"{20250101000000 + index}_part.sql").write_text(text)
    return folder
