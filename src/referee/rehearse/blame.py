"""Who is to blame for an error: the function and line that raised it, who called it, the place in a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from referee.model.names import FunctionName, QName, Ref, quote
from referee.model.origins import Origins, Place
from referee.model.rehearsal import Failure, RaisedBy
from referee.model.schema import ForeignKey, Schema, Trigger
from referee.model.source import Location
from referee.postgres.session import Report
from referee.rehearse.words import steady

# A frame of the server's CONTEXT; function names in it may hold anything, the keyword behind them tells their end.
_PLPGSQL = re.compile(r"^PL/pgSQL function (?P<name>.+?)(?: line (?P<line>\d+) at .*| during .*| while .*)?$")
_SQL = re.compile(r'^SQL function "(?P<name>.+)"(?: statement \d+| during \w+)?$')


@dataclass(frozen=True)
class Frame:
    """One function in the chain of calls, as the server prints it; ``line`` counts in its body from 1."""

    name: str
    line: int | None


@dataclass(frozen=True)
class Blame:
    """Finds the culprit. ``schema`` is what the server holds, ``written`` the schema as the files say it."""

    schema: Schema
    written: Schema
    origins: Origins

    def failure(self, report: Report) -> Failure:
        """What the server said, with its places looked up."""
        report = steady(report)
        raised_by, function = self._raised_by(report)
        table = QName(report.schema, report.table) if report.schema and report.table else None
        location = None
        if raised_by is not None and function is not None:
            location = self._line(function, raised_by.line)
        if location is None and table is not None and report.constraint:
            location = self.origins.location(Place(Ref("constraint", *table, report.constraint)))
        return Failure(report.sqlstate, report.message, report.detail, table, report.constraint, raised_by, location)

    def place_of(self, key: ForeignKey) -> Location | None:
        return self.origins.location(Place(key.ref))

    def _raised_by(self, report: Report) -> tuple[RaisedBy | None, FunctionName | None]:
        frames = list(read_context(report.context))
        for depth, frame in enumerate(frames):
            function = self._functions.get(frame.name)
            if function is None or self.schema.is_managed(function.schema):
                continue
            trigger = self._trigger(function, outermost=depth == len(frames) - 1)
            return RaisedBy(str(function), frame.line, trigger.ref if trigger else None), function
        if frames:
            return RaisedBy(frames[0].name, frames[0].line), None
        return None, None

    @cached_property
    def _functions(self) -> Mapping[str, FunctionName]:
        """Functions by each way in which the server prints them: with and without schema and arguments."""
        found: dict[str, FunctionName] = {}
        for name in self.schema.functions:
            arguments = f"({','.join(name.arguments)})"
            found[f"{quote(name.schema)}.{quote(name.name)}{arguments}"] = name
            found.setdefault(f"{quote(name.name)}{arguments}", name)
            found.setdefault(name.name, name)
        return found

    def _trigger(self, function: FunctionName, outermost: bool) -> Trigger | None:
        """The trigger that called it: the only one that does; for the first of a chain the one on the managed table."""
        triggers = [
            trigger
            for trigger in self.schema.triggers_by_function.get(function.qualified, ())
            if trigger.enabled != "disabled"
        ]
        if len(triggers) != 1 and outermost:
            triggers = [trigger for trigger in triggers if self.schema.is_managed(trigger.table.schema)]
        return triggers[0] if len(triggers) == 1 else None

    def _line(self, name: FunctionName, number: int | None) -> Location | None:
        """Where a line of a function's body stands in a file; the function itself where that is unknown."""
        ref = Ref("function", name.schema, name.name, f"({', '.join(name.arguments)})")
        function = self.written.functions.get(name)
        if function is None or number is None:
            return self.origins.location(Place(ref))
        lines = function.body.split("\n")
        if not 1 <= number <= len(lines):
            return self.origins.location(Place(ref))
        text = lines[number - 1]
        start = sum(len(line) + 1 for line in lines[: number - 1]) + len(text) - len(text.lstrip())
        return self.origins.location(Place(ref, (start, start + len(text.strip()))))


def read_context(context: str | None) -> Iterator[Frame]:
    """The functions in the server's CONTEXT, the innermost first."""
    for line in (context or "").split("\n"):
        if found := _PLPGSQL.match(line):
            yield Frame(found["name"], int(found["line"]) if found["line"] else None)
        elif found := _SQL.match(line):
            yield Frame(found["name"], None)
