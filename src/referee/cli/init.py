"""``referee init``."""

from __future__ import annotations

import click

from referee.cli import options


@click.command(short_help="Write a referee.toml in which every key is explained.")
@click.argument("folder", default=".", metavar="[FOLDER]", callback=options.filled)
@options.debug
def init(folder: str) -> int:
    """Write a referee.toml into FOLDER, without it into the current one. A file that exists is never overwritten."""
    from referee.cli.emit import emit
    from referee.workflow.init import write_config

    emit(f"Wrote {write_config(folder)}; every key is explained there and commented out.\n", None)
    return 0
