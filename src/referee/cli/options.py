"""Options that several commands share. Those of the configuration are made from its keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from referee.cli.group import State
from referee.workflow.keys import KEYS, Key

if TYPE_CHECKING:
    from referee.read.catalog.queries import Limits

_F = TypeVar("_F", bound=Callable[..., Any])
# Postgres keeps times as milliseconds in 32 bits.
_LONGEST = 24 * 86_400.0
_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}


def filled(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The value. An empty one, as a script with an unset variable gives it, is refused: it is not the default."""
    if value == "":
        raise click.BadParameter("it is empty.", ctx, param)
    return value


path = click.argument("path", default=".", metavar="[PATH]", callback=filled)


# What a check asks for; the rest is for single commands.
_COMMON = tuple([key.name for key in KEYS if key.name not in ("answers", "rows")])


def config_options(names: Iterable[str] = _COMMON) -> Callable[[_F], _F]:
    """An option for each of these keys, and ``--config``. What was not said arrives as None or ()."""
    wanted = set(names)

    def decorate(function: _F) -> _F:
        function = click.option(
            "--config", metavar="FILE", callback=filled, help="The configuration file, instead of the nearest one."
        )(function)
        for key in reversed([key for key in KEYS if key.name in wanted]):
            function = _option(key)(function)
        return function

    return decorate


def _option(key: Key) -> Callable[[_F], _F]:
    default = f" [default: {key.default_in_words}]" if key.default_in_words else ""
    settings: dict[str, Any] = {"help": key.help.replace('["none"]', '"none"') + default}
    if key.kind == "flag":
        return click.option(f"{key.option}/--no-{key.option[2:]}", key.field, default=None, **settings)
    if key.kind == "choice":
        return click.option(key.option, key.field, type=click.Choice(key.choices), **settings)
    is_many = key.kind in ("list", "pairs")
    return click.option(key.option, key.field, metavar=key.metavar, multiple=is_many, **settings)


def format_option(*formats: str) -> Callable[[_F], _F]:
    """``--format``, the first format by default."""
    return click.option(
        "--format", "format_", type=click.Choice(formats), default=formats[0], show_default=True, help="How to report."
    )


output = click.option(
    "--output",
    metavar="FILE",
    callback=filled,
    help="Write the report to a file, in one step; to stdout without one, or with a dash.",
)


def _set_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    state = ctx.find_root().obj
    if value and isinstance(state, State):
        state.debug = True


debug = click.option(
    "--debug", is_flag=True, expose_value=False, is_eager=True, callback=_set_debug, help="Show tracebacks of errors."
)


class Duration(click.ParamType[float]):
    """A time such as 500ms, 30s, 5min or 2h, as seconds; a bare number is seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float | int):
            return float(value)
        text = str(value).strip()
        digits = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
        try:
            seconds = float(digits) * _UNITS[text[len(digits) :].strip() or "s"]
        except (ValueError, KeyError):
            self.fail(f'"{text}" is no time; write it as 500ms, 30s, 5min or 2h.', param, ctx)
        if seconds <= 0:
            self.fail("a time must be more than nothing.", param, ctx)
        if seconds > _LONGEST:
            self.fail("a time must be less than 24 days.", param, ctx)
        return seconds


def database(function: _F) -> _F:
    """``--db`` and ``--statement-timeout``: a live database instead of files."""
    function = click.option(
        "--statement-timeout",
        metavar="TIME",
        type=Duration(),
        default="60s",
        show_default=True,
        help="No query of --db takes longer.",
    )(function)
    return click.option(
        "--db",
        metavar="URL",
        callback=filled,
        help="Read a live database instead of files, without writing. The password may come from the URL, PGPASSWORD, "
        "a service file or ~/.pgpass; else a terminal is asked for it.",
    )(function)


def limits(statement_timeout: float) -> Limits:
    """What --statement-timeout says."""
    from referee.read.catalog.queries import Limits

    return Limits(statement_timeout=max(1, round(statement_timeout * 1000)))


server = click.option(
    "--server",
    "server_url",
    metavar="URL",
    callback=filled,
    help="Use a scratch database on this server, dropped after, instead of a throw-away server. Roles that exist there "
    "are never altered.",
)


def postgres_bin(function: _F) -> _F:
    """``--postgres-bin``: the programs of the throw-away server."""
    return click.option(
        "--postgres-bin",
        metavar="DIR|auto",
        callback=filled,
        help="Postgres programs for the throw-away server: a folder, or auto for the installed ones. "
        "[default: those that come with referee]",
    )(function)
