"""Where reports go."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable

import click

from referee.render.plain import Paint, no_paint
from referee.workflow.files import write_whole

_COLUMNS = 100
_WIDEST = 120


def emit(text: str | Iterable[str], output: str | None, *, for_machines: bool = False) -> None:
    """Writes a report, whole or in pieces, to a file or to stdout; to machines always in UTF-8."""
    if output is not None:
        write_whole(output, text)
        return
    if for_machines and (reconfigure := getattr(sys.stdout, "reconfigure", None)) is not None:
        reconfigure(encoding="utf-8")
    sys.stdout.writelines((text,) if isinstance(text, str) else text)


def screen(output: str | None) -> tuple[int, Paint]:
    """How wide a report for people may be, and its colours: a terminal's own, else 100 columns without colour."""
    if output is not None or not sys.stdout.isatty():
        return _COLUMNS, no_paint
    from referee.render.paint import painter

    return min(shutil.get_terminal_size((_COLUMNS, 24)).columns, _WIDEST), painter(sys.stdout)


def repository_base() -> str:
    """The current folder as GitHub Actions sees it: from the root of the checkout, with slashes."""
    workspace = os.environ.get("GITHUB_WORKSPACE")
    if not workspace:
        return ""
    base = os.path.relpath(os.getcwd(), workspace).replace(os.sep, "/")
    return "" if base == "." or base.startswith("..") else base


def set_status(status: int) -> int:
    """Notes the status, so that it holds even if nobody reads the report to its end."""
    state = click.get_current_context().find_root().obj
    if state is not None:
        state.status = status
    return status
