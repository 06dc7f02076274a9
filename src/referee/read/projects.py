"""Finds the migrations of a project: which files run, in which order, and which do not."""

from __future__ import annotations

import os
import re
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from referee.errors import ReadError
from referee.model.origins import Gap
from referee.model.source import Source, Span
from referee.read.folders import (
    LEFT_OUT,
    NO_FILE,
    PROGRAM,
    Entry,
    Skipped,
    count_sql,
    find_below,
    find_folders,
    in_order,
    is_no_file,
    list_migrations,
    printable,
)
from referee.read.sections import up_part
from referee.read.supabase import MIGRATION, MISNAMED, Settings, expand, is_project, read_settings, why_skipped
from referee.read.texts import read_text

# What only a project on Supabase writes; who makes such a table or function himself is not on Supabase.
_SUPABASE_WORDS = re.compile(r'\bauth"?\."?(?:users|uid|jwt|role|identities)\b', re.IGNORECASE)
_HINTS = ("auth.", 'auth"', "AUTH.")
_OWN_AUTH = ("create schema auth", "create schema if not exists auth")
_SHOWN = 3
_LISTED = 12
_DEFAULTS = Settings()


@dataclass(frozen=True)
class Migrations:
    """The files of a project, in the order they run, and what was left out.

    ``name`` is the path as it is printed; ``root`` the ``supabase`` folder, the folder of files or the file itself.
    ``files`` hold what runs when the migrations are applied: ways down are blanked, offsets fit the files.
    ``skipped`` are gaps of the kind "skipped-file". ``declarative`` is whether the files declare the schema instead of
    migrating to it. ``notices`` are things the reader should know that lose nothing.
    ``seed_files``, ``test_files`` and ``roles_file`` are paths that exist and are not excluded, none of them read.
    ``given`` is the path that was asked for.
    """

    kind: Literal["supabase", "folder", "file"]
    name: str
    root: str
    files: tuple[Source, ...]
    skipped: tuple[Gap, ...] = ()
    notices: tuple[str, ...] = ()
    declarative: bool = False
    platform: Literal["supabase", "plain"] = "plain"
    settings: Settings = _DEFAULTS
    seed_files: tuple[str, ...] = ()
    test_files: tuple[str, ...] = ()
    roles_file: str | None = None
    given: str = ""

    @property
    def home(self) -> str:
        """The folder of the project as it is printed: the one that holds ``supabase``, else that of the files.

        It is the same folder whichever part of the project was asked for.
        """
        is_inside = self.kind == "file" or os.path.basename(os.path.abspath(self.root)) == "supabase"
        return shown(os.path.normpath(os.path.join(self.root, os.pardir)) if is_inside else self.root)

    @property
    def major_version(self) -> int | None:
        """The Postgres version that the project says it runs; None where it says none."""
        return self.settings.major_version


def find_migrations(
    path: str | os.PathLike[str],
    *,
    excludes: Callable[[str], bool] = lambda path: False,
    declarative: bool = False,
    all_files: bool = False,
) -> Migrations:
    """Reads the migrations at ``path``: a repository, a ``supabase`` folder, a folder of .sql files, or one file.

    ``declarative`` asks for a Supabase project's declared schema instead of its migrations, ``all_files`` for the files
    that would be skipped too, save those whose path ``excludes`` accepts.
    Raises ReadError where the path or a file cannot be read, where nothing is there to read, and where several projects
    lie below the path.
    """
    given = str(Path(path))  # without "." and doubled slashes, which would be printed
    _check_exists(given)
    if not os.path.isdir(given):
        return _one_file(given)
    root = _supabase_root(given)
    if root is not None and (_has_sql(root) or not find_folders(given)):
        found = _Supabase(root, excludes, all_files).read(declarative)
        return replace(found, name=_project_name(root, given), given=given)
    if declarative:
        raise ReadError(
            f"{shown(given)} is no Supabase project, so it declares no schema. Leave out --declarative, or name the "
            "folder of the .sql files."
        )
    migrations = replace(_folder(given, excludes, all_files), given=given)
    return migrations if root is None else replace(migrations, platform="supabase")


