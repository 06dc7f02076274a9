"""Files of a project, read with everything in them and written all or none."""

from __future__ import annotations

import codecs
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from referee.errors import ReadError, UsageError
from referee.model.repair import FileChange
from referee.read.projects import Migrations
from referee.read.sections import up_part
from referee.read.texts import decode
from referee.workflow.files import temporary

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Whole(NamedTuple):
    """A file as it is: its text (a byte-order mark is a space in it) and how it is encoded."""

    text: str
    mark: bytes
    encoding: str

    def bytes_of(self, text: str) -> bytes:
        """Another text as this file would hold it."""
        return self.mark + (text[1:] if self.mark else text).encode(self.encoding)


def read_whole(path: str) -> Whole:
    """A file with its ways down. Raises ReadError."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ReadError(f"{path} could not be read again: {error.strerror or error}.") from error
    mark, encoding = next(((mark, name) for mark, name in _MARKS if data.startswith(mark)), (b"", "utf-8"))
    return Whole(decode(data, path), mark, encoding)


def write_all(changes: Sequence[FileChange], migrations: Migrations) -> None:
    """Writes all files, or none: what cannot be written is found out before the first is put in its place.

    Raises ReadError where a file is no longer what was read, and UsageError where one cannot be written.
    """
    contents = [(change.path, _content(change)) for change in changes]
    waiting: list[tuple[str, str]] = []
    done: list[str] = []
    try:
        for path, data in contents:
            waiting.append((temporary(path, data), os.path.realpath(path)))
        former = {target: _bytes_of(target) for _, target in waiting}
        for ready, target in waiting:
            os.replace(ready, target)
            done.append(target)
    except OSError as error:
        for ready, _ in waiting:
            with suppress(OSError):
                os.unlink(ready)
        for target in done:
            _put_back(target, former[target])
        raise UsageError(f"{migrations.name} could not be written: {error}. No file was changed.") from error


def _bytes_of(path: str) -> bytes | None:
    if not os.path.exists(path):
        return None
    with open(path, "rb") as file:
        return file.read()


def _put_back(path: str, data: bytes | None) -> None:
    if data is None:
        os.unlink(path)
    else:
        os.replace(temporary(path, data), path)


def _content(change: FileChange) -> bytes:
    if change.before is None:
        if os.path.lexists(change.path):
            raise UsageError(f"{change.path} exists already. Move it away, or run referee again.")
        return change.after.encode("utf-8")
    whole = read_whole(change.path)
    if up_part(whole.text) != change.before:
        raise ReadError(f"{change.path} has changed since it was read. Run referee again.")
    return whole.bytes_of(_with_ways_down(change.before, change.after, whole.text))


def _with_ways_down(before: str, after: str, whole: str) -> str:
    """The new text with what stands in the file for the way down, which reading had blanked."""
    if before == whole:
        return after
    at = next(place for place in range(len(whole)) if before[place] != whole[place])
    tail = len(before) - at
    if after[-tail:] != before[-tail:]:
        raise ReadError("A change behind a way down cannot be written. Use --migration.")
    return after[:-tail] + whole[-tail:]
