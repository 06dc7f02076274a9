"""Files that referee writes."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from referee.errors import UsageError


def write_whole(path: str | os.PathLike[str], text: str | Iterable[str]) -> None:
    """Writes a file in one step: whoever reads it finds the old text or the new one, never a part.

    ``text`` may come in pieces. A link is followed; devices and pipes are written to directly. Raises UsageError where
    the file cannot be written.
    """
    target = Path(os.path.realpath(path))
    pieces = (text,) if isinstance(text, str) else text
    try:
        if target.exists() and not target.is_file():
            with target.open("w", encoding="utf-8") as file:
                file.writelines(pieces)
        else:
            _replace(target, pieces)
    except OSError as error:
        raise UsageError(
            f"{os.fspath(path)} could not be written: {error.strerror or error}. Name a file in a folder that exists "
            "and that you may write to."
        ) from error


def _replace(target: Path, pieces: Iterable[str]) -> None:
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666 & ~_umask()
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:50]}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)
        os.chmod(name, mode)
        os.replace(name, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def temporary(path: str | os.PathLike[str], data: bytes) -> str:
    """A new file beside ``path`` with its rights and these bytes, to be moved in its place; folders are made.

    Raises OSError.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666 & ~_umask()
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:50]}.", dir=target.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    os.chmod(name, mode)
    return name


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
