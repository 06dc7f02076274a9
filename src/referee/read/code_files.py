"""Finds the tests and seed scripts of a project that are written in Python, TypeScript or JavaScript."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

from referee.errors import ReadError
from referee.model.fixtures import FixtureKind
from referee.model.origins import Gap
from referee.model.source import Source
from referee.read.projects import Migrations, shown
from referee.read.supabase import is_project
from referee.read.texts import read_text

PYTHON = (".py",)
#: Those in which ``<a/>`` is an element, and ``<A>value`` no cast.
ELEMENTS = (".tsx", ".js", ".jsx", ".mjs", ".cjs")
TYPESCRIPT = (".ts", ".mts", ".cts")

ENDINGS = (*PYTHON, *ELEMENTS, *TYPESCRIPT)
_TEST_FOLDERS = frozenset(
    "test tests __tests__ testing e2e spec specs cypress playwright fixtures integration-tests test-utils".split()
)
_SEED_FOLDERS = frozenset("seed seeds seeders".split())
_TEST_NAME = re.compile(r"(?:^|[._-])(?:test|tests|spec|e2e|cy|conftest)(?=[._-])")
_SEED_NAME = re.compile(r"(?:^|[._-])(?:seed|seeds|seeder|seeding)(?=[._-])")
_ELSEWHERE = frozenset(
    "node_modules bower_components site-packages vendor venv env __pycache__ dist build out target coverage".split()
)
# Only a file that has such a word does anything to rows or roles that concerns a rule.
_WORDS = re.compile(
    r"insert\s+into|\bcopy\s|\.(?:from|from_|table)\s*\(|create_?user|invite_?user|sign_?(?:up|in)|set_?session\b"
    r"|session_replication_role|disable\s+trigger|\brole\b",
    re.IGNORECASE,
)
_LARGEST = 1_000_000
_FOLDERS = 20_000
_FILES = 5_000


def find_code(
    migrations: Migrations, excludes: Callable[[str], bool] = lambda path: False
) -> tuple[list[tuple[FixtureKind, Source]], list[Gap]]:
    """The tests and seed scripts of a project that may do something to rows, in the order of their paths.

    They are looked for in the folder that was given, or around the ``supabase`` folder. Folders of installed packages,
    hidden ones and other Supabase projects are left out. What was not read is among the gaps.
    """
    found: list[tuple[FixtureKind, Source]] = []
    gaps: list[Gap] = []
    unread: list[str] = []
    for number, (kind, path) in enumerate(_paths(migrations, excludes, unread)):
        name = shown(path)
        if number >= _FILES:
            gaps.append(Gap("skipped-file", f"{name} and the tests behind it: only {_FILES:,} files are read"))
            break
        try:
            if os.path.getsize(path) > _LARGEST:
                gaps.append(Gap("skipped-file", f"{name}: a test of more than a megabyte is not read"))
                continue
            text = read_text(path, name)
        except (ReadError, OSError) as error:
            gaps.append(Gap("skipped-file", str(error)))
            continue
        if _WORDS.search(text):
            found.append((kind, Source(name, text)))
    gaps += [Gap("skipped-file", f"{shown(folder)}: a folder of tests that could not be read") for folder in unread]
    return found, gaps


def _paths(
    migrations: Migrations, excludes: Callable[[str], bool], unread: list[str]
) -> Iterator[tuple[FixtureKind, str]]:
    """The files by what they are; folders of tests or seeds that cannot be read are added to ``unread``."""
    base = _base(migrations)
    if base is None:
        return
    own = os.path.realpath(migrations.root)
    left = _FOLDERS
    waiting = [(base, kind_of_folder(os.path.basename(os.path.abspath(base))))]
    while waiting and left:
        folder, inherited = waiting.pop()
        left -= 1
        listed = _list(folder)
        if listed is None:
            unread += [folder] if inherited is not None else []
            continue
        names, folders = listed
        if _is_another(folder, folders, own):
            continue
        for name in names:
            kind = kind_of(name) or inherited
            path = os.path.join(folder, name)
            if kind is not None and name.endswith(ENDINGS) and not name.endswith(".d.ts") and not excludes(path):
                yield kind, path
        waiting += [
            (os.path.join(folder, name), kind_of_folder(name) or inherited)
            for name in reversed(folders)
            if not name.startswith(".") and name not in _ELSEWHERE
        ]


def _base(migrations: Migrations) -> str | None:
    """The folder to look in; None where one file or one folder of migrations was named, which say nothing of tests."""
    if migrations.kind == "file":
        return None
    given, root = migrations.given, migrations.root
    inside = os.path.relpath(os.path.realpath(root), os.path.realpath(given or root))
    if given and inside != os.curdir and not inside.startswith(os.pardir):
        return given
    return os.path.normpath(os.path.join(root, os.pardir)) if migrations.kind == "supabase" else None


def _list(folder: str) -> tuple[list[str], list[str]] | None:
    """The files and folders in a folder by name; None where it cannot be read. Links are not followed to folders."""
    try:
        with os.scandir(folder) as entries:
            known = sorted(entries, key=lambda entry: entry.name)
            folders = [entry.name for entry in known if entry.is_dir(follow_symlinks=False)]
            return [entry.name for entry in known if _is_file(entry)], folders
    except OSError:
        return None


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads back to itself
        return False


def _is_another(folder: str, folders: list[str], own: str) -> bool:
    """Whether a folder holds a Supabase project that is not the one at hand."""
    if "supabase" not in folders:
        return False
    path = os.path.join(folder, "supabase")
    return os.path.realpath(path) != own and is_project(path) and not own.startswith(os.path.realpath(folder) + os.sep)


def kind_of(name: str) -> FixtureKind | None:
    """What the name of a file says it is; None where it says nothing."""
    name = name.lower()
    if _TEST_NAME.search(name):
        return "code"
    return "seed" if _SEED_NAME.search(name) else None


def kind_of_folder(name: str) -> FixtureKind | None:
    """What the name of a folder says of the files in it."""
    name = name.lower()
    return "code" if name in _TEST_FOLDERS else "seed" if name in _SEED_FOLDERS else None
