"""Files as text: one character of the file is one character of the text, so that offsets can be trusted."""

from __future__ import annotations

import codecs
import errno
import os

from referee.errors import ReadError

# The longer marks first: UTF-32's begins with UTF-16's.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_text(path: str, printed: str) -> str:
    """The text of a file, line ends as they are. ``printed`` is the path that messages name.

    UTF-8, or what a byte-order mark announces; the mark becomes a space, so that offsets still fit the file.
    Raises ReadError for a file that cannot be opened and for one that is not text.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ReadError(f"{printed} could not be read: {_reason(path, error)}") from error
    return decode(data, printed)


def decode(data: bytes, printed: str) -> str:
    """The text of the bytes of a file. Raises ReadError where they are none."""
    mark, encoding = next(((m, e) for m, e in _BYTE_ORDER_MARKS if data.startswith(m)), (b"", "utf-8"))
    try:
        text = data[len(mark) :].decode(encoding) if mark else data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ReadError(
            f"{printed} is not text in {encoding.upper()}: byte {error.start + len(mark)} (line {line}) is "
            f"0x{error.object[error.start]:02x}. Save the file as UTF-8, or leave it out with --exclude."
        ) from error
    if "\0" in text:
        raise ReadError(
            f"{printed} is not text: it holds NUL characters, which Postgres does not accept. If it is UTF-16 without "
            "a byte-order mark, save it as UTF-8; if it is not SQL, leave it out with --exclude."
        )
    return " " + text if mark else text


def _reason(path: str, error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "it is a symbolic link that leads back to itself. Remove it, or leave it out with --exclude."
    if isinstance(error, FileNotFoundError):
        if os.path.islink(path):
            return f"it is a symbolic link to {os.readlink(path)}, which does not exist. Mend the link or remove it."
        return "there is no such file. Check the path."
    if isinstance(error, PermissionError):
        return "you have no permission to read it. Grant it (chmod u+r), or leave the file out with --exclude."
    if isinstance(error, IsADirectoryError):
        return "it is a folder, not a file."
    return f"{error.strerror or error}. Check the disk, or leave the file out with --exclude."
