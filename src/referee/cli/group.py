"""The commands, each loaded when it is called."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

import click

from referee import __version__

# The module that holds each command under the command's own name.
COMMANDS = (
    "check",
    "identities",
    "prove",
    "fix",
    "scan",
    "repair",
    "compare",
    "snapshot",
    "lock",
    "tests",
    "explain",
    "rules",
    "init",
)


@dataclass
class State:
    """What a run has learnt so far: whether tracebacks are wanted, and the status if nothing else happens."""

    debug: bool = False
    status: int = 0


class LazyGroup(click.Group):
    """A group that imports a command when somebody asks for it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"referee.cli.{cmd_name}"), cmd_name)
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from referee.workflow.nearest import nearest

            raise click.UsageError(f'There is no command "{args[0]}".{nearest(args[0], COMMANDS)}', ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="referee %(version)s")
def group() -> None:
    """Finds foreign keys that point at the wrong user table.

    Exit status: 0 if nothing was found at or above --fail-on, 1 if something was, 2 if referee could not do what was
    asked.
    """
