"""Runs a command, and turns whatever goes wrong into one paragraph on stderr and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from referee.cli.group import State, group
from referee.errors import RefereeError
from referee.postgres.passwords import asking

_INTERRUPTED = 130


def run(arguments: Sequence[str]) -> int:
    """The exit status of a command: its own, 2 for what could not be done, 130 for an interruption."""
    state = State()
    try:
        _be_lenient()
        with asking(_prompt if sys.stdin is not None and sys.stdin.isatty() else None):
            status = group.main(list(arguments), prog_name="referee", obj=state, standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read has read enough
        _forget_stdout()
        return state.status
    except (KeyboardInterrupt, click.Abort):
        return _INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except Exception as error:
        if state.debug:
            import traceback

            traceback.print_exc()
        _say(_message(error))
        return 2
    return status if isinstance(status, int) else 0


def _prompt(place: str) -> str:
    answer: str = click.prompt(f"Password for {place}", hide_input=True, err=True)
    return answer


def _message(error: Exception) -> str:
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "referee"
        message = error.format_message()
        end = "" if message.endswith((".", "?", "!", "?)")) else "."
        return f"referee: {message}{end} See `{path} --help`."
    if isinstance(error, click.ClickException):
        return f"referee: {error.format_message()}"
    if isinstance(error, RefereeError):
        return f"referee: {error}"
    if isinstance(error, MemoryError):
        return "referee: There is not enough memory to read this. Name fewer files, or leave out data with --exclude."
    if isinstance(error, FileNotFoundError) and not _is_somewhere():
        return "referee: The current folder does not exist any more. Change to one that does, and try again."
    if isinstance(error, OSError):
        return f"referee: The operating system refused: {error}. --debug shows where."
    return (
        f"referee: An error in referee itself: {type(error).__name__}: {error}. Please report it, with what --debug "
        "prints and if possible with the statement that causes it."
    )


def _is_somewhere() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def _say(message: str) -> None:
    from referee.render.plain import clean

    try:
        sys.stderr.write(clean(message) + "\n")
        sys.stderr.flush()
    except OSError:  # nobody listens: the exit status has to say it
        pass


def _be_lenient() -> None:
    """Lets names be printed that the encoding of the terminal does not know."""
    for stream in (sys.stdout, sys.stderr):
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors="backslashreplace")


def _forget_stdout() -> None:
    """Lets the interpreter flush into nothing when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
