"""Folders of .sql files: which of them are migrations to apply, and in which order tools run them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from referee.errors import ReadError

#: Why a file is skipped that matches a pattern of ``exclude``.
LEFT_OUT = "left out by the configuration"
#: Why something is skipped that is named like a file.
NO_FILE = "it is no regular file"
#: Why a migration is skipped that runs nevertheless.
PROGRAM = "a program, so what it does is not known"
# Folders that hold no sources of the project.
_IGNORED = frozenset({"node_modules", "vendor", "venv", "__pycache__", "site-packages", "bower_components"})
# Folders below a folder of migrations whose files no tool applies.
_ASIDE = frozenset(
    [
        *("archive", "archived", "archives", "backup", "backups", "deprecated", "disabled", "old"),
        *("down", "rollback", "rollbacks", "undo", "draft", "drafts"),
        *("fixture", "fixtures", "seed", "seeds", "test", "tests", "__tests__"),
    ]
)
_OTHER_DATABASES = {
    **dict.fromkeys(("mysql", "mariadb"), "MySQL"),
    **dict.fromkeys(("sqlite", "sqlite3"), "SQLite"),
    **dict.fromkeys(("cockroach", "cockroachdb", "crdb"), "CockroachDB"),
    **dict.fromkeys(("mssql", "sqlserver"), "SQL Server"),
    "oracle": "Oracle",
    "clickhouse": "ClickHouse",
    "tidb": "TiDB",
}
_MIGRATION_FOLDERS = frozenset({"migrations", "migration", "drizzle"})
_DEPTH = 5
_DIGITS = re.compile(r"(\d+)")
_FLYWAY = re.compile(r"(?P<kind>[VU])(?P<version>\d+(?:[._]\d+)*)__.*\.sql|R__.*\.sql", re.IGNORECASE)
# Migrations that are programs: goose, Flyway, Knex, Phinx and the like let them stand between those in SQL.
_PROGRAM = re.compile(r"(?:V?\d\w*[-_.].*|migration)\.(?:go|java|kt|js|mjs|cjs|ts|py|rb|php|exs|rs)", re.IGNORECASE)
_NO_PROGRAM = (".d.ts", "_test.go", ".test.ts", ".spec.ts", ".test.js", ".spec.js")
_DOWN = re.compile(r"(?:.*\.)?(?:down|rollback|undo)\.sql", re.IGNORECASE)


class Entry(NamedTuple):
    """A .sql file below a folder: its path, and its path from that folder with slashes."""

    path: str
    name: str


class Skipped(NamedTuple):
    """What was left out, named like Entry.name, and why."""

    name: str
    reason: str


class Listing(NamedTuple):
    """The files to read in the order they run, and those left out."""

    files: list[Entry]
    skipped: list[Skipped]


def list_migrations(folder: str, excludes: Callable[[str], bool], keep_all: bool = False) -> Listing:
    """The .sql files at any depth below a folder, as a tool would apply them to Postgres.

    With ``keep_all`` only what ``excludes`` accepts is left out. Raises ReadError where a folder cannot be read.
    """
    files: list[Entry] = []
    skipped: list[Skipped] = []
    for entry, reason in _walk(folder, keep_all):
        if reason is None and excludes(entry.path):
            reason = LEFT_OUT
        if reason is None:
            files.append(entry)
        else:
            skipped.append(Skipped(entry.name, reason))
    if not keep_all:
        files, others = _for_applying(files)
        skipped += others
    skipped += _programs(files)
    return Listing(in_order(files), sorted(skipped, key=lambda item: _natural(item.name)))


def _programs(files: Sequence[Entry]) -> Iterator[Skipped]:
    """The migrations beside some that are programs."""
    folders = {os.path.dirname(entry.path): entry.name.rpartition("/")[0] for entry in files}
    for folder, name in folders.items():
        for child in _scan(folder):
            if _PROGRAM.fullmatch(child.name) and not child.name.lower().endswith(_NO_PROGRAM):
                shown = printable(child.name)
                yield Skipped(f"{name}/{shown}" if name else shown, PROGRAM)


def find_folders(root: str) -> list[str]:
    """The folders of migrations below ``root``, outermost only, by their usual names.

    None where ``root`` has .sql files itself: then it is one.
    """
    found: list[str] = []
    level = [root]
    for _ in range(_DEPTH):
        below: list[str] = []
        for folder in level:
            names, files = _children(folder)
            if folder == root and files:
                return []
            for path in names:
                is_named = os.path.basename(path).lower() in _MIGRATION_FOLDERS
                (found if is_named and _holds_sql(path) else below).append(path)
        level = below
    return found


def find_below(root: str, is_wanted: Callable[[str], bool]) -> list[str]:
    """The folders below ``root``, not deeper than projects nest, that ``is_wanted`` accepts; none inside another."""
    found: list[str] = []
    level = [root]
    for _ in range(_DEPTH):
        below: list[str] = []
        for path in (path for folder in level for path in _children(folder)[0]):
            (found if is_wanted(path) else below).append(path)
        level = below
    return found


def count_sql(folder: str) -> int:
    """How many .sql files lie below a folder at any depth."""
    return sum(1 for entry, _ in _walk(folder, keep_all=True) if os.path.isfile(entry.path))


def in_order(files: Sequence[Entry]) -> list[Entry]:
    """Files in the order they run: numbers count as numbers, and Flyway's repeatable scripts come last."""
    if any(_FLYWAY.fullmatch(_base(entry.name)) for entry in files):
        return sorted(files, key=lambda entry: (*_flyway_order(_base(entry.name)), _natural(entry.name)))
    return sorted(files, key=lambda entry: _natural(entry.name))


