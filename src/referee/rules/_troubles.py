"""What goes wrong in a trigger's function beside the rows that it inserts: names, rights, events, swallowed errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from referee.model.identity import Identity, Mirror
from referee.model.names import QName
from referee.model.schema import Function, Schema, Table, Trigger
from referee.rules import _privileges
from referee.rules._inserts import Row, Trouble, target_place
from referee.rules._names import (
    Mentions,
    NameFault,
    made_in,
    meant_table,
    missing_columns,
    missing_fields,
    names_are_settled,
    tables_of,
    unresolved,
    unresolved_variable,
    without_repetition,
)
from referee.rules._nulls import Facts, Truth, truth
from referee.rules._sign_up import APP_KEYS_AT_INSERT, TOO_EARLY, UPDATED_BY_LOGIN, UPDATED_BY_SIGN_UP
from referee.sql.expressions import read_expression
from referee.sql.resolve import find_table
from referee.sql.tree import Body, Column, Expr, Handler, Literal, Operator, Query, Step, TableUse

# Names


class Names:
    """The names in a function that lead nowhere, or astray. ``table`` is the one whose trigger calls the function."""

    def __init__(
        self, schema: Schema, function: Function, body: Body, path: tuple[str, ...], table: Table | None = None
    ) -> None:
        self._schema = schema
        self._function = function
        self._body = body
        self._path = path
        self._table = table if table is not None and table.columns else None
        self._settled = names_are_settled(body)
        self._made = made_in(body)

    def of_variables(self) -> Iterator[NameFault]:
        """Types of variables; a body with a wrong one never runs."""
        for variable in self._body.variables if self._settled else ():
            fault = unresolved_variable(self._schema, self._path, variable)
            if fault is not None:
                yield fault

    def of_step(self, said: Mentions) -> list[NameFault]:
        """Those that one step names."""
        found: list[NameFault] = []
        if self._settled and (said.queries or said.calls or said.casts):
            found += unresolved(self._schema, self._path, said, self._made)
            found += missing_columns(self._schema, self._path, said, self._made)
            found += self._astray(said)
        if self._table is not None:
            found += missing_fields(self._table, said)
        return without_repetition(found) if found else found

    def _astray(self, said: Mentions) -> Iterator[NameFault]:
        """Bare names that mean a table of the platform only because the caller's search_path is in force."""
        if self._function.search_path is not None:
            return
        for query in said.queries:
            for use in tables_of(query):
                found = self._managed(use)
                meant = tuple(self._own_tables(use.name)) if found is not None else ()
                if meant:
                    yield NameFault("astray", use.name, (use.start, use.end), meant, False, found, query.action)

    def _managed(self, use: TableUse) -> QName | None:
        if use.schema is not None or use.name in self._made:
            return None
        name = find_table(self._schema, self._path, None, use.name).name
        return name if name is not None and self._schema.is_managed(name.schema) else None

    def _own_tables(self, name: str) -> Iterator[QName]:
        for place in self._schema.namespaces:
            if not self._schema.is_managed(place) and QName(place, name) in self._schema.tables:
                yield QName(place, name)


def name_trouble(identity: Identity, function: Function, path: tuple[str, ...], fault: NameFault) -> Trouble:
    """The trouble that a name makes."""
    if fault.kind == "astray":
        return _astray(identity, function, path, fault)
    if fault.kind in ("column", "field", "arbiter"):
        name, what = f"missing-{fault.kind}", describe_missing(fault)
        return Trouble(name, "fails", what, f"mend {fault.text}", fault.within, fault.sqlstate)
    if not fault.elsewhere:
        return Trouble(
            "missing-object", "fails", describe_missing(fault), f"mend {fault.text}", fault.within, fault.sqlstate
        )
    place = fault.elsewhere[0]
    cause = f"{fault.text} is looked up in {describe_path(function, path)}, but it is {place}."
    return Trouble("unresolved-name", "fails", cause, f"write {place} for {fault.text}", fault.within, fault.sqlstate)


def describe_missing(fault: NameFault) -> str:
    """A sentence on what does not exist."""
    if fault.kind == "field":
        return f"{fault.table}, whose trigger fires this function, has no column for {fault.text}."
    if fault.kind == "arbiter":
        return f"ON CONFLICT needs {fault.text}, and there is none."
    kind = {"table": "Table", "function": "Function", "type": "Type", "column": "Column"}[fault.kind]
    return f"{kind} {fault.text} does not exist."


def _astray(identity: Identity, function: Function, path: tuple[str, ...], fault: NameFault) -> Trouble:
    meant = fault.elsewhere[0]
    cause = f"{fault.text} is looked up in {describe_path(function, path)}, where it is {fault.table} and not {meant}."
    cure = f"write {meant} for {fault.text}"
    if fault.action == "insert" and fault.table == identity.source.table:
        return Trouble("wrong-table", "fails", cause, cure, fault.within, "23505")
    return Trouble("wrong-table", "risk", cause, cure, fault.within)


