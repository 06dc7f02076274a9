"""``referee explain``."""

from __future__ import annotations

import sys

import click

from referee.cli import options


@click.command(short_help="Print the page of a rule.")
@click.argument("rule")
@options.debug
def explain(rule: str) -> int:
    """Print the page of RULE: why it fails, wrong and right SQL, and when it is deliberate."""
    from referee import rules
    from referee.cli.emit import emit
    from referee.workflow.config import check_rule

    check_rule(rule)
    page = next(known.page for known in rules.ALL if known.id == rule)
    if not sys.stdout.isatty():
        emit(f"# {rule}\n\n{page}\n", None)
        return 0
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(f"# {rule}\n\n{page}"))
    return 0
