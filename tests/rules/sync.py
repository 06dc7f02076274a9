"""Sync triggers as SQL text, for the tests of the rules that follow them."""

from __future__ import annotations

MIRROR = "create table public.people (id uuid primary key references auth.users (id) on delete cascade{columns});\n"


def mirror(*columns: str) -> str:
    """A mirror with an identity key and more columns."""
    return MIRROR.format(columns="".join(f", {column}" for column in columns))


def function(
    body: str,
    name: str = "handle_new_user",
    rights: str = "security definer set search_path = ''",
    declare: str = "",
    handler: str = "",
) -> str:
    return (
        f"create function public.{name}() returns trigger language plpgsql {rights} as $$\n"
        f"{declare}begin\n{body}\nreturn new;\n{handler}end $$;\n"
    )


def trigger(
    name: str = "handle_new_user",
    fires: str = "after insert",
    table: str = "auth.users",
    level: str = "row",
    when: str = "",
) -> str:
    condition = f"when ({when}) " if when else ""
    return (
        f"create trigger on_{name} {fires} on {table} for each {level} {condition}execute function public.{name}();\n"
    )


def sync(body: str, rights: str = "security definer set search_path = ''", handler: str = "", **fires: str) -> str:
    """A function and the trigger that calls it."""
    return function(body, rights=rights, handler=handler) + trigger(**fires)


INSERT = "insert into public.people (id) values (new.id);"