def shown(path: str) -> str:
    """A path as it is printed: relative to the current folder where it lies below it, else as given; with slashes."""
    try:
        relative = os.path.relpath(path)
    except (OSError, ValueError):  # the current folder is gone, or the path is on another drive
        relative = os.pardir
    inside = relative != os.pardir and not relative.startswith(os.pardir + os.sep)
    return printable(relative if inside else path).replace(os.sep, "/")


def _check_exists(path: str) -> None:
    try:
        os.stat(path)
    except FileNotFoundError as error:
        if os.path.islink(path):
            raise ReadError(
                f"{shown(path)} is a symbolic link to {os.readlink(path)}, which does not exist."
            ) from error
        raise ReadError(
            f"There is no file or folder {shown(path)}. Name a Supabase project, a folder of .sql files or one file."
        ) from error
    except OSError as error:
        raise ReadError(f"{shown(path)} could not be read: {error.strerror or error}.") from error


def _one_file(path: str) -> Migrations:
    name = shown(path)
    source = Source(name, up_part(read_text(path, name)))
    return Migrations("file", name, path, (source,), platform=_platform([source]))


def _folder(path: str, excludes: Callable[[str], bool], all_files: bool) -> Migrations:
    folder, notices = _choose_folder(path)
    listing = list_migrations(folder, excludes, all_files)
    if not listing.files:
        raise ReadError(_nothing_there(folder, listing.skipped))
    sources = _read((entry.path, f"{_prefix(folder)}{entry.name}") for entry in listing.files)
    skipped = tuple(_skipped(f"{_prefix(folder)}{name}", reason) for name, reason in listing.skipped)
    return Migrations(
        "folder", shown(folder), folder, sources, skipped=skipped, notices=notices, platform=_platform(sources)
    )


def _choose_folder(path: str) -> tuple[str, tuple[str, ...]]:
    found = find_folders(path)
    if not found:
        return path, ()
    if len(found) > 1:
        raise ReadError(_several("folders of migrations", path, found))
    return found[0], (f"{shown(found[0])} was read, the only folder of migrations that was found.",)


def _nothing_there(folder: str, skipped: Sequence[Skipped]) -> str:
    if not skipped:
        return f"{shown(folder)} holds no .sql file. Name a Supabase project, a folder of .sql files or one file."
    if all(reason == LEFT_OUT for _, reason in skipped):
        return _all_left_out(folder)
    first = "; ".join(f"{name}: {reason}" for name, reason in skipped[:_SHOWN])
    return (
        f"Of the {len(skipped)} .sql files in {shown(folder)} none is left to read ({first}"
        f"{'; ...' if len(skipped) > _SHOWN else ''}). Name one of them, or read them all with --all-files."
    )


def _all_left_out(folder: str) -> str:
    return f"Everything to read in {shown(folder)} is {LEFT_OUT}. Exclude less, or name one of the files."


def _supabase_root(path: str) -> str | None:
    """The ``supabase`` folder that a path means: a part of one, one itself, or one below it."""
    absolute = os.path.abspath(path)
    parent = os.path.dirname(absolute)
    if os.path.basename(absolute) in ("migrations", "schemas") and is_project(parent):
        return os.path.normpath(os.path.join(path, os.pardir))
    for candidate in (os.path.join(path, "supabase"), path):
        if is_project(candidate):
            return candidate
    found = find_below(path, lambda folder: os.path.basename(folder) == "supabase" and is_project(folder))
    filled = [folder for folder in found if _has_sql(folder)]
    if len(filled) > 1:
        raise ReadError(_several("Supabase projects", path, filled))
    return next(iter(filled or found), None)


def _has_sql(project: str) -> bool:
    folders = (os.path.join(project, name) for name in ("migrations", "schemas"))
    return any(count_sql(folder) for folder in folders if os.path.isdir(folder))


def _project_name(root: str, given: str) -> str:
    """The project as it is called: the folder that holds ``supabase``, or the path as given where that lies outside."""
    folder = os.path.dirname(root) or os.curdir if os.path.basename(root) == "supabase" else root
    name = shown(folder)
    return shown(given) if name.startswith(os.pardir) else name


def _several(what: str, path: str, found: Sequence[str]) -> str:
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    listed = ", ".join(map(shown, found[:_LISTED]))
    return f"Several {what} lie below {shown(path)}: {listed}{more}. Choose one by naming its path."