def describe_path(function: Function, path: tuple[str, ...]) -> str:
    """Where names are looked up, and why there."""
    names = ", ".join(path)
    if function.search_path is None:
        return f"the search_path of the caller ({names or 'empty'}), since the function sets none"
    return (
        f"the search_path that the function sets ({names})" if names else "the empty search_path that the function sets"
    )


# Rights


def rights_troubles(
    schema: Schema, function: Function, role: str, path: tuple[str, ...], query: Query
) -> Iterator[Trouble]:
    """The privileges that a query needs and the function's role does not have."""
    for use in tables_of(query):
        table = meant_table(schema, path, use)
        refusal = _refusal(schema, role, table, query, use is query.target) if table is not None else None
        if refusal is None:
            continue
        owner = f"as its owner {role}" if function.security_definer else f"with the rights of its caller {role}"
        row_security = "row security" in refusal
        yield Trouble(
            "row-security" if row_security else "missing-privilege",
            "fails",
            f"{function.name.qualified} runs {owner}, which {refusal}.",
            "run it as SECURITY DEFINER with an empty search_path",
            (use.start, max(use.end, use.start + 1)) if use.start >= 0 else (query.start, query.end),
            "42501",
        )


def _refusal(schema: Schema, role: str, table: Table, query: Query, written: bool) -> str | None:
    if not written:
        return _privileges.lacks(schema, role, table, "select")
    columns = [assignment.column for assignment in query.assignments]
    if query.action == "insert":
        return (
            _privileges.lacks(schema, role, table, "insert", columns)
            or _refusal_on_conflict(schema, role, table, query)
            or _privileges.refuses_insert(schema, role, table, _commands(query), _may_hold)
        )
    if query.action == "update":
        return _privileges.lacks(schema, role, table, "update", columns)
    if query.action == "delete":
        return _privileges.lacks(schema, role, table, "delete")
    return None


def _commands(query: Query) -> tuple[_privileges.Command, ...]:
    """The commands whose policies a new row must meet."""
    conflict = query.on_conflict
    names_arbiter = conflict is not None and bool(conflict.columns or conflict.constraint)
    return ("insert", "select") if names_arbiter or query.outputs else ("insert",)


def _refusal_on_conflict(schema: Schema, role: str, table: Table, query: Query) -> str | None:
    conflict = query.on_conflict
    if conflict is None:
        return None
    if conflict.action == "update":
        columns = [assignment.column for assignment in conflict.assignments]
        lacking = _privileges.lacks(schema, role, table, "update", columns)
        if lacking is not None:
            return lacking
    return _privileges.lacks(schema, role, table, "select", conflict.columns) if conflict.columns else None


def _may_hold(expression: str) -> bool:
    """Whether a policy can let a row pass although nobody is signed in."""
    return truth(read_expression(expression), Facts(session=False)) in (Truth.TRUE, Truth.UNKNOWN)


# Events


def key_before_row(identity: Identity, trigger: Trigger, table: Table, query: Query, row: Row) -> Iterator[Trouble]:
    """A BEFORE INSERT trigger on the source runs when there is no row yet that a key could find."""
    source = identity.source
    for key in table.foreign_keys:
        if key.target != source or key.initially_deferred or not key.enforced:
            continue
        cell = row.get(key.columns[0])
        if cell is not None and isinstance(cell.value, Column) and cell.value.parts == ("new", source.columns[0]):
            yield Trouble(
                "key-before-row",
                "fails",
                f"{trigger.name} fires BEFORE INSERT, when {source.table} does not have the row yet that {key.name} of "
                f"{table.name} asks for.",
                "fire AFTER INSERT",
                target_place(query),
                "23503",
            )


def fires_again(
    identity: Identity, trigger: Trigger, mirror: Mirror, table: Table, query: Query, row: Row
) -> Iterator[Trouble]:
    """An INSERT of the same row with each UPDATE of the source, of which a sign-up has several."""
    cell = row.get(mirror.column)
    own_id = ("new", identity.source.columns[0])
    if (
        cell is None
        or not isinstance(cell.value, Column)
        or cell.value.parts != own_id
        or query.on_conflict is not None
    ):
        return
    if table.is_unique((mirror.column,)) and _firings(trigger) > 1:
        yield Trouble(
            "fires-again",
            "fails",
            f"{trigger.name} fires on UPDATE too, of which a sign-up has several, and inserts the same row into "
            f"{table.name} each time.",
            "fire on INSERT only, or insert with ON CONFLICT DO NOTHING",
            target_place(query),
            "23505",
        )


def is_fired_by_sign_up(trigger: Trigger) -> bool:
    """Whether the UPDATEs of every sign-up fire a trigger on UPDATE."""
    return not trigger.update_columns or bool(UPDATED_BY_SIGN_UP & set(trigger.update_columns))


