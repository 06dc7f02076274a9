"""A Supabase project as its command line sees it: config.toml, and which files it runs, in which order.

Sources: supabase/cli, pkg/migration/list.go (file filter, the skipped first init file), pkg/config (keys and defaults).
"""

from __future__ import annotations

import glob
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

_T = TypeVar("_T")

#: The file filter of the command line; what it does not match is never run.
MIGRATION = re.compile(r"([0-9]+)_(.*)\.sql")
#: Why a file is skipped that the filter does not match.
MISNAMED = "the Supabase CLI runs only files that are named <digits>_<name>.sql"
_INIT = re.compile(r"([0-9]{14})_init\.sql")
# Projects older than this had their first migration written by `supabase init`, which never runs it.
_INIT_RUNS_FROM = 20211209000000


@dataclass(frozen=True)
class Settings:
    """What config.toml says that matters to a reading; the defaults are the command line's own.

    ``schema_paths`` is None where the key is absent or empty, so that all of ``schemas/`` counts.
    ``exposes_new_tables`` is None where the project leaves it to the platform.
    """

    major_version: int | None = None
    api_schemas: tuple[str, ...] = ("public", "graphql_public")
    extra_search_path: tuple[str, ...] = ("public", "extensions")
    exposes_new_tables: bool | None = None
    migrations_enabled: bool = True
    schema_paths: tuple[str, ...] | None = None
    seed_paths: tuple[str, ...] = ("./seed.sql",)
    sign_up_enabled: bool = True
    anonymous_sign_ins: bool = False
    phone_sign_ups: bool = False
    email_confirmations: bool = False


def read_settings(text: str) -> Settings:
    """The settings in the text of a config.toml; a value of a wrong type counts as absent.

    Raises tomllib.TOMLDecodeError.
    """
    config = tomllib.loads(text)
    api, db, auth = (_table(config, name) for name in ("api", "db", "auth"))
    migrations, seed, default = _table(db, "migrations"), _table(db, "seed"), Settings()
    seed_paths = _strings(seed, "sql_paths")
    return Settings(
        major_version=_integer(db, "major_version"),
        api_schemas=_or(_strings(api, "schemas"), default.api_schemas),
        extra_search_path=_or(_strings(api, "extra_search_path"), default.extra_search_path),
        exposes_new_tables=_boolean(api, "auto_expose_new_tables"),
        migrations_enabled=_or(_boolean(migrations, "enabled"), True),
        schema_paths=_strings(migrations, "schema_paths") or None,
        seed_paths=() if _boolean(seed, "enabled") is False else _or(seed_paths, default.seed_paths),
        sign_up_enabled=_or(_boolean(auth, "enable_signup"), True),
        anonymous_sign_ins=_or(_boolean(auth, "enable_anonymous_sign_ins"), False),
        phone_sign_ups=_or(_boolean(_table(auth, "sms"), "enable_signup"), False),
        email_confirmations=_or(_boolean(_table(auth, "email"), "enable_confirmations"), False),
    )


def is_project(folder: str) -> bool:
    """Whether a folder is what ``supabase init`` makes, usually called ``supabase``."""
    if not os.path.isdir(folder):
        return False
    has_config = os.path.isfile(os.path.join(folder, "config.toml"))
    has_files = any(os.path.isdir(os.path.join(folder, name)) for name in ("migrations", "schemas"))
    is_named = os.path.basename(os.path.abspath(folder)) == "supabase"
    return (is_named and (has_config or has_files)) or (
        has_config and os.path.isdir(os.path.join(folder, "migrations"))
    )


def why_skipped(name: str, is_first: bool) -> str | None:
    """Why the command line does not run the file of this name in ``migrations``; None where it runs it.

    ``is_first`` is whether the name sorts before all others in the folder.
    """
    if is_first and (init := _INIT.search(name)) and int(init[1]) < _INIT_RUNS_FROM:
        return 'the Supabase CLI never runs a first "init" from before December 2021; under another name it would run'
    if MIGRATION.fullmatch(name) is None:
        return MISNAMED
    return None


def expand(patterns: tuple[str, ...], folder: str) -> Iterator[tuple[str, list[str]]]:
    """Each pattern with the paths that it adds: what it matches in ``folder``, sorted, without earlier matches."""
    seen: set[str] = set()
    for pattern in patterns:
        matches = sorted({os.path.normpath(path) for path in _matching(folder, pattern)})
        yield pattern, [path for path in matches if path not in seen]
        seen.update(matches)


def _matching(folder: str, pattern: str) -> Iterator[str]:
    """What a pattern matches in a folder. ``**`` follows a link only to where it has not been."""
    parts = pattern.split("/")
    if "**" not in parts:
        yield from glob.glob(os.path.join(glob.escape(folder), pattern))
        return
    at = parts.index("**")
    head, tail = "".join(f"{part}/" for part in parts[:at]), "/".join(parts[at + 1 :]).lstrip("/")
    for base in glob.glob(os.path.join(glob.escape(folder), head)):
        for below in _folders(base):
            yield from _matching(below, tail or "*")


def _folders(base: str) -> Iterator[str]:
    """A folder and those below it that are not hidden, each once, whatever links lead to it."""
    seen: set[tuple[int, int]] = set()
    waiting = [base]
    while waiting:
        folder = waiting.pop()
        try:
            status, names = os.stat(folder), sorted(os.listdir(folder), reverse=True)
        except OSError:
            continue
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            yield folder
            paths = [os.path.join(folder, name) for name in names if not name.startswith(".")]
            waiting += [path for path in paths if os.path.isdir(path)]


def _or(value: _T | None, default: _T) -> _T:
    return default if value is None else value


def _table(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = config.get(name)
    return value if isinstance(value, dict) else {}


def _strings(config: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    value = config.get(name)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else None


def _boolean(config: Mapping[str, Any], name: str) -> bool | None:
    value = config.get(name)
    return value if isinstance(value, bool) else None


def _integer(config: Mapping[str, Any], name: str) -> int | None:
    value = config.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
