"""Where referee keeps what it can work out again."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def cache_dir(environ: Mapping[str, str] | None = None) -> Path | None:
    """The folder of referee's caches, made if need be; None where there can be none, which costs nothing but time.

    ``REFEREE_CACHE_DIR`` names it, else it lies where the system keeps caches (XDG base directory specification 0.8,
    Apple's File System Programming Guide, Windows' known folder LocalAppData).
    """
    environ = os.environ if environ is None else environ
    folder = _folder(environ)
    if folder is None:
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def _folder(environ: Mapping[str, str]) -> Path | None:
    if named := environ.get("REFEREE_CACHE_DIR"):
        return Path(named)
    base = _system_folder(environ)
    return base and base / "referee"


def _system_folder(environ: Mapping[str, str]) -> Path | None:
    xdg = environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(xdg):  # the specification: a relative path is to be ignored
        return Path(xdg)
    if sys.platform == "win32":
        local = environ.get("LOCALAPPDATA")
        return Path(local) if local else None
    home = environ.get("HOME")
    if not home:
        return None
    return Path(home, "Library", "Caches") if sys.platform == "darwin" else Path(home, ".cache")
