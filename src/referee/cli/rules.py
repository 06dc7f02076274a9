"""``referee rules``."""

from __future__ import annotations

import click

from referee.cli import options


@click.command(short_help="List the rules.")
@options.format_option("text", "json")
@options.output
@options.debug
def rules(format_: str, output: str | None) -> int:
    """List the rules: id, severity and summary. `referee explain RULE` prints the page of one."""
    from referee import rules as known
    from referee.cli.emit import emit, screen
    from referee.render.rules import render, render_json

    if format_ == "json":
        emit(render_json(known.ALL), output, for_machines=True)
    else:
        emit(render(known.ALL, screen(output)[1]), output)
    return 0
