"""Accounts and their mirror in different places: two databases, or a database and a file.

The ids of both are streamed into an embedded DuckDB and joined there, in bounded memory: what does not fit goes to a
temporary folder. This module needs the package ``duckdb``, which comes with ``referee[duckdb]``.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import duckdb

from referee.errors import ReadError, RefereeError, ServerError, UsageError
from referee.model.names import Target, quote
from referee.model.scan import Sample
from referee.postgres.session import Session

#: What DuckDB may use, in MB; referee itself and its sessions need some fifty more.
MEMORY = 300
_BLOCK = 1 << 16
_OPENING = (
    "begin transaction read only; set local search_path to ''; set local row_security to off;"
    "set local statement_timeout to 0"
)
_ID_NAMES = ("id", "user_id", "uid", "uuid", "sub", "auth_id", "userid")
_READERS = {
    ".csv": "read_csv({}, all_varchar = true)",
    ".tsv": "read_csv({}, all_varchar = true, delim = '\t')",
    ".json": "read_json({}, format = 'auto')",
    ".jsonl": "read_json({}, format = 'newline_delimited')",
    ".ndjson": "read_json({}, format = 'newline_delimited')",
    ".parquet": "read_parquet({})",
}
#: What is before the first row of a file, so that a row can be told by its line.
_LINES_BEFORE = {".csv": 2, ".tsv": 2, ".jsonl": 1, ".ndjson": 1}


@dataclass(frozen=True, slots=True)
class InDatabase:
    """Ids in a table. ``type`` is that of the column; ``connect`` gives a session that may read it."""

    name: str
    target: Target
    type: str
    connect: Callable[[], Session]


@dataclass(frozen=True, slots=True)
class InFile:
    """Ids in a file. ``column`` is None for the one that is named like an id."""

    path: Path
    column: str | None = None

    @property
    def name(self) -> str:
        return str(self.path)


Side = InDatabase | InFile


@dataclass(frozen=True, slots=True)
class Lacking:
    """The ids of one side that the other lacks: how many there are, how many ids were looked at, and examples."""

    count: int
    of: int
    samples: tuple[Sample, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Across:
    """Accounts without their mirror row, mirror rows without their account, and what to know besides."""

    unmirrored: Lacking
    stray: Lacking
    columns: tuple[str, str]
    notices: tuple[str, ...] = ()


def compare(
    source: Side, mirror: Side, sample: int, tell: Callable[[str], None] = lambda message: None, memory: int = MEMORY
) -> Across:
    """Which ids each side lacks.

    Ids are compared as uuids where a database says that they are, else as texts, of which those that are uuids may be
    written in any way. Raises ReadError for a file that
    cannot be read or holds ids that are none, UsageError where no column can be told, ServerError for a database.
    """
    with tempfile.TemporaryDirectory(prefix="referee-") as folder:
        as_uuid = any(isinstance(side, InDatabase) and side.type == "uuid" for side in (source, mirror))
        loader = _Loader(Path(folder), memory, "uuid" if as_uuid else "varchar")
        tell(f"reading the ids of {source.name} and {mirror.name}")
        first, second = loader.load_both(source, mirror)
        tell("comparing")
        return Across(
            loader.lacking("source", "mirror", sample),
            loader.lacking("mirror", "source", sample),
            (first.column, second.column),
            (*first.notices(source.name), *second.notices(mirror.name)),
        )


@dataclass(frozen=True, slots=True)
class _Loaded:
    column: str
    rows: int
    ids: int
    different: int

    def notices(self, name: str) -> Iterator[str]:
        if self.rows > self.ids:
            yield f"Rows of {name} without {self.column}: {self.rows - self.ids:,}."
        if self.ids > self.different:
            yield f"Ids of {name} that stand there more than once: {self.ids - self.different:,}."


class _Loader:
    def __init__(self, folder: Path, memory: int, type_: str) -> None:
        self._folder = folder
        self._type = type_
        self._db = duckdb.connect(
            str(folder / "ids.duckdb"),
            config={"memory_limit": f"{memory}MB", "temp_directory": str(folder / "spilled"), "threads": 2},
        )

    def load_both(self, source: Side, mirror: Side) -> tuple[_Loaded, _Loaded]:
        """Reads both sides at the same time, each with a cursor of its own: one server works while the other waits.

        Where one of them fails, the other is not read to its end.
        """
        loaders = [self._beside(), self._beside()]
        with ThreadPoolExecutor(2) as pool:
            try:
                first = pool.submit(loaders[0].load, "source", source)
                second = pool.submit(loaders[1].load, "mirror", mirror)
                done, _ = wait((first, second), return_when=FIRST_EXCEPTION)
                # Where both have failed, what is wrong with the source is told.
                for one in (first, second):
                    if one in done:
                        one.result()
                return first.result(), second.result()
            except BaseException:
                for loader in loaders:
                    loader._db.interrupt()
                raise

    def _beside(self) -> _Loader:
        other = copy(self)
        other._db = self._db.cursor()
        return other

    def load(self, table: str, side: Side) -> _Loaded:
        """Reads the ids of one side into a table."""
        if isinstance(side, InFile):
            column = self._load_file(table, side)
        else:
            column = side.target.columns[0]
            self._load_database(table, side)
        # In a database a key says that ids are unique; in a file nothing does.
        different = "count(distinct id)" if isinstance(side, InFile) else "count(id)"
        rows, ids, different_ids = self._one(f"select count(*), count(id), {different} from {table}")
        return _Loaded(column, rows, ids, different_ids)

    # Files

    def _load_file(self, table: str, side: InFile) -> str:
        ending = _ending(side.path)
        reader = _READERS[ending].format(_literal(self._plainly_named(table, side)))
        try:
            described = self._db.execute(f"describe select * from {reader}").fetchall()
            column = _id_column(side, [row[0] for row in described])
            name = column.replace('"', '""')
            text = f"nullif(trim(\"{name}\"::varchar), '')"
            self._keep(table, text, reader)
        except duckdb.Error as error:
            raise ReadError(_unreadable(side.name, error)) from None
        lines = _LINES_BEFORE.get(ending)
        self._refuse_malformed(table, side.name, column, "line" if lines else "row", lines or 1)
        return column

    def _keep(self, table: str, text: str, reader: str) -> None:
        """Keeps ids, and beside them what is none."""
        if self._type == "uuid":
            parts = f"try_cast({text} as uuid) as id, case when try_cast({text} as uuid) is null then {text} end"
        else:
            parts = f"coalesce(try_cast({text} as uuid)::varchar, {text}) as id, null::varchar"
        self._db.execute(f"create table {table} as select {parts} as malformed from {reader}")

    def _plainly_named(self, table: str, side: InFile) -> Path:
        """A link to a file whose own name might be taken for a pattern."""
        if not side.path.is_file():
            raise ReadError(f"There is no file {side.path}. Check the path; a database is named by its URL.")
        if side.path.stat().st_size == 0:
            raise ReadError(f"{side.path} is empty, and has not even the names of columns. Export it again.")
        link = self._folder / f"{table}{''.join(side.path.suffixes[-2:]).lower()}"
        link.symlink_to(side.path.resolve())
        return link

    def _refuse_malformed(self, table: str, name: str, column: str, place: str | None, before: int = 1) -> None:
        """Raises ReadError where something is no id. ``place`` is how a row is told by its number, if it is."""
        rows = self._db.execute(
            f"select rowid, malformed from {table} where malformed is not null order by rowid limit 3"
        ).fetchall()
        if not rows:
            return
        count = self._one(f"select count(*) from {table} where malformed is not null")[0]
        shown = [f'"{value[:60]}"' + (f" in {place} {row + before}" if place else "") for row, value in rows]
        many = f"{count:,} values that are" if count > 1 else "a value that is"
        raise ReadError(
            f"{name} has in the column {column} {many} no uuid, as the ids of the other side are: {', '.join(shown)}"
            f"{' and others' if count > len(rows) else ''}. Correct that, or name another column with --source-key or "
            "--mirror-key."
        )

    # Databases

    def _load_database(self, table: str, side: InDatabase) -> None:
        """COPY flows through a pipe into DuckDB: neither all rows nor a file of them are ever kept."""
        pipe = self._folder / f"{table}.pipe"
        os.mkfifo(pipe)
        feeder = _Feeder(side, pipe)
        feeder.start()
        try:
            reader = (
                f"read_csv({_literal(pipe)}, header = false, columns = {{'id': 'VARCHAR'}}, auto_detect = false,"
                " delim = ',', quote = '\"', escape = '\"', nullstr = '')"
            )
            if side.type == "uuid":
                self._db.execute(f"create table {table} as select id::uuid as id from {reader}")
            else:
                self._keep(table, "id", reader)
        except duckdb.Error as error:
            feeder.unblock()
            feeder.join(10)
            if feeder.error is None:
                raise RefereeError(
                    f"The ids of {side.name} could not be compared: {_said(error)}. They are kept in {self._folder} "
                    "meanwhile: TMPDIR chooses another place."
                ) from None
        feeder.join()
        pipe.unlink()
        if feeder.error is not None:
            raise feeder.error
        if side.type != "uuid":
            self._refuse_malformed(table, side.name, side.target.columns[0], None)

    # The comparison

    def lacking(self, table: str, other: str, sample: int) -> Lacking:
        """The ids of a table that the other one lacks."""
        began = time.monotonic()
        missing = f"from {table} as a anti join {other} as b on a.id = b.id where a.id is not null"
        self._db.execute(f"create or replace temp table lacking as select distinct a.id {missing}")
        [count] = self._one("select count(*) from lacking")
        [of] = self._one(f"select count(*) from {table} where id is not null")
        rows = self._db.execute(f"select id::varchar from lacking order by id limit {sample}").fetchall()
        samples = tuple([Sample((row[0],), 1) for row in rows])
        return Lacking(count, of, samples, round(time.monotonic() - began, 3))

    def _one(self, query: str) -> tuple[int, ...]:
        row = self._db.execute(query).fetchone()
        return tuple(row or ())


class _Feeder(Thread):
    """Writes the rows of a COPY into a pipe."""

    def __init__(self, side: InDatabase, pipe: Path) -> None:
        super().__init__(daemon=True)
        self._side = side
        self._pipe = pipe
        self.error: RefereeError | None = None

    def run(self) -> None:
        try:
            with open(self._pipe, "wb", buffering=_BLOCK) as pipe, self._side.connect() as session:
                column = quote(self._side.target.columns[0])
                # A uuid comes out as text anyway; other types may be cast to text in their own way.
                shown = column if self._side.type == "uuid" else f"{column}::text"
                query = f"select {shown} from {self._side.target.table}"
                session.run(_OPENING)
                for block in session.copy_out(f"copy ({query}) to stdout (format csv)"):
                    pipe.write(block)
        except BrokenPipeError:
            pass  # whoever reads has said why
        except ServerError as error:
            self.error = error
        except OSError as error:
            self.error = ServerError(f"Reading {self._side.name} failed: {error}.")

    def unblock(self) -> None:
        """Lets a feeder end that waits for somebody to read."""
        with suppress(OSError):
            os.close(os.open(self._pipe, os.O_RDONLY | os.O_NONBLOCK))


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _ending(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz").removesuffix(".zst")
    ending = Path(name).suffix
    if ending not in _READERS:
        known = ", ".join(_READERS)
        raise UsageError(f"{path} is neither a database nor a file of a known kind: its name must end in {known}.")
    return ending


def _id_column(side: InFile, columns: Sequence[str]) -> str:
    """The column with the ids. Raises UsageError where it cannot be told."""
    shown = ", ".join(columns[:20])
    if side.column is not None:
        if side.column not in columns:
            raise UsageError(f"{side.name} has no column {side.column}; it has {shown}.")
        return side.column
    lower = {column.lower(): column for column in columns}
    found = [lower[name] for name in _ID_NAMES if name in lower]
    if not found and len(columns) != 1:
        raise UsageError(
            f"Which column of {side.name} holds the ids? It has {shown}. Name one with --source-key or --mirror-key."
        )
    return found[0] if found else columns[0]


def _unreadable(name: str, error: duckdb.Error) -> str:
    return f"{name} could not be read: {_said(error)}. Is it what its name says, whole, and readable to you?"


def _said(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else "no reason was given").rstrip(".")
