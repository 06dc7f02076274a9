"""Follows one way to sign up: through triggers, the functions that they call, and the rows that they insert."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from referee.model.identity import Identity
from referee.model.names import Ref
from referee.model.schema import Function, Schema, Table, Trigger
from referee.rules import _privileges
from referee.rules._faults import Fault, Fill
from referee.rules._frames import Caller, Frame, Library
from referee.rules._inserts import (
    Cell,
    Trouble,
    check_troubles,
    collision_troubles,
    label_troubles,
    new_row,
    null_troubles,
    row_facts,
    skipping_conflict,
    target_place,
    with_origins,
)
from referee.rules._names import Mentions, NameFault, meant_table, nodes_of
from referee.rules._nulls import UNKNOWN, Facts, Name, Truth, nullness, truth, word
from referee.rules._sign_up import Event, SignUp
from referee.rules._troubles import (
    catches,
    fires_again,
    for_statement,
    is_fired_by_sign_up,
    key_before_row,
    may_read_too_early,
    name_trouble,
    raises_without_row,
    read_too_early,
    rights_troubles,
    swallowed,
    too_early,
)
from referee.rules._walk import Reach, Walk, is_plain
from referee.sql.bodies import read_body, writes
from referee.sql.expressions import read_expression
from referee.sql.queries import with_columns
from referee.sql.resolve import resolve_function
from referee.sql.tree import Call, Handler, Operator, Query, Step
from referee.sql.tree import Literal as Constant

#: The states in which a trigger fires in an ordinary session.
FIRING = ("origin", "always")
_REACHES = {Truth.TRUE: Reach.SURE, Truth.SOME: Reach.SOMETIMES, Truth.UNKNOWN: Reach.PERHAPS}


class Follower:
    """Follows one way to sign up."""

    def __init__(self, schema: Schema, identity: Identity, way: SignUp, library: Library) -> None:
        self.library = library
        self.schema = schema
        self.identity = identity
        self.way = way
        self.faults: dict[Fault, None] = {}
        self.fills: dict[Fill, None] = {}
        self._filling: dict[Ref, bool] = {}
        self._is_over = False
        self._step_fails = False
        self._left: set[Handler] = set()
        self._pending: list[tuple[Fault, Handler | None]] = []

    def sign_up(self, triggers: list[Trigger]) -> None:
        """The INSERT, then an UPDATE as every sign-up has it."""
        writer = self.identity.writer
        table = self.schema.table(self.identity.source.table)
        events: tuple[Event, ...] = ("insert", "update")
        for event in events:
            caller = Caller(writer.role, writer.search_path, event)
            for trigger in triggers:
                if event in trigger.events:
                    fired = event == "insert" or is_fired_by_sign_up(trigger)
                    reach = Reach.SURE if fired else Reach.PERHAPS
                    self._fire(trigger, table, self.way.facts(event), caller, reach)

    # Running functions

    def _fire(self, trigger: Trigger, table: Table | None, facts: Facts, caller: Caller, reach: Reach) -> Facts:
        """Runs a trigger's function, and answers what is then known of NEW."""
        function = self.schema.functions.get(trigger.function_name)
        if function is None or function.language != "plpgsql" or caller.is_too_deep(trigger.ref):
            return Facts()
        condition = read_expression(trigger.when) if trigger.when else None
        held = truth(condition, facts) if condition is not None else Truth.TRUE
        if held in (Truth.FALSE, Truth.NULL):
            return facts
        body = read_body(function.language, function.body)
        entered = caller.inside(trigger.ref, function)
        path = _privileges.reachable(self.schema, entered.role, entered.path)
        frame = Frame(trigger, function, body, entered, path, table)
        if trigger.level == "statement" and self._note_use_of_row(frame, reach):
            return facts
        if not frame.caller.depth:
            self._note_early_reads(frame)
        guard = trigger.when or "" if condition is not None and is_plain(condition) else ""
        return self._run(frame, _with_trigger_words(trigger, facts), min(reach, _REACHES[held]), guard)

    def _note_use_of_row(self, frame: Frame, reach: Reach) -> bool:
        """In a statement-level trigger NEW is NULL, so whatever is done with it is void."""
        for each in self.library.said(frame):
            for column in each.columns:
                if column.parts[0] == "new" and len(column.parts) == 2:
                    self._add(frame, each.step, for_statement(frame.trigger, each.step, column), reach)
                    return True
        return False

    def _run(self, frame: Frame, facts: Facts, reach: Reach, guard: str = "") -> Facts:
        """Follows the steps of a function. ``guard`` is a condition that it runs under, "" for none worth telling."""
        walk = Walk(facts, frame.body.variables)
        of_variables, of_steps = self.library.name_faults(frame)
        self._add_names(frame, None, of_variables, reach)
        for each, faults in zip(self.library.said(frame), of_steps, strict=True):
            step = each.step
            inner = min(reach, walk.reach(step))
            if inner is Reach.NOT:
                continue
            outer_step_fails = self._step_fails
            self._add_names(frame, step, faults, inner)
            self._follow_queries(frame, each, walk, inner, guard)
            self._follow_calls(frame, each, walk.given, inner)
            if frame.caller.event == "update" and not frame.caller.depth:
                for trouble in raises_without_row(frame.trigger, step):
                    self._add(frame, step, trouble, Reach.SURE)  # its condition is what it is about
            self._end_phase()
            self._step_fails = outer_step_fails
            if walk.finish(step):
                break
        return walk.facts

    def _add_names(self, frame: Frame, step: Step | None, faults: list[NameFault], reach: Reach) -> None:
        for fault in faults:
            self._add(frame, step, name_trouble(self.identity, frame.function, frame.path, fault), reach)
            self._end_phase()

    def _follow_calls(self, frame: Frame, said: Mentions, facts: Facts, reach: Reach) -> None:
        for call in said.calls:
            function = self._called(frame, call)
            if function is not None:
                caller = frame.caller.calling(function, _handlers(frame, said.step))
                path = _privileges.reachable(self.schema, caller.role, caller.path)
                inner = Frame(frame.trigger, function, read_body(function.language, function.body), caller, path)
                self._run(inner, _arguments(function, call, facts), reach)

    def _called(self, frame: Frame, call: Call) -> Function | None:
        """The project's function that a call means, where there is no doubt and no loop."""
        functions = resolve_function(self.schema, frame.path, call).functions
        if len(functions) != 1 or self.schema.is_managed(functions[0].name.schema):
            return None
        [function] = functions
        readable = function.language in ("plpgsql", "sql")
        return function if readable and not frame.caller.is_too_deep(function.ref) else None

    # Queries

    def _follow_queries(self, frame: Frame, said: Mentions, walk: Walk, reach: Reach, guard: str) -> None:
        caller, step = frame.caller, said.step
        for query in said.queries:
            if query.action in ("ddl", "other"):
                continue
            for trouble in rights_troubles(self.schema, frame.function, caller.role, frame.path, query):
                self._add(frame, step, trouble, reach)
            self._end_phase()
            if query.action == "insert":
                self._follow_insert(frame, step, query, walk, reach, guard)

    def _follow_insert(self, frame: Frame, step: Step, query: Query, walk: Walk, reach: Reach, guard: str) -> None:
        target = query.target
        table = meant_table(self.schema, frame.path, target) if target is not None else None
        if table is None or table.name == self.identity.source.table:
            return
        query = with_columns(query, [column.name for column in table.columns])
        reach = reach if _always_has_a_row(query) else min(reach, Reach.PERHAPS)
        caller = frame.caller.further(_handlers(frame, step))
        triggers = [trigger for trigger in table.triggers if "insert" in trigger.events and trigger.enabled in FIRING]
        written = new_row(self.schema, table, query, walk.given)
        for trouble in label_troubles(self.schema, table, query, written):
            self._add(frame, step, trouble, reach)
        self._end_phase()
        row = self._before(table, triggers, written, walk.given, caller, reach)
        for troubles in self._insert_troubles(frame, table, query, row, walk.given):
            for trouble in troubles:
                self._add(frame, step, trouble, reach)
            self._end_phase()
        mirror = self.identity.mirror_by_table.get(table.name)
        if mirror is not None:
            for trouble in swallowed(mirror, caller.catchers[::-1]):
                self._add(frame, step, trouble, reach)
            guard = walk.plain_guard(step) or guard
            place = target_place(query)
            fill = Fill(
                table.name, frame.trigger.ref, frame.function.ref, caller.event, reach is Reach.SURE, place, guard
            )
            self.fills.setdefault(fill)
        for trigger in triggers:
            if trigger.timing == "AFTER":
                self._fire(trigger, table, row_facts(row, walk.given), caller, reach)

    def _before(
        self,
        table: Table,
        triggers: Iterable[Trigger],
        row: dict[str, Cell],
        facts: Facts,
        caller: Caller,
        reach: Reach,
    ) -> dict[str, Cell]:
        """The row after its BEFORE triggers."""
        for trigger in triggers:
            if trigger.timing == "BEFORE" and trigger.level == "row":
                before = row_facts(row, facts)
                after = self._fire(trigger, table, before, caller, reach)
                row = {name: _after_trigger(name, cell, before, after) for name, cell in row.items()}
        return row

    def _insert_troubles(
        self, frame: Frame, table: Table, query: Query, row: dict[str, Cell], facts: Facts
    ) -> Iterator[Iterator[Trouble]]:
        """What goes wrong with the row itself, in the order in which Postgres looks."""
        mirror = self.identity.mirror_by_table.get(table.name)
        yield null_troubles(self.schema, table, query, row, facts)
        yield check_troubles(table, query, row, facts)
        origins = with_origins(row, frame.origins)
        if frame.caller.event == "insert":
            yield collision_troubles(table, query, origins, facts, mirror)
        if mirror is not None:
            yield skipping_conflict(table, query, origins, facts, mirror)
        if frame.caller.depth:
            return
        if mirror is not None and frame.caller.event == "update":
            yield fires_again(self.identity, frame.trigger, mirror, table, query, row)
        if frame.trigger.timing == "BEFORE" and frame.caller.event == "insert":
            yield key_before_row(self.identity, frame.trigger, table, query, row)

    # What goes wrong

    def _add(self, frame: Frame, step: Step | None, trouble: Trouble, reach: Reach) -> None:
        handlers = (*frame.caller.catchers, *(_handlers(frame, step) if step is not None else ()))
        catcher = next((handler for handler in reversed(handlers) if catches(handler, trouble.sqlstate)), None)
        if catcher is not None and trouble.name == "fires-again":
            return  # the row is there already
        caller = frame.caller
        fault = Fault(
            trouble,
            frame.trigger.ref,
            frame.function.ref,
            caller.depth,
            caller.event,
            reach,
            catcher is not None,
            catcher is not None and self._fills_a_mirror(frame),
            self._is_over or self._step_fails or not self._left.isdisjoint(handlers),
        )
        self.faults.setdefault(fault)
        self._pending.append((fault, catcher))

    def _end_phase(self) -> None:
        """Notes what keeps the rest from running: of its statement where it fails each time, of all up to the EXCEPTION
        section that catches it where it is run for certain too."""
        for fault, catcher in self._pending:
            trouble = fault.trouble
            if trouble.effect == "fails" and trouble.always and not trouble.who:
                self._step_fails = True
                if fault.reach is Reach.SURE:
                    self._is_over = self._is_over or catcher is None
                    self._left |= {catcher} if catcher is not None else set()
        self._pending.clear()

    def _fills_a_mirror(self, frame: Frame) -> bool:
        """Whether a function inserts into a mirror, or means to."""
        known = self._filling.get(frame.function.ref)
        if known is None:
            inserts = (
                query for _, query in writes(frame.body) if query.action == "insert" and query.target is not None
            )
            tables = (meant_table(self.schema, frame.path, query.target) for query in inserts if query.target)
            known = any(table is not None and table.name in self.identity.mirror_by_table for table in tables)
            self._filling[frame.function.ref] = known
        return known

    def _note_early_reads(self, frame: Frame) -> None:
        """Values that Supabase writes later than its INSERT; a trigger that fires on UPDATE too gets to see them."""
        if frame.caller.event != "insert" or "update" in frame.trigger.events or not self.way.at_insert.documents:
            return
        set_here = {step.target for step in frame.body.steps if step.kind == "assign"}
        for each in self.library.said(frame):
            step = each.step
            for node in nodes_of(step) if step.in_handler < 0 and may_read_too_early(each.columns) else ():
                read = read_too_early(node)
                if read and f"new.{read}" not in set_here:
                    self._add(frame, step, too_early(read, node, step), Reach.SURE)