def _firings(trigger: Trigger) -> int:
    """How often a sign-up fires a trigger at least, by its INSERT and its UPDATEs."""
    inserts = 1 if "insert" in trigger.events else 0
    columns = set(trigger.update_columns)
    return inserts + (len(UPDATED_BY_SIGN_UP & columns) if columns and "updated_at" not in columns else 2)


def for_statement(trigger: Trigger, step: Step, column: Column) -> Trouble:
    """A statement-level trigger that uses NEW."""
    text = ".".join(column.parts)
    return Trouble(
        "statement-level",
        "loses",
        f"{trigger.name} fires FOR EACH STATEMENT, as a trigger does unless told otherwise, and there NEW is NULL.",
        "fire FOR EACH ROW",
        (column.start, column.start + len(text)) if column.start >= 0 else (step.start, step.end),
    )


def may_read_too_early(columns: Iterable[Column]) -> bool:
    """Whether a closer look at the expressions with these columns is worth it."""
    return any(
        column.parts[0] == "new" and (column.parts[-1] in TOO_EARLY or column.parts[-1] == "raw_app_meta_data")
        for column in columns
    )


def read_too_early(node: Expr) -> str:
    """The column, or the key of the application metadata, that is read before it is there; "" for none."""
    match node:
        case Column(parts=("new", name)) if name in TOO_EARLY:
            return name
        case Operator(name="->" | "->>", args=(Column(parts=("new", "raw_app_meta_data")), Literal(value=str(key)))):
            return "" if key in APP_KEYS_AT_INSERT else f"raw_app_meta_data ->> '{key}'"
        case _:
            return ""


def too_early(read: str, node: Expr, step: Step) -> Trouble:
    """A value of the new row that Supabase writes only after the INSERT."""
    start = node.start if isinstance(node, Column) else -1
    metadata = read.startswith("raw_app_meta_data")
    empty = "''" if read == "role" else "NULL"
    return Trouble(
        "reads-too-early",
        "risk" if metadata else "note",
        f"It reads {read} on INSERT, where it is {empty} in every sign-up: Supabase writes it by a later UPDATE.",
        f"read {read} in a trigger on UPDATE",
        (start, start + len("new.") + len(read)) if start >= 0 else (step.start, step.end),
    )


def raises_without_row(trigger: Trigger, step: Step) -> Iterator[Trouble]:
    """An exception in a trigger on UPDATE because the row to update is not there."""
    if trigger.update_columns and UPDATED_BY_LOGIN.isdisjoint(trigger.update_columns):
        return
    if (
        step.kind == "raise"
        and step.level == "exception"
        and any(_asks_found(guard.condition) for guard in step.guards)
    ):
        yield Trouble(
            "raises-without-row",
            "risk",
            f"{trigger.name} raises an exception where it finds no row to update; every login updates {trigger.table}.",
            "insert the row that is missing instead of raising",
            (step.start, step.end),
            "P0001",
            False,
            "of a user who has no row yet",
        )


def _asks_found(condition: Expr | None) -> bool:
    match condition:
        case Column(parts=("found",)):
            return True
        case Operator(name="not", args=(inner,)):
            return _asks_found(inner)
        case _:
            return False


# Swallowed errors


def swallowed(mirror: Mirror, handlers: Iterable[Handler]) -> Iterator[Trouble]:
    """The innermost EXCEPTION section around a mirror's INSERT that lets every error pass."""
    for handler in handlers:
        if "others" in handler.conditions and not handler.reraises:
            yield Trouble(
                "swallowed-errors",
                "risk",
                f"WHEN OTHERS swallows whatever goes wrong while the row of {mirror.table} is written.",
                "catch only what is known to do no harm",
                (handler.start, handler.end),
            )
            return


# The conditions that people catch (PostgreSQL 18, appendix A), and the SQLSTATE or class of each.
_CONDITIONS = {
    "unique_violation": "23505",
    "not_null_violation": "23502",
    "foreign_key_violation": "23503",
    "check_violation": "23514",
    "integrity_constraint_violation": "23",
    "undefined_table": "42P01",
    "undefined_column": "42703",
    "undefined_function": "42883",
    "undefined_object": "42704",
    "insufficient_privilege": "42501",
    "invalid_column_reference": "42P10",
    "syntax_error_or_access_rule_violation": "42",
    "invalid_text_representation": "22P02",
    "data_exception": "22",
    "raise_exception": "P0001",
}


def catches(handler: Handler, sqlstate: str) -> bool:
    """Whether an EXCEPTION section ends an error for good."""
    if handler.reraises or not sqlstate:
        return False
    for condition in handler.conditions:
        known = _CONDITIONS.get(condition)
        if condition == "others" or sqlstate in condition.upper() or (known and sqlstate.startswith(known)):
            return True
    return False
