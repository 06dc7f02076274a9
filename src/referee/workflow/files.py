"""Files that referee writes."""

from __future__ import annotations

import os
import stat
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
    name = _name_beside(target)
    try:
        with open(name, "x", encoding="utf-8", newline="", opener=_private) as file:
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
    name = _name_beside(target)
    with open(name, "xb", opener=_private) as file:
        file.write(data)
    os.chmod(name, mode)
    return name


def _name_beside(target: Path) -> str:
    """A name that nobody else chooses. (tempfile would do, but every command pays for loading it.)"""
    return str(target.with_name(f".{target.name[:50]}.{os.urandom(6).hex()}"))


def _private(name: str, flags: int) -> int:
    """Opens a file that only its owner may read, until it has the rights that it shall have."""
    return os.open(name, flags, 0o600)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