class _Supabase:
    """Reads one Supabase project, collecting what is left out on the way."""

    def __init__(self, root: str, excludes: Callable[[str], bool], all_files: bool) -> None:
        self.root = root
        self.prefix = _prefix(root)
        self.excludes = excludes
        self.all_files = all_files
        self.skipped: list[Gap] = []
        self.notices: list[str] = []
        self.settings = self._settings()

    def read(self, declarative: bool) -> Migrations:
        chosen = [] if declarative else self._migrations()
        declared = not chosen
        if declared:
            chosen = self._declared()
        elif _count_below(self.root, "schemas"):
            self._skip(
                "schemas", "its declarations were not read, the migrations were (--declarative reads them instead)"
            )
        if not chosen:
            raise ReadError(self._nothing(declarative))
        # Whatever is looked for may add to what is skipped, so that comes last.
        found = Migrations(
            "supabase",
            shown(self.root),
            self.root,
            _read((path, self._shown(path)) for path in chosen),
            declarative=declared,
            platform="supabase",
            settings=self.settings,
            seed_files=self._matching(self.settings.seed_paths),
            test_files=self._matching(("tests/**/*.sql", "tests/**/*.pg")),
            roles_file=next(iter(self._matching(("roles.sql",))), None),
        )
        return replace(found, skipped=tuple(self.skipped), notices=tuple(self.notices))

    def _shown(self, path: str) -> str:
        if self.prefix.startswith(os.pardir):  # a part of the project may still lie below the current folder
            return shown(path)
        return self.prefix + printable(os.path.relpath(path, self.root)).replace(os.sep, "/")

    def _skip(self, name: str, reason: str) -> None:
        self.skipped.append(_skipped(self._shown(os.path.join(self.root, name)), reason))

    def _settings(self) -> Settings:
        path = os.path.join(self.root, "config.toml")
        if not os.path.isfile(path):
            return _DEFAULTS
        name = self._shown(path)
        try:
            return read_settings(read_text(path, name))
        except ReadError as error:
            self.skipped.append(Gap("skipped-file", f"{error} The defaults were taken."))
            return _DEFAULTS
        except tomllib.TOMLDecodeError as error:
            self.skipped.append(_skipped(name, f"it is not valid TOML, so the defaults were taken: {error}"))
            return _DEFAULTS

    def _migrations(self) -> list[str]:
        """The migrations that the command line would run, in its order: that of their names."""
        folder = os.path.join(self.root, "migrations")
        reasons = dict(self._reasons(folder))
        files = [name for name, reason in reasons.items() if reason is None]
        misnamed = [name for name, reason in reasons.items() if reason == MISNAMED and name.lower().endswith(".sql")]
        if misnamed and (self.all_files or not files):
            self._tell_of_misnamed(folder, misnamed)
            files = [entry.name for entry in in_order([Entry(name, name) for name in files + misnamed])]
        chosen = frozenset(files)
        for name, reason in reasons.items():
            if reason is not None and name not in chosen:
                self._skip(os.path.join("migrations", name), reason)
        self._tell_about(files)
        return [os.path.join(folder, name) for name in files]

    def _reasons(self, folder: str) -> Iterator[tuple[str, str | None]]:
        """What stands in a folder of migrations and holds SQL, with the reason where it does not run."""
        names = _names(folder)
        for name in names:
            path = os.path.join(folder, name)
            reason = why_skipped(name, is_first=name == names[0])
            if os.path.isdir(path):
                count = count_sql(path)
                if reason is None:
                    yield name, "it is a folder, not a file; the Supabase CLI fails on it"
                elif count:
                    yield name, f"a folder with {count} .sql files; the Supabase CLI reads no sub-folders"
            elif ".sql" in name.lower():
                yield name, LEFT_OUT if self.excludes(path) else NO_FILE if is_no_file(path) else reason

    def _tell_of_misnamed(self, folder: str, misnamed: Sequence[str]) -> None:
        """Some services apply files under names of their own: better to read them than to read nothing."""
        self.notices.append(
            f"{len(misnamed)} files in {self._shown(folder)} are not named <digits>_<name>.sql, so the Supabase CLI "
            "would not run them. They were read all the same, in the order of their names."
        )

    def _tell_about(self, files: Sequence[str]) -> None:
        if files and not self.settings.migrations_enabled:
            self.notices.append(f"{self.prefix}config.toml turns migrations off; they were read all the same.")
        versions: defaultdict[str, list[str]] = defaultdict(list)
        for name in files:
            if match := MIGRATION.fullmatch(name):
                versions[match[1]].append(printable(name))
        shared = [f"{version} ({', '.join(names)})" for version, names in versions.items() if len(names) > 1]
        if shared:
            more = f" and {len(shared) - _SHOWN} more" if len(shared) > _SHOWN else ""
            self.notices.append(
                "The migration history holds each version once, but several files share one: "
                f"{'; '.join(shared[:_SHOWN])}{more}. All were read."
            )

    def _declared(self) -> list[str]:
        """The files that declare the schema: those of schema_paths in its order, else all of ``schemas/``."""
        if self.settings.schema_paths is None:
            folder = os.path.join(self.root, "schemas")
            patterns: tuple[str, ...] = ("schemas/**/*.sql",) if os.path.isdir(folder) else ()
        else:
            patterns = self.settings.schema_paths
        chosen: list[str] = []
        for pattern, matches in expand(patterns, self.root):
            files = [path for path in matches if os.path.isfile(path)]
            if not files and self.settings.schema_paths is not None:
                self._skip(pattern, "config.toml names it in schema_paths, but no file matches it")
            chosen += self._kept(files)
        return chosen

    def _matching(self, patterns: tuple[str, ...]) -> tuple[str, ...]:
        found = [path for _, paths in expand(patterns, self.root) for path in paths if os.path.isfile(path)]
        return tuple(self._kept(found))

    def _kept(self, paths: Sequence[str]) -> Iterator[str]:
        for path in paths:
            if self.excludes(path):
                self._skip(os.path.relpath(path, self.root), LEFT_OUT)
            else:
                yield path

    def _nothing(self, declarative: bool) -> str:
        where = shown(self.root)
        if declarative:
            return f"{where} declares no schema: there is no .sql file in {where}/schemas. Leave out --declarative."
        if self.skipped and all(gap.message.endswith(LEFT_OUT) for gap in self.skipped):
            return _all_left_out(self.root)
        if self.skipped:
            first = "; ".join(gap.message for gap in self.skipped[:_SHOWN])
            return f"{where} has no migration to read ({first}). Name a folder or a file, or read all with --all-files."
        return (
            f"{where} has no migrations: there is no .sql file in {where}/migrations, nor in {where}/schemas. "
            "Name the folder that holds them, or run `supabase migration new`."
        )


