"""Projects for tests."""

from __future__ import annotations

from pathlib import Path

# One split identity: two keys to the mirror, one past it.
SPLIT = """\
create table public.users (
  id uuid primary key references auth.users (id) on delete cascade
);
create table public.bands (owner uuid references public.users (id));
create table public.songs (made_by uuid references public.users (id));
create table public.shows (
  created_by uuid references auth.users (id)
);
"""
LINE = 7
CLEAN = "create table public.bands (id uuid primary key);\n"


def write(text: str, path: str = "supabase/migrations/20250101000000_start.sql") -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")
    return Path(path)
