"""The configuration file that a project starts with."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

from referee.errors import UsageError
from referee.workflow.config import FILE_NAME
from referee.workflow.keys import KEYS, Key

_HEAD = """\
# The configuration of referee. Every key is explained and commented out; what stands is the default, or an example
# where the default cannot be written down. Each key has an option, which wins over its environment variable, which wins
# over this file.
"""


def write_config(folder: str | os.PathLike[str]) -> str:
    """Writes the file and gives its path. Raises UsageError where one exists already or none can be written."""
    path = Path(folder) / FILE_NAME
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(config_text())
    except FileExistsError as error:
        raise UsageError(f"{path} exists and was left as it is. Remove it first, or name another folder.") from error
    except OSError as error:
        raise UsageError(
            f"{path} could not be written: {error.strerror or error}. Name a folder that exists and that you may "
            "write to."
        ) from error
    return str(path)


def config_text() -> str:
    """The text of the file."""
    return _HEAD + "".join(f"\n{_entry(key)}" for key in KEYS)


def _entry(key: Key) -> str:
    choices = f" One of {', '.join(key.choices)}." if key.choices and key.kind == "choice" else ""
    default = f" Default: {key.default_in_words}." if key.example and key.default_in_words else ""
    help_text = textwrap.fill(f"{key.help}{choices}{default}", 110, initial_indent="# ", subsequent_indent="# ")
    return f"{help_text}\n# ({key.option}, {key.variable})\n# {key.name} = {key.example or key.default}\n"
