"""`referee tests`: writes tests that pin what matters about users."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from referee.errors import UsageError
from referee.read.supabase import Settings
from referee.testgen import pgtap, pytest_file
from referee.testgen.expected import MARK, Expected, expect
from referee.testgen.seal import is_intact
from referee.workflow.check import read
from referee.workflow.config import Config, read_config
from referee.workflow.contributions import Contributions
from referee.workflow.files import write_whole


@dataclass(frozen=True, slots=True)
class Written:
    """A generated file, and whether it differs from what was there."""

    path: str
    changed: bool


def expected_of(path: str | os.PathLike[str] = ".", config: Config | None = None) -> Expected:
    """What should hold in the project at ``path``. Raises ReadError, and UsageError where nothing is to be pinned."""
    config = config if config is not None else read_config(path)
    with Contributions(config.cache) as contributions:
        reading = read(path, config, contributions)
    found = expect(reading.replayed.schema, reading.identities, _ways(reading.migrations.settings))
    if not (found.references or found.mirrors):
        raise UsageError(
            f"{reading.migrations.name} stores no users: no foreign key leads to a table that owns identities. Name it "
            "with --source TABLE."
        )
    return found


def _ways(settings: Settings) -> tuple[str, ...]:
    """The ways to sign up that the project allows."""
    allowed = {"anonymous": settings.anonymous_sign_ins, "phone": settings.phone_sign_ups}
    return tuple(way for way in pgtap.WAYS if allowed.get(way, True))


def write_tests(
    path: str | os.PathLike[str] = ".",
    config: Config | None = None,
    *,
    pgtap_folder: str | None = None,
    pytest_folder: str | None = None,
) -> list[Written]:
    """Writes the generated files into these folders. A file of the same name that is not generated, or was changed by
    hand since, is left alone, and then none is written.

    Raises UsageError for that, for a folder that cannot be written to, and where nothing is to be pinned.
    """
    expected = expected_of(path, config)
    wanted: list[tuple[str | None, str, Callable[[Expected], str]]] = [
        (pgtap_folder, pgtap.NAME, pgtap.render),
        (pytest_folder, pytest_file.NAME, pytest_file.render),
    ]
    files = [(folder, name, render(expected)) for folder, name, render in wanted if folder is not None]
    there = [_what_is_there(folder, name) for folder, name, _ in files]
    paths = [os.path.join(folder, name) for folder, name, _ in files]
    return [_write(path, old, text) for path, old, (_, _, text) in zip(paths, there, files, strict=True)]


def _what_is_there(folder: str, name: str) -> str | None:
    """The text of a generated file, None where there is none yet. Raises UsageError for any other file."""
    path = os.path.join(folder, name)
    try:
        os.makedirs(folder, exist_ok=True)
        old = Path(path).read_text(encoding="utf-8", errors="replace") if os.path.exists(path) else None
    except OSError as error:
        raise UsageError(f"{folder} cannot be written to: {error.strerror or error}. Name another folder.") from error
    if old is not None and MARK not in old:
        raise UsageError(f"{path} is there and was not written by referee. Move it away, or name another folder.")
    if old is not None and not is_intact(old):
        raise UsageError(
            f"{path} was changed by hand since referee wrote it, which writing it again would undo. Keep the changes "
            "in a file of another name, and remove this one; then run the command again."
        )
    return old


def _write(path: str, old: str | None, text: str) -> Written:
    if old != text:
        write_whole(path, text)
    return Written(path, old != text)
