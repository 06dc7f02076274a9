"""Runs DO blocks: what is certain, what is decided by what is there, and what only the server will know.

Conditions and loops over constants and over the system catalogs are worked out. A statement behind a condition that
cannot be told runs if it can, and a gap says so; SQL whose text cannot be told is a gap.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from referee.model.origins import GapKind
from referee.read.replay import chronicle
from referee.read.replay.catalogs import Catalogs
from referee.read.replay.functions import call
from referee.read.replay.raises import require_raises
from referee.read.replay.refused import Refused
from referee.read.replay.session import Session
from referee.sql import tokens
from referee.sql.evaluate import MOST_ROWS, UNKNOWN, Value, evaluate, rows_of
from referee.sql.parse import SqlSyntaxError
from referee.sql.script import read_statement
from referee.sql.statements import Action, Do, Statement, Written
from referee.sql.tree import Call, Query, Step, Variable

Attempt = Callable[[Session, Action], None]

# The SQLSTATEs of conditions that handlers name (PostgreSQL 18, appendix A).
_CONDITIONS = {
    "cannot_coerce": "42846",
    "check_violation": "23514",
    "datatype_mismatch": "42804",
    "dependent_objects_still_exist": "2BP01",
    "duplicate_column": "42701",
    "duplicate_function": "42723",
    "duplicate_object": "42710",
    "duplicate_schema": "42P06",
    "duplicate_table": "42P07",
    "feature_not_supported": "0A000",
    "insufficient_privilege": "42501",
    "invalid_foreign_key": "42830",
    "invalid_function_definition": "42P13",
    "invalid_object_definition": "42P17",
    "invalid_schema_name": "3F000",
    "invalid_table_definition": "42P16",
    "raise_exception": "P0001",
    "syntax_error": "42601",
    "undefined_column": "42703",
    "undefined_function": "42883",
    "undefined_object": "42704",
    "undefined_table": "42P01",
    "unique_violation": "23505",
    "wrong_object_type": "42809",
}
_CLASSES = {
    "syntax_error_or_access_rule_violation": "42",
    "plpgsql_error": "P0",
    "integrity_constraint_violation": "23",
}
_RANGE = re.compile(r"\s*(.+?)\s*\.\.\s*(.+?)\s*", re.DOTALL)
_ROWS = re.compile(r"record|.*%\s*rowtype", re.IGNORECASE | re.DOTALL)


class _Return(Exception):  # noqa: N818 - it says what the block does
    """The block is left."""


class _Leave(Exception):  # noqa: N818
    """A loop is left, or goes on with its next round."""

    def __init__(self, goes_on: bool) -> None:
        self.goes_on = goes_on


def run_block(session: Session, record: Do, attempt: Attempt) -> None:
    """Runs a DO block. Raises Refused where it would fail as a whole; the caller takes back what it did."""
    require_raises(record.text)
    for gap in record.body.gaps:
        session.gap("function-body", gap.message, span=session.at(record.place(gap.start), record.place(gap.end)))
    block = _Block(session, record, attempt)
    try:
        block.run()
    except (_Return, _Leave):
        return
    finally:
        session.strict = False
        session.fixed = None


class _Block:
    """One DO block while it runs.

    ``tests`` are the outcomes of the conditions that were reached, by their text. ``caught`` are the handlers that have
    caught something, ``starts`` the places in the journal where their blocks began. ``doubts`` counts the loops around
    that may run never or often.
    """

    def __init__(self, session: Session, record: Do, attempt: Attempt) -> None:
        self.session = session
        self.record = record
        self.attempt = attempt
        self.steps = record.body.steps
        self.records = dict(record.statements)
        self.world = Catalogs(session)
        self.variables: dict[str, Value] = {}
        self.tests: dict[str, Value] = {}
        self.heads = {loop for step in self.steps for loop in step.loops}
        self.rounds: dict[int, list[dict[str, Value]] | None] = {}
        self.caught: set[int] = set()
        self.starts: dict[int, int] = {}
        self.doubts = 0

    def run(self) -> None:
        for variable in self.record.body.variables:
            self.variables[variable.name] = self._initial(variable)
        self._run(0, len(self.steps), ())

    def _initial(self, variable: Variable) -> Value:
        """What a variable holds at the start."""
        if variable.default is None:
            return UNKNOWN if variable.start < 0 else None
        return self._value(_default_text(self.record.text, variable.start))

    def _value(self, text: str) -> Value:
        return evaluate(text, self.variables, self.world)

    # Control

    def _run(self, first: int, last: int, loops: tuple[int, ...]) -> None:
        """Runs the steps of a range, which stand in these loops."""
        at = first
        while at < last:
            inner = self.steps[at].loops[len(loops) : len(loops) + 1]
            if not inner:
                self._step(at, self.steps[at])
                at += 1
                continue
            around, end = loops + inner, at
            while end < last and self.steps[end].loops[: len(around)] == around:
                end += 1
            self._loop(inner[0], at, end, around)
            at = end

    def _loop(self, head: int, first: int, last: int, loops: tuple[int, ...]) -> None:
        rounds = self.rounds.get(head)
        if rounds is None:
            self.doubts += 1
            self._bind(head, None)
            self._round(first, last, loops)
            self.doubts -= 1
            return
        for row in rounds:
            self._bind(head, row)
            if not self._round(first, last, loops):
                break

    def _round(self, first: int, last: int, loops: tuple[int, ...]) -> bool:
        """One round of a loop; whether it goes on."""
        inside = {handler for step in self.steps[first:last] for handler in (*step.handlers, step.in_handler)}
        for handler in inside - set(self.steps[loops[-1]].handlers):
            self.caught.discard(handler)
            self.starts.pop(handler, None)
        try:
            self._run(first, last, loops)
        except _Leave as leave:
            return leave.goes_on
        return True

    def _step(self, index: int, step: Step) -> None:
        if any(handler in self.caught for handler in step.handlers):
            return  # an error has ended the block that it stands in
        if step.in_handler >= 0 and step.in_handler not in self.caught:
            return
        verdict = self._verdict(step)
        if verdict is False:
            return
        certain = verdict is True and not self.doubts
        for handler in step.handlers:
            self.starts.setdefault(handler, len(self.session.state.journal.entries))
        self.session.strict = bool(step.handlers) or not certain
        try:
            self._execute(index, step, certain)
        except Refused as refused:
            catcher = self._handler(step, refused)
            if catcher is not None and certain:
                self.session.undo(self.starts[catcher])
                self.caught.add(catcher)
            elif certain:
                raise

    def _verdict(self, step: Step) -> Value:
        """Whether the conditions around a step hold."""
        outcome: Value = True
        for guard in step.guards:
            value = self.tests[guard.text] if guard.text in self.tests else self._value(guard.text)
            if value is UNKNOWN:
                outcome = UNKNOWN
            elif bool(value) == guard.negated:
                return False
        return outcome

    def _handler(self, step: Step, refused: Refused) -> int | None:
        """The EXCEPTION section that catches an error."""
        for index in step.handlers:
            if any(_catches(condition, refused.sqlstate) for condition in self.record.body.handlers[index].conditions):
                return index
        return None

    # Steps

    def _execute(self, index: int, step: Step, certain: bool) -> None:
        if index in self.heads:
            self.rounds[index] = self._rounds(step)
        elif step.kind == "condition":
            self.tests[step.text] = self._value(step.text)
        elif step.kind == "assign":
            self.variables[step.target] = self._value(step.text) if certain else UNKNOWN
        elif step.kind == "query":
            self._query(index, step, certain)
        elif step.kind == "execute":
            self._dynamic(step, certain)
        elif certain:
            self._control(step)

    def _control(self, step: Step) -> None:
        if step.kind == "return":
            raise _Return
        if step.kind == "raise" and step.level in ("exception", "reraise"):
            raise Refused("P0001", " ".join(step.text.split()))
        word = step.text[:8].lower()
        if step.kind == "other" and word.startswith(("exit", "continue")):
            raise _Leave(word.startswith("continue"))

    def _query(self, index: int, step: Step, certain: bool) -> None:
        if index in self.records:
            self._run_all(self.records[index], step, certain)
            return
        if step.query is not None:
            self._require_tables(step.query)
            self._note_calls(step.query, step)
        if step.query is not None and step.query.into:
            self._select_into(step, step.query.into, certain)
        elif step.query is not None and step.query.action in ("insert", "update", "delete"):
            self.session.span = self.session.at(self.record.place(step.start), self.record.place(step.end))
            chronicle.rows_moved(self.session, step.query)
            self.variables["found"] = UNKNOWN
        elif step.query is not None and step.query.action == "select":
            text = re.sub(r"perform\b", "select ", step.text, count=1, flags=re.IGNORECASE)
            rows = rows_of(text, self.variables, self.world)
            self.variables["found"] = UNKNOWN if rows is None or not certain else bool(rows)
        else:
            self.variables["found"] = UNKNOWN

    def _note_calls(self, query: Query, step: Step) -> None:
        """What is called may change the schema too."""
        self.session.span = self.session.at(self.record.place(step.start), self.record.place(step.end))
        called = [output.value for output in query.outputs]
        call(self.session, [Written(value.schema, value.name) for value in called if isinstance(value, Call)])

    def _require_tables(self, query: Query) -> None:
        """A query that names a table which is not there ends the block, whatever it is about."""
        for use in (*query.sources, *([query.target] if query.target is not None else [])):
            if not self.world.may_exist(use.schema, use.name):
                raise self.session.missing_relation(Written(use.schema, use.name))
        for inner in query.nested:
            self._require_tables(inner)

    def _select_into(self, step: Step, names: Sequence[str], certain: bool) -> None:
        targets = r"\s*,\s*".join(map(re.escape, names))
        into = re.compile(rf"\binto\s+(?:strict\s+)?{targets}", re.IGNORECASE)
        rows = rows_of(into.sub(" ", step.text, count=1), self.variables, self.world) if certain else None
        if rows is None:
            self._assign(names, None)
        else:
            self._assign(names, rows[0] if rows else {})
        self.variables["found"] = UNKNOWN if rows is None else bool(rows)

    def _assign(self, names: Sequence[str], row: Mapping[str, Value] | None) -> None:
        """Gives variables the values of a row; None for one that cannot be told, and NULL where it has too few."""
        if row is None:
            self.variables.update(dict.fromkeys(names, UNKNOWN))
        elif len(names) == 1 and self._is_row(names[0]):
            self.variables[names[0]] = row
        else:
            values = [*row.values(), *[None] * len(names)]
            self.variables.update(zip(names, values, strict=False))

    def _is_row(self, name: str) -> bool:
        kinds = [variable.type for variable in self.record.body.variables if variable.name == name]
        return not kinds or any(_ROWS.fullmatch(kind.strip()) for kind in kinds)

    def _dynamic(self, step: Step, certain: bool) -> None:
        text = self._value(step.text)
        if step.query is not None and step.query.into:
            self._assign(step.query.into, None)
        if not isinstance(text, str):
            if text is UNKNOWN:
                written = " ".join(self.record.text[step.start : step.end].split())
                self._gap("dynamic-sql", f"SQL built at run time: {written[:80]}", step)
            return
        try:
            statements = read_statement(text.rstrip().rstrip(";"), 0)
        except SqlSyntaxError as error:
            raise Refused("42601", f"{error} in {text!r}") from None
        inside = self.record.text.find(text, step.start, step.end)
        if inside >= 0 and self.record.offsets is None:
            statements = read_statement(text.rstrip().rstrip(";"), self.record.place(inside))
            self._run_all(statements, step, certain)
            return
        self.session.fixed = self.session.at(self.record.place(step.start), self.record.place(step.end))
        try:
            self._run_all(statements, step, certain)
        finally:
            self.session.fixed = None

    def _run_all(self, statements: Sequence[Statement], step: Step, certain: bool) -> None:
        for statement in statements:
            self.session.span = self.session.at(statement.start, statement.end)
            self.attempt(self.session, statement.action)
            if not certain:
                reason = "in a loop" if not step.guards else "if " + " ".join(step.guards[-1].text.split())
                self._gap(
                    "conditional", f"this runs only {reason[:100]}, which cannot be told; it is taken to run", step
                )

    def _gap(self, kind: GapKind, message: str, step: Step) -> None:
        span = self.session.at(self.record.place(step.start), self.record.place(step.end))
        self.session.gap(kind, message, span=span)

    # Loops

    def _rounds(self, step: Step) -> list[dict[str, Value]] | None:
        """The values that a FOR or FOREACH gives its variables, round by round; None where they cannot be told."""
        names = step.query.into if step.query is not None else ()
        if step.kind == "query":
            return rows_of(step.text, self.variables, self.world)
        if step.kind == "execute":
            text = self._value(step.text)
            return rows_of(text, self.variables, self.world) if isinstance(text, str) else None
        values = self._numbers(step.text) if ".." in step.text else self._value(step.text)
        if not isinstance(values, list) or len(names) != 1:
            return None
        return [{names[0]: value} for value in values]

    def _numbers(self, text: str) -> list[int] | None:
        bounds = _RANGE.fullmatch(text)
        if bounds is None:
            return None
        first, last = self._value(bounds[1]), self._value(bounds[2])
        if not (isinstance(first, int) and isinstance(last, int)) or last - first > MOST_ROWS:
            return None
        return list(range(first, last + 1))

    def _bind(self, head: int, row: Mapping[str, Value] | None) -> None:
        query = self.steps[head].query if head >= 0 else None
        if query is None:
            return
        if self.steps[head].kind in ("query", "execute"):
            self._assign(query.into, row)
        else:
            self.variables.update(dict.fromkeys(query.into, UNKNOWN) if row is None else row)


def _catches(condition: str, sqlstate: str) -> bool:
    if condition == "others":
        return True
    if condition.startswith("sqlstate"):
        return condition.endswith(f"'{sqlstate.lower()}'")
    return _CONDITIONS.get(condition) == sqlstate or sqlstate.startswith(_CLASSES.get(condition, "?"))


def _default_text(body: str, start: int) -> str:
    """The text behind :=, = or DEFAULT in the declaration of a variable."""
    depth, first = 0, -1
    for kind, at, behind in tokens.tokens(body, start):
        sign = body[at] if kind == "other" else ""
        if sign == ";" and depth == 0:
            return body[first:at] if first >= 0 else ""
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(sign, 0)
        is_default = kind == "word" and body[at:behind].lower() == "default"
        if first < 0 and depth == 0 and (sign == "=" or is_default):
            first = behind
    return body[first:] if first >= 0 else ""
