"""Where reports go."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache

import click

from referee.render.plain import Paint, no_paint

_STDOUT = "-"
_COLUMNS = 100
_WIDEST = 120
_BLOCK = 1 << 16


def emit(text: str | Iterable[str], output: str | None, *, for_machines: bool = False) -> None:
    """Writes a report, whole or in pieces, to a file or to stdout, which a dash names too; to machines in UTF-8."""
    if output is not None and output != _STDOUT:
        from referee.workflow.files import write_whole

        write_whole(output, text)
        return
    if for_machines and (reconfigure := getattr(sys.stdout, "reconfigure", None)) is not None:
        reconfigure(encoding="utf-8")
    sys.stdout.writelines((text,) if isinstance(text, str) else _blocks(text))


def _blocks(pieces: Iterable[str]) -> Iterator[str]:
    """Pieces put together to larger ones: in containers stdout is often unbuffered, and takes each as it comes."""
    block: list[str] = []
    size = 0
    for piece in pieces:
        block.append(piece)
        size += len(piece)
        if size >= _BLOCK:
            yield "".join(block)
            block.clear()
            size = 0
    yield "".join(block)


def screen(output: str | None) -> tuple[int, Paint]:
    """How wide a report for people may be, and its colours: a terminal's own, else 100 columns without colour."""
    if output not in (None, _STDOUT) or not sys.stdout.isatty():
        return _COLUMNS, no_paint
    import shutil

    from referee.render.paint import painter

    return min(shutil.get_terminal_size((_COLUMNS, 24)).columns, _WIDEST), painter(sys.stdout)


def seen_from_repository(path: str) -> Callable[[str], str]:
    """Makes of printed paths what code hosts know them by: from the root of the repository that holds ``path``.

    The root is the nearest folder with a ``.git``, else the checkout of GitHub Actions, else the current folder. A file
    outside it has its absolute path.
    """
    root = _repository_root(os.path.abspath(path))

    @cache
    def seen(file: str) -> str:
        absolute = os.path.abspath(file)
        return os.path.relpath(absolute, root).replace(os.sep, "/") if _lies_in(root, absolute) else absolute

    return seen


def _repository_root(path: str) -> str:
    folder, above = path, os.path.dirname(path)
    while not os.path.exists(os.path.join(folder, ".git")):
        if folder == above:
            workspace = os.environ.get("GITHUB_WORKSPACE")
            return os.path.abspath(workspace) if workspace and _lies_in(workspace, path) else os.getcwd()
        folder, above = above, os.path.dirname(above)
    return folder


def _lies_in(folder: str, path: str) -> bool:
    return os.path.commonpath((os.path.abspath(folder), path)) == os.path.abspath(folder)


def set_status(status: int) -> int:
    """Notes the status, so that it holds even if nobody reads the report to its end."""
    state = click.get_current_context().find_root().obj
    if state is not None:
        state.status = status
    return status
