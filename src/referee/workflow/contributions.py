"""What each file contributes, kept between runs by the file's content: records and read bodies, never an answer."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import msgspec

from referee import __version__, sql
from referee.model.source import Source
from referee.sql import bodies
from referee.sql.script import read_script
from referee.sql.statements import CreateFunction, Script
from referee.sql.tree import Body
from referee.workflow.cache_dir import cache_dir

_KEPT = 2_000
"""How many files the cache holds before the oldest go."""


class Contribution(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A file's records, and the bodies of its functions as far as they were read, by their position among its
    functions."""

    script: Script
    bodies: Mapping[int, Body]


class _Fresh(NamedTuple):
    """A Contribution to be: its records as they will be kept, which takes a fraction of their room, and language and
    text of its functions, whose bodies are still to be read.
    """

    script: msgspec.Raw
    functions: Sequence[tuple[str, str]]


_encoder = msgspec.msgpack.Encoder()


@cache
def _decoder() -> msgspec.msgpack.Decoder[Contribution]:
    """Made where it is needed: to look through all records takes a while."""
    return msgspec.msgpack.Decoder(Contribution)


class Contributions:
    """The scripts of one run, from the cache where it has them. Leaving the context stores what is new.

    A cache that cannot be read or written costs time and nothing else.
    """

    def __init__(self, enabled: bool) -> None:
        self._folder = _folder() if enabled else None
        self._fresh: dict[Path, _Fresh] = {}

    def __enter__(self) -> Contributions:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._store()

    def script(self, source: Source) -> Script:
        """The records of a file."""
        if self._folder is None:
            return read_script(source.text)
        path = self._folder / blake2b(source.text.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
        kept = _load(path)
        if kept is not None:
            _remember(kept)
            return kept.script
        script = read_script(source.text)
        functions = [(function.language, function.body) for function in _functions(script)]
        self._fresh[path] = _Fresh(msgspec.Raw(_encoder.encode(script)), functions)
        return script

    def _store(self) -> None:
        for path, fresh in self._fresh.items():
            known = {
                position: body
                for position, (language, text) in enumerate(fresh.functions)
                if (body := bodies.recall(language, text)) is not None
            }
            _write(path, _encoder.encode((fresh.script, known)))
        if self._folder is not None and self._fresh:
            _forget_oldest(self._folder)


def _functions(script: Script) -> list[CreateFunction]:
    return [statement.action for statement in script.statements if isinstance(statement.action, CreateFunction)]


def _remember(kept: Contribution) -> None:
    if kept.bodies:
        functions = _functions(kept.script)
        for position, body in kept.bodies.items():
            bodies.remember(functions[position].language, functions[position].body, body)


def _folder() -> Path | None:
    """The folder for this very version of the code that reads SQL."""
    base = cache_dir()
    if base is None:
        return None
    folder = base / "scripts" / _version()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder


def _version() -> str:
    """Changes with every change of the code that reads SQL, so that nobody is served what an older version
    understood."""
    parts = [__version__]
    for folder in sql.__path__:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.is_file():
                    status = entry.stat()
                    parts.append(f"{entry.name} {status.st_size} {status.st_mtime_ns}")
    return blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()


def _load(path: Path) -> Contribution | None:
    try:
        return _decoder().decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return None


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)


def _forget_oldest(folder: Path) -> None:
    """Keeps the cache small: the files that were written longest ago go first."""
    try:
        files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
        for path in files[: max(len(files) - _KEPT, 0)]:
            path.unlink(missing_ok=True)
    except OSError:
        return
