"""The parts that statements are put together from. What comes in from outside is quoted, or read before it is used.

Names are quoted by ``model.names.quote`` and texts by ``string``; nothing else puts quotes. Expressions, types and
queries are SQL already. They may come from a file or a catalog that somebody else wrote, so each is parsed first and
has to be one expression, one type, one query: what closes a parenthesis early or begins a second statement is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from referee.errors import RefereeError
from referee.model.names import FunctionName, Ref, quote
from referee.model.schema import Check, Column, ForeignKey, Function, Grant, Index, Key, Policy, Trigger
from referee.sql.parse import SqlSyntaxError, Tree, parse
from referee.sql.tokens import close

# Settings that hold a list of names, each quoted by itself (PostgreSQL 18, GUC_LIST_QUOTE in guc_tables.c).
_LISTS = frozenset(
    (
        "search_path",
        "temp_tablespaces",
        "session_preload_libraries",
        "shared_preload_libraries",
        "local_preload_libraries",
        "unix_socket_directories",
    )
)
_ELEMENT = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^,]*))\s*(?:,|\Z)')
_BARE_SELECT = frozenset(("targetList", "limitOption", "op"))
_EVENTS = ("insert", "delete", "update", "truncate")
_OR_REPLACE = re.compile(r"\s*create\s+(?:or\s+replace\s+)?", re.IGNORECASE)


class UnwritableError(RefereeError):
    """A change for which there is no statement, or none that the facts at hand suffice for. The message says why."""


def string(text: str) -> str:
    """A string constant that means the same whatever standard_conforming_strings says.

    >>> print(string("Org's"), string("a\\\\b"))
    'Org''s' E'a\\\\b'
    """
    if "\0" in text:
        raise UnwritableError("A text with a NUL character cannot be written in SQL.")
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


def names(parts: Iterable[str]) -> str:
    """Names with commas between them."""
    return ", ".join([quote(part) for part in parts])


def expression(text: str) -> str:
    """An expression in parentheses. Raises UnwritableError for text that is anything else than one expression."""
    is_wrapped = text.startswith("(") and close(text, 0) == len(text) and text.endswith(")")
    wrapped = text if is_wrapped else f"({text}\n)" if "--" in text else f"({text})"
    select = _only(f"SELECT {wrapped}", "SelectStmt")
    if select is None or not select.keys() <= _BARE_SELECT or len(select["targetList"]) != 1:
        raise UnwritableError(f"{_shown(text)} is not one expression.")
    return wrapped


def type_name(text: str) -> str:
    """A type as format_type prints it. Raises UnwritableError for any other text."""
    # Inside the parentheses neither an alias, another item nor a comment at the end gets through.
    select = _only(f"SELECT (NULL::{text})", "SelectStmt")
    targets = select["targetList"] if select is not None and select.keys() <= _BARE_SELECT else []
    if len(targets) != 1 or "A_Const" not in targets[0]["ResTarget"]["val"].get("TypeCast", {}).get("arg", {}):
        raise UnwritableError(f"{_shown(text)} is not a type.")
    return text


def query(text: str) -> str:
    """A query. Raises UnwritableError for text that is not one SELECT."""
    found = text.strip().rstrip(";")
    if _only(found, "SelectStmt") is None:
        raise UnwritableError(f"{_shown(text)} is not one query.")
    return found


def statement(text: str, *kinds: str) -> str:
    """A whole statement. Raises UnwritableError unless it is one, and of these kinds (nodes of the grammar) if any."""
    try:
        trees = parse(text)
    except SqlSyntaxError as error:
        raise UnwritableError(f"{_shown(text)} is no statement that Postgres would take: {error}.") from None
    if len(trees) != 1 or (kinds and not trees[0]["stmt"].keys() & set(kinds)):
        raise UnwritableError(f"{_shown(text)} is not the one statement that was expected here.")
    return text


def or_replace(text: str) -> str:
    """A CREATE statement with OR REPLACE in it."""
    return _OR_REPLACE.sub("create or replace ", text, count=1)


def _only(text: str, kind: str) -> Tree | None:
    try:
        trees = parse(text)
    except SqlSyntaxError:
        return None
    return trees[0]["stmt"].get(kind) if len(trees) == 1 else None


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= 60 else line[:59] + "…")


# Tables


def column(column: Column, with_default: bool = True) -> str:
    """A column definition; a default that has to wait for its function may be left out."""
    words = [quote(column.name), type_name(column.type)]
    if column.generated is not None:
        words.append(f"generated always as {expression(column.generated)} stored")
    elif column.identity:
        words.append(f"generated {column.identity} as identity")
    elif column.default is not None and with_default:
        words.append(f"default {expression(column.default)}")
    if column.not_null:
        words.append("not null")
    return " ".join(words)


def key(key: Key, nulls_not_distinct: bool) -> str:
    """A PRIMARY KEY or UNIQUE constraint."""
    kind = "primary key" if key.primary else f"unique{' nulls not distinct' * nulls_not_distinct}"
    deferral = _deferral(key.deferrable, key.initially_deferred)
    return f"constraint {quote(key.name)} {kind} ({names(key.columns)}){deferral}"


def check(check: Check) -> str:
    """A CHECK constraint."""
    return (
        f"constraint {quote(check.name)} check {expression(check.expression)}{'' if check.validated else ' not valid'}"
    )


def foreign_key(key: ForeignKey, not_valid: bool) -> str:
    """A foreign key; ``not_valid`` leaves the rows that exist unchecked."""
    if not key.target.columns:
        raise UnwritableError(f"What {key.ref} references is not known.")
    words = [
        f"constraint {quote(key.name)} foreign key ({names(key.columns)})",
        f"references {key.target.table} ({names(key.target.columns)})",
    ]
    if key.match != "SIMPLE":
        words.append(f"match {key.match.lower()}")
    if key.on_update != "NO ACTION":
        words.append(f"on update {key.on_update.lower()}")
    if key.on_delete != "NO ACTION":
        words.append(f"on delete {key.on_delete.lower()}")
        if key.on_delete_columns:
            words.append(f"({names(key.on_delete_columns)})")
    deferral = _deferral(key.deferrable, key.initially_deferred)
    return " ".join(words) + deferral + ("" if key.enforced else " not enforced") + " not valid" * not_valid


def _deferral(deferrable: bool, deferred: bool) -> str:
    return " deferrable initially deferred" if deferred else " deferrable" if deferrable else ""


def index(index: Index) -> str:
    """CREATE INDEX. Raises UnwritableError where a part is an expression, which the facts do not hold."""
    columns = [part for part in index.columns if part is not None]
    if len(columns) < len(index.columns):
        raise UnwritableError(f"The index {index.ref} is over an expression that is not known here.")
    words = [
        f"create {'unique ' * index.unique}index {quote(index.name)} on {index.table}",
        f"using {quote(index.method)} ({names(columns)})",
    ]
    if index.include:
        words.append(f"include ({names(index.include)})")
    if index.nulls_not_distinct:
        words.append("nulls not distinct")
    if index.predicate is not None:
        words.append(f"where {expression(index.predicate)}")
    return " ".join(words)


# Triggers, policies, functions


def trigger(trigger: Trigger) -> str:
    """CREATE TRIGGER. Whether the trigger is enabled is no part of it."""
    events = [_event(event, trigger.update_columns) for event in _EVENTS if event in trigger.events]
    words = [
        f"create {'constraint ' * trigger.constraint}trigger {quote(trigger.name)}",
        f"{trigger.timing.lower()} {' or '.join(events)} on {trigger.table}",
    ]
    if trigger.constraint:
        words.append(_deferral(trigger.deferrable, trigger.initially_deferred).strip())
    words.append(f"for each {trigger.level}")
    if trigger.when is not None:
        words.append(f"when {expression(trigger.when)}")
    arguments = ", ".join([string(argument) for argument in trigger.arguments])
    words.append(f"execute function {trigger.function}({arguments})")
    return " ".join(filter(None, words))


def _event(event: str, columns: Sequence[str]) -> str:
    return f"{event} of {names(columns)}" if event == "update" and columns else event


def policy(policy: Policy) -> str:
    """CREATE POLICY."""
    words = [
        f"create policy {quote(policy.name)} on {policy.table}",
        f"as {'permissive' if policy.permissive else 'restrictive'} for {policy.command}",
        f"to {names(policy.roles)}",
    ]
    if policy.using is not None:
        words.append(f"using {expression(policy.using)}")
    if policy.check is not None:
        words.append(f"with check {expression(policy.check)}")
    return " ".join(words)


def function(function: Function) -> str:
    """CREATE OR REPLACE FUNCTION from the facts.

    Raises UnwritableError where these do not tell enough: results that are columns of their own.
    """
    if function.kind not in ("function", "procedure"):
        raise UnwritableError(f"{function.name} is an {function.kind}, which referee does not write.")
    if function.returns.removeprefix("SETOF ") == "record":
        raise UnwritableError(f"The columns that {function.name} returns are not known here.")
    inputs = function.argument_names or ("",) * len(function.name.arguments)
    arguments = [
        f"{quote(name)} {type_name(type_)}" if name else type_name(type_)
        for name, type_ in zip(inputs, function.name.arguments, strict=True)
    ]
    words = [f"create or replace {function.kind} {function.name.qualified}({', '.join(arguments)})"]
    if function.kind == "function":
        is_set = function.returns.startswith("SETOF ")
        words.append(f"returns {'setof ' * is_set}{type_name(function.returns.removeprefix('SETOF '))}")
    words.append(f"language {quote(function.language)}")
    words.append(attributes(function, all_of_them=False))
    words.append(body(function))
    return " ".join(filter(None, words))


_INLINE_BODY = re.compile(r"\s*(?:begin\s+atomic\b|return\b)", re.IGNORECASE)


def body(function: Function) -> str:
    """The body, in dollar quotes whose tag does not occur in it; a body of SQL itself as it is."""
    if function.language == "sql" and _INLINE_BODY.match(function.body):
        return function.body
    tag = "$function$"
    while tag[:-1] in function.body:
        tag = f"{tag[:-1]}_$"
    return f"as {tag}{function.body}{tag}"


def attributes(function: Function, all_of_them: bool = True) -> str:
    """Security, volatility, strictness and settings. All of them, for ALTER; else those that are not the default."""
    words: list[str] = []
    if function.kind == "function":
        if all_of_them or function.volatility != "volatile":
            words.append(function.volatility)
        if all_of_them or function.strict:
            words.append("strict" if function.strict else "called on null input")
    if all_of_them or function.security_definer:
        words.append(f"security {'definer' if function.security_definer else 'invoker'}")
    if all_of_them:
        words.append("reset all")
    words += [setting(name, value) for name, value in function.settings]
    return " ".join(words)


def setting(name: str, value: str) -> str:
    """SET name TO value, from the text in which pg_proc.proconfig and pg_db_role_setting hold a setting.

    >>> setting("search_path", '"$user", public'), setting("search_path", '""')
    ("set search_path to '$user', 'public'", "set search_path to ''")
    """
    dotted = ".".join([quote(part) for part in name.split(".")])
    values = list_elements(value) if name in _LISTS else [value]
    return f"set {dotted} to {', '.join([string(one) for one in values])}"


def list_elements(value: str) -> list[str]:
    """The elements of a setting that holds a list of names, an empty name included."""
    found, at = [], 0
    while at < len(value) and (element := _ELEMENT.match(value, at)):
        found.append(element[2].strip() if element[1] is None else element[1].replace('""', '"'))
        at = element.end()
    return found or [""]


def routine(name: FunctionName) -> str:
    """A function or procedure as ALTER, DROP and GRANT name it."""
    return f"{name.qualified}({', '.join([type_name(type_) for type_ in name.arguments])})"


# Rights


def rights(grant: Grant) -> str:
    """The privileges of a grant, with their columns."""
    columns = f" ({names(grant.columns)})" if grant.columns else ""
    return ", ".join([f"{privilege.lower()}{columns}" for privilege in sorted(grant.privileges)])


def on(object_: Ref) -> str:
    """An object as GRANT and REVOKE name it."""
    if object_.kind == "schema":
        return f"schema {quote(object_.name)}"
    return f"{'routine' if object_.kind == 'function' else 'table'} {object_}"
