"""Installing extensions: the server's own, and stand-ins for the ones that it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from referee.model.names import quote
from referee.model.source import Source
from referee.postgres.session import Session, literal

# What an extension's script makes and DROP EXTENSION takes away; the rest depends on these.
_MEMBERS = (
    ("pg_namespace", "true"),
    ("pg_proc", "true"),
    ("pg_class", "made.relkind in ('r', 'v', 'S', 'p')"),
    ("pg_type", "made.typtype in ('d', 'e')"),
    ("pg_type", "exists (select from pg_catalog.pg_class as c where c.oid = made.typrelid and c.relkind = 'c')"),
)


class Imitation(Protocol):
    """SQL that imitates an extension; ``schema`` is where it always lives, None where CREATE EXTENSION chooses."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def schema(self) -> str | None: ...
    @property
    def source(self) -> Source: ...


def write_control_files(folder: Path, imitations: Iterable[Imitation]) -> None:
    """Makes stand-ins installable by CREATE EXTENSION, for servers that know extension_control_path (PostgreSQL 18)."""
    folder.mkdir(parents=True)
    for imitation in imitations:
        # "trusted" lets a role without superuser's rights install it, as the hosts do that carry it.
        lines = ["comment = 'stand-in of referee'", f"default_version = '{imitation.version}'", "trusted = true"]
        lines.append(f"schema = '{imitation.schema}'" if imitation.schema else "relocatable = false")
        (folder / f"{imitation.name}.control").write_text("\n".join(lines) + "\n")
        (folder / f"{imitation.name}--{imitation.version}.sql").write_text(imitation.source.text, encoding="utf-8")


def available(session: Session) -> frozenset[str]:
    """The extensions that CREATE EXTENSION can install on this server."""
    return frozenset(name for (name,) in session.rows("select name from pg_catalog.pg_available_extensions"))


def installed(session: Session) -> frozenset[str]:
    """The extensions, and stand-ins of extensions, in the session's database."""
    return frozenset(name for (name,) in session.rows("select extname from pg_catalog.pg_extension"))


def creation(
    name: str,
    schema: str | None,
    *,
    installable: frozenset[str],
    imitations: Mapping[str, Imitation],
    if_not_exists: bool = True,
    cascade: bool = False,
) -> str:
    """The SQL, to be run by a superuser, that installs an extension or its stand-in.

    Where there is neither, it is the plain statement, which the server then refuses in its own words.
    """
    imitation = imitations.get(name)
    if name in installable or imitation is None:
        # An extension that always lives in one schema names it in its control file, which makes the schema too.
        schema = None if imitation and imitation.schema else schema
        place = f" with schema {quote(schema)}" if schema else ""
        unless = "if not exists " if if_not_exists else ""
        return f"create extension {unless}{quote(name)}{place}{' cascade' if cascade else ''}"
    return _by_hand(imitation, imitation.schema or schema)


def _by_hand(imitation: Imitation, schema: str | None) -> str:
    """What CREATE EXTENSION does, for servers that look for control files in one folder only.

    Object ids are given out in rising order, so what the script made is what has a higher one than the extension.
    """
    name = literal(imitation.name)
    makes_schema = imitation.schema is not None and imitation.schema != "pg_catalog"
    place = f"{literal(quote(schema))}::regnamespace" if schema else "quote_ident(current_schema())::regnamespace"
    members = " union all ".join(
        f"select '{catalog}'::regclass, made.oid from pg_catalog.{catalog} as made where {condition}"
        for catalog, condition in _MEMBERS
    )
    return f"""
do $referee$
declare
  path constant text := current_setting('search_path');
  extension constant oid := pg_nextoid('pg_extension', 'oid', 'pg_extension_oid_index');
begin
  if exists (select from pg_extension where extname = {name}) then
    return;
  end if;
  {f"create schema if not exists {quote(imitation.schema or '')};" if makes_schema else ""}
  insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
  values (extension, {name}, quote_ident(current_user)::regrole, {place}, false, '{imitation.version}');
  insert into pg_depend (classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype)
  values ('pg_extension'::regclass, extension, 0, 'pg_namespace'::regclass, {place}, 0, 'n');
  perform set_config('search_path', {place}::text, true);
  execute $referee_script$
{imitation.source.text}
$referee_script$;
  perform set_config('search_path', path, true);
  insert into pg_depend (classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype)
  select made.classid, made.objid, 0, 'pg_extension'::regclass, extension, 0, 'e'
  from ({members}) as made (classid, objid)
  where made.objid > extension;
end
$referee$
"""