def _with_trigger_words(trigger: Trigger, facts: Facts) -> Facts:
    words: dict[Name, str] = {
        ("tg_op",): facts.words.get(("tg_op",), "INSERT"),
        ("tg_name",): trigger.name,
        ("tg_when",): trigger.timing,
        ("tg_level",): trigger.level.upper(),
        ("tg_table_name",): trigger.table.name,
        ("tg_relname",): trigger.table.name,
        ("tg_table_schema",): trigger.table.schema,
    }
    return replace(facts, words={**facts.words, **words})


def _arguments(function: Function, call: Call, facts: Facts) -> Facts:
    """What a called function knows of its arguments."""
    known = Facts(session=facts.session)
    for position, value in enumerate(call.args):
        name = function.argument_names[position] if position < len(function.argument_names) else ""
        if isinstance(value, Operator) and value.name == "=>":
            label, value = value.args
            name = (label.value or "") if isinstance(label, Constant) else ""
        if name:
            known = known.assign((name,), nullness(value, facts), word(value, facts))
    return known


def _handlers(frame: Frame, step: Step) -> tuple[Handler, ...]:
    return tuple(frame.body.handlers[index] for index in step.handlers)


def _always_has_a_row(query: Query) -> bool:
    """Whether an INSERT certainly has a row to insert."""
    if query.rows != "select":
        return True
    rows = query.nested[0] if query.nested else None
    return rows is not None and not (rows.sources or rows.derived or rows.conditions or rows.nested)


def _after_trigger(name: str, cell: Cell, before: Facts, after: Facts) -> Cell:
    """A column after a BEFORE trigger; after a function that cannot be read nothing is known."""
    key = ("new", name)
    known = after.nulls.get(key)
    if known is None:
        return Cell(UNKNOWN)
    if known == before.nulls.get(key) and after.words.get(key) == before.words.get(key):
        return cell
    return replace(cell, nulls=known, word=after.words.get(key), value=None)
