"""Which options were on the command line."""

from __future__ import annotations

from collections.abc import Iterable

import click
from click.core import ParameterSource


def given(names: Iterable[str]) -> list[str]:
    """Those of the running command's parameters that the command line names, as they are written there."""
    context = click.get_current_context()
    spelling = {parameter.name: parameter.opts[0] for parameter in context.command.params}
    named = [name for name in names if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    return [spelling[name] for name in named]
