"""Migrations as a text for psql, run by a superuser: what ``run_scripts`` does, for people to replay."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from referee.model.names import quote
from referee.postgres.router import Router
from referee.postgres.scripts import Script, Statement
from referee.postgres.session import Session, literal

_CONCURRENTLY = re.compile(r"(?:create\s+(?:unique\s+)?index|drop\s+index|reindex\b.*?)\s+concurrently\b", re.I | re.S)
_BEGIN = re.compile(r"(?:begin|start\s+transaction)\b", re.IGNORECASE)
_END = re.compile(r"(?:commit|end|rollback|abort)\s*(?:work|transaction)?\s*\Z", re.IGNORECASE)

Settings = Mapping[str, Sequence[tuple[str, str]]]


def role_settings(session: Session) -> Settings:
    """What logging in as each role sets, by role: names and values."""
    found: dict[str, list[tuple[str, str]]] = {}
    rows = session.rows(
        "select r.rolname, s.setting from pg_catalog.pg_db_role_setting d"
        " join pg_catalog.pg_roles r on r.oid = d.setrole, unnest(d.setconfig) with ordinality as s (setting, position)"
        " where d.setdatabase = 0 order by r.rolname, s.position"
    )
    for role, setting in rows:
        name, _, value = setting.partition("=")
        found.setdefault(role, []).append((name, value))
    return found


def become(role: str, settings: Settings) -> list[str]:
    """The statements after which a superuser's session looks as if that role had logged in."""
    sets = [f"select set_config({literal(name)}, {literal(value)}, false)" for name, value in settings.get(role, ())]
    return ["reset session authorization", "reset all", *sets, f"set session authorization {quote(role)}"]


def write_script(router: Router, script: Script, settings: Settings) -> str:
    """One file as psql text, run as the migration role; a statement that fails does not keep the rest from running."""
    head = ["\\set ON_ERROR_ROLLBACK on", f"-- {' '.join(script.path.split())}"]
    login = [f"{statement};" for statement in become(router.role, settings)]
    return "\n".join([*head, *login, *_file(router, script), "\\set ON_ERROR_ROLLBACK off"])


def _file(router: Router, script: Script) -> Iterator[str]:
    """One file in one transaction, save for what it begins and ends itself and what cannot be in one."""
    is_open = False
    for statement in script.statements:
        alone = not script.atomic or _CONCURRENTLY.match(statement.text) is not None
        if alone and is_open:
            yield "commit;"
            is_open = False
        if not alone and not is_open and not _BEGIN.match(statement.text):
            yield "begin;"
            is_open = True
        if is_open and _BEGIN.match(statement.text):
            continue  # the transaction that it would open is open
        yield from _statement(router, statement)
        if _BEGIN.match(statement.text):
            is_open = True
        elif _END.match(statement.text):
            is_open = False
    if is_open:
        yield "commit;"


def _statement(router: Router, statement: Statement) -> Iterator[str]:
    for text in router.route(statement.text):
        yield f"{text.rstrip()}\n;" if "--" in text.rpartition("\n")[2] else f"{text.rstrip()};"
        if statement.data is not None and text == statement.text:
            yield statement.data.rstrip("\n").removesuffix("\\.").rstrip("\n") + "\n\\."
