"""Schemas from SQL, with what should hold in them."""

from __future__ import annotations

from referee.identity import IdentityOptions, identify
from referee.model.identity import Identities
from referee.model.schema import Schema
from referee.model.source import Source
from referee.platforms import platform
from referee.read.replay import replay
from referee.testgen.expected import Expected, expect

PROFILES = "create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);"
TRIGGER = """
create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = '' as $$
begin insert into public.profiles (id) values (new.id); return new; end $$;
create trigger on_auth_user_created after insert on auth.users for each row execute function public.handle_new_user();
"""
POSTS = "create table public.posts (author uuid references public.profiles (id) on delete set null);"
HOSTILE = """
create table public."Org's" (id uuid primary key references auth.users (id) on delete cascade);
create table public."mem""bers" ("org;id" uuid references public."Org's" (id));
alter table public."mem""bers" add column "back\\slash" uuid references auth.users (id);
"""


def built(text: str) -> tuple[Schema, Identities]:
    supabase = platform("supabase")
    schema = replay([Source("1.sql", text)], supabase).schema
    return schema, identify(schema, IdentityOptions(supabase))


def expected(text: str, *ways: str) -> Expected:
    return expect(*built(text), ways)