def _names(folder: str) -> list[str]:
    """The names in a folder, in the order of their bytes, as the command line lists them; none without a folder."""
    try:
        return sorted(os.listdir(folder), key=os.fsencode)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ReadError(
            f"The folder {shown(folder)} could not be read: {error.strerror or error}. Grant the permission, or name "
            "another path."
        ) from error


def _count_below(root: str, name: str) -> int:
    folder = os.path.join(root, name)
    return count_sql(folder) if os.path.isdir(folder) else 0


def _read(paths: Iterable[tuple[str, str]]) -> tuple[Source, ...]:
    """The sources of files. Raises one ReadError that names every file that cannot be read."""
    sources: list[Source] = []
    failures: list[str] = []
    for path, name in paths:
        try:
            sources.append(Source(name, up_part(read_text(path, name))))
        except ReadError as error:
            failures.append(str(error))
    if len(failures) > 1:
        more = f" ... and {len(failures) - _SHOWN} more" if len(failures) > _SHOWN else ""
        raise ReadError(f"{len(failures)} files could not be read. {' '.join(failures[:_SHOWN])}{more}")
    if failures:
        raise ReadError(failures[0])
    return tuple(sources)


def _skipped(name: str, reason: str) -> Gap:
    return Gap("skipped-file", f"{name}: {reason}", Span(name, 0, 0) if reason == PROGRAM else None)


def _prefix(folder: str) -> str:
    """What stands before the names of a folder's files when they are printed."""
    name = shown(folder)
    return "" if name == "." else name.rstrip("/") + "/"


def _platform(sources: Sequence[Source]) -> Literal["supabase", "plain"]:
    """A guess, for files that lie in no Supabase project, from the words that they use."""
    uses = any(
        any(hint in source.text for hint in _HINTS) and _SUPABASE_WORDS.search(source.text) for source in sources
    )
    if not uses or any(words in source.text.lower() for source in sources for words in _OWN_AUTH):
        return "plain"
    return "supabase"