def _walk(folder: str, keep_all: bool) -> Iterator[tuple[Entry, str | None]]:
    """Every .sql file below a folder, with the reason where its place or kind rules it out."""
    seen = {_identity(folder)}
    pending: list[tuple[str, str]] = [(folder, "")]
    while pending:
        at, prefix = pending.pop()
        for child in _scan(at):
            entry = Entry(child.path, prefix + printable(child.name))
            if os.path.isdir(child.path):
                if child.name.lower().endswith(".sql") and not count_sql(child.path):
                    yield entry, "it is a folder, not a file"
                if child.name.startswith(".") or child.name in _IGNORED:
                    continue
                if _identity(child.path) in seen:
                    yield entry, "a symbolic link to a folder that is read already"
                elif not keep_all and (reason := _why_aside(child.name)):
                    yield from ((file, reason) for file in _below(child.path, entry.name, seen))
                else:
                    seen.add(_identity(child.path))
                    pending.append((child.path, entry.name + "/"))
            elif child.name.lower().endswith(".sql") and not child.name.startswith("."):
                yield entry, _why_unreadable(child)


def _below(folder: str, name: str, seen: set[tuple[int, int]]) -> Iterator[Entry]:
    seen.add(_identity(folder))
    for entry, _ in _walk(folder, keep_all=True):
        yield Entry(entry.path, f"{name}/{entry.name}")


def _scan(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as children:
            return sorted(children, key=lambda child: child.name)
    except PermissionError as error:
        raise ReadError(
            f"The folder {printable(folder)} could not be read: you have no permission. Grant it (chmod u+rx), or name "
            "another path."
        ) from error
    except OSError as error:
        raise ReadError(f"The folder {printable(folder)} could not be read: {error.strerror or error}.") from error


def _children(folder: str) -> tuple[list[str], list[str]]:
    """The sub-folders to look into and the .sql files of a folder; of one that cannot be read, nothing."""
    try:
        children = _scan(folder)
    except ReadError:
        return [], []
    folders = [
        child.path
        for child in children
        if not child.is_symlink()
        and os.path.isdir(child.path)
        and not child.name.startswith(".")
        and child.name not in _IGNORED
        and child.name not in _ASIDE
        and child.name not in _OTHER_DATABASES
    ]
    files = [child.path for child in children if child.name.lower().endswith(".sql") and os.path.isfile(child.path)]
    return folders, files


def _holds_sql(folder: str) -> bool:
    """Whether a folder holds .sql files, itself or one level down: some tools keep one folder for each migration."""
    folders, files = _children(folder)
    return bool(files) or any(_children(path)[1] for path in folders)


def _why_aside(name: str) -> str | None:
    if name.lower() in _ASIDE:
        return f'it lies in a folder "{printable(name)}", which holds no migrations to apply'
    database = _OTHER_DATABASES.get(name.lower())
    return database and f"it is for {database}"


def _why_unreadable(child: os.DirEntry[str]) -> str | None:
    """Why an entry is no file to read. Broken links stay in, so that reading them says what is wrong with them."""
    return NO_FILE if is_no_file(child.path) else None


def is_no_file(path: str) -> bool:
    """Whether something is a pipe or a device, which may never come to an end, or a link to one."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def _for_applying(files: Iterable[Entry]) -> tuple[list[Entry], list[Skipped]]:
    """Parts the files that a migration tool applies to Postgres from ways back and from files for other databases."""
    files = list(files)
    names = {entry.name for entry in files}
    kept: list[Entry] = []
    skipped: list[Skipped] = []
    for entry in files:
        reason = _why_not_applied(entry.name, names)
        if reason is None:
            kept.append(entry)
        else:
            skipped.append(Skipped(entry.name, reason))
    return kept, skipped


def _why_not_applied(name: str, names: set[str]) -> str | None:
    base = _base(name)
    if _DOWN.fullmatch(base):
        return "it is the way down"
    stem = base[: -len(".sql")]
    if stem.lower().endswith(("_down", "-down")) and name[: -len("down.sql")] + "up.sql" in names:
        return "it is the way down"
    if (flyway := _FLYWAY.fullmatch(base)) and (flyway["kind"] or "").upper() == "U":
        return "it is the way down"
    words = stem.split(".")
    if database := next(filter(None, (_OTHER_DATABASES.get(word.lower()) for word in words[1:])), None):
        return f"it is for {database}"
    return _why_outdone(name, words, names)


def _why_outdone(name: str, words: list[str], names: set[str]) -> str | None:
    """Whether the same migration is there in a version for Postgres."""
    folder = name[: -len(_base(name))]
    for dialect in ("postgres", "postgresql", "pg"):
        if dialect not in words:
            special = folder + ".".join([words[0], dialect, *words[1:], "sql"])
            if special in names:
                return f"{_base(special)} takes its place on Postgres"
    return None


def _flyway_order(name: str) -> tuple[int, tuple[int, ...]]:
    match = _FLYWAY.fullmatch(name)
    if match is None or match["version"] is None:
        return (1, ())
    return (0, tuple(int(number) for number in re.split(r"[._]", match["version"])))


def _natural(name: str) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    """A sort key by which "2_b" comes before "10_a", folder by folder."""
    parts = name[:-4] if name.lower().endswith(".sql") else name
    return tuple(
        tuple((0, int(word), word) if word.isdecimal() else (1, 0, word) for word in _DIGITS.split(part) if word)
        for part in parts.split("/")
    )


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _identity(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return (status.st_dev, status.st_ino)


def printable(path: str) -> str:
    """A path that can be printed and encoded, also where its bytes are no text."""
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")
