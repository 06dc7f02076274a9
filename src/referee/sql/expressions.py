"""Reading expressions, and what rules ask of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from referee.model.names import quote
from referee.sql.describe import describe
from referee.sql.meaning import same_meaning
from referee.sql.parse import SqlSyntaxError, Tree, char_offsets, parse
from referee.sql.queries import QueryTranslator
from referee.sql.translation import OffsetMap
from referee.sql.tree import Call, Case, Cast, Column, Expr, Literal, Operator, Other, Query, Subquery

__all__ = [
    "children",
    "describe",
    "is_session_identity",
    "may_be_null",
    "read_expression",
    "read_values",
    "same_meaning",
    "session_identity_in",
    "translate",
    "walk",
    "walk_query",
]

_SELECT = "SELECT "
_PLAIN_SELECT = frozenset(("targetList", "limitOption", "op"))


@lru_cache(maxsize=65536)
def read_expression(text: str) -> Expr:
    """The expression in ``text``; Other() where the grammar refuses it or it is not exactly one expression.

    Offsets are characters of ``text``.
    """
    try:
        values = read_values(text)
    except SqlSyntaxError:
        return Other()
    return values[0] if len(values) == 1 else Other()


def read_values(text: str, shift: int = 0) -> tuple[Expr, ...]:
    """The expressions of a comma-separated list; ``shift`` is added to their offsets.

    Text with clauses behind the list (``count(*) from t``, which PL/pgSQL allows) is one Subquery. Raises
    SqlSyntaxError, its offset in ``text``.
    """
    if simple := _SIMPLE.fullmatch(text):
        found = _simple_value(simple, shift)
        if found is not None:
            return (found,)
    source = _SELECT + text
    try:
        trees = _parse_again(source) if len(source) <= _OFTEN_REPEATED else parse(source)
    except SqlSyntaxError as error:
        raise SqlSyntaxError(str(error), max(error.offset - len(_SELECT), 0)) from None
    select = trees[0]["stmt"].get("SelectStmt") if len(trees) == 1 else None
    if select is None or "intoClause" in select:
        raise SqlSyntaxError("not an expression", 0)
    if "targetList" not in select:
        raise SqlSyntaxError("an expression is missing", 0)
    local = None if source.isascii() else char_offsets(source)
    translator = QueryTranslator(local, shift - len(_SELECT), source)
    values: tuple[Expr, ...]
    if select.keys() <= _PLAIN_SELECT and select.get("op", "SETOP_NONE") == "SETOP_NONE":
        values = tuple([translator.expression(target["ResTarget"]["val"]) for target in select["targetList"]])
    else:
        values = (Subquery(translator.query({"SelectStmt": select})),)
    if translator.too_deep:
        raise SqlSyntaxError("an expression nested too deeply to read", 0)
    return values


# The tests of trigger functions repeat from one to the next: TG_OP = 'INSERT', NEW.a IS DISTINCT FROM OLD.a.
_OFTEN_REPEATED = 100
_parse_again = lru_cache(maxsize=1024)(parse)

# Most expressions of a trigger function are NEW, new.column, now() or auth.uid(): these need no parser.
_SIMPLE = re.compile(r"([a-z_][a-z0-9_]{0,62})(?:\.([a-z_][a-z0-9_]{0,62}))?(\(\))?", re.IGNORECASE | re.ASCII)


def _simple_value(match: re.Match[str], start: int) -> Expr | None:
    """A name or a call without arguments; None where its first word is a keyword with a meaning of its own."""
    first, second, parentheses = match.groups()
    first = first.lower()
    if quote(first) != first:
        return None
    if parentheses:
        return Call(first, second.lower(), (), start) if second else Call(None, first, (), start)
    return Column((first, second.lower()) if second else (first,), start)


def translate(tree: Tree, offset_map: OffsetMap) -> Expr:
    """The expression of a libpg_query node ``{kind: fields}``; ``offset_map`` turns its byte offsets into what is
    stored.
    """
    return QueryTranslator(offset_map).expression(tree)


# Walking


def children(expr: Expr) -> tuple[Expr, ...]:
    """The expressions directly inside one. Of a subquery that is its test; what its query holds is in
    ``walk_query``.
    """
    if isinstance(expr, (Literal, Column)):
        return ()
    if isinstance(expr, (Call, Operator)):
        return expr.args
    if isinstance(expr, Cast):
        return (expr.arg,)
    if isinstance(expr, Case):
        pairs = [part for pair in zip(expr.tests, expr.results, strict=True) for part in pair]
        ends = [end for end in (expr.subject, expr.otherwise) if end is not None]
        return (*pairs, *ends)
    if isinstance(expr, Subquery):
        return () if expr.test is None else (expr.test,)
    return expr.children


def walk(expr: Expr) -> Iterator[Expr]:
    """The expression and all inside it, those of its subqueries included."""
    if isinstance(expr, (Literal, Column)):
        yield expr
        return
    stack: list[Expr] = [expr]
    while stack:
        found = stack.pop()
        yield found
        stack.extend(reversed(children(found)))
        if isinstance(found, Subquery):
            yield from walk_query(found.query)


def walk_query(query: Query) -> Iterator[Expr]:
    """All expressions of a query and of the queries inside it. What two of them share (INSERT and the SELECT that
    supplies its rows) comes twice.
    """
    queries = [query]
    while queries:
        found = queries.pop()
        stack = list(reversed(list(expressions_of(found))))
        while stack:
            expr = stack.pop()
            yield expr
            # The queries of subqueries are among ``nested`` too: they come from there.
            stack.extend(reversed(children(expr)))
        queries.extend(reversed(found.nested))


def expressions_of(query: Query) -> Iterator[Expr]:
    """The expressions that stand in a query itself."""
    for output in query.outputs:
        yield output.value
    for assignment in query.assignments:
        if assignment.value is not None:
            yield assignment.value
    yield from query.values
    if query.on_conflict is not None:
        for assignment in query.on_conflict.assignments:
            if assignment.value is not None:
                yield assignment.value
    yield from query.conditions


# Who is asking


def is_session_identity(expr: Expr) -> bool:
    """Whether the value is the id of the user whose request this is: ``auth.uid()``, its definition in terms of the
    request's claims, the claim "sub" of ``auth.jwt()``, casts of these and ``(SELECT auth.uid())``.

    COALESCE counts only where each of its arguments does: ``coalesce(auth.uid(), x)`` may be somebody else's id.
    """
    if isinstance(expr, Cast):
        return is_session_identity(expr.arg)
    if isinstance(expr, Call):
        return _is_identity_call(expr)
    if isinstance(expr, Operator):
        return _is_subject_claim(expr)
    if isinstance(expr, Subquery):
        query = expr.query
        return (
            expr.kind == "scalar"
            and query.action == "select"
            and not (query.sources or query.derived or query.conditions)
            and len(query.outputs) == 1
            and is_session_identity(query.outputs[0].value)
        )
    return False


def _is_identity_call(call: Call) -> bool:
    if call.name == "uid":
        return not call.args and call.schema in (None, "auth")
    if call.schema not in (None, "pg_catalog"):
        return False
    if call.name == "current_setting":
        return _setting(call) == "request.jwt.claim.sub"
    if call.name == "nullif":
        return is_session_identity(call.args[0])
    if call.name == "coalesce":
        return all(is_session_identity(arg) for arg in call.args)
    return False


def _is_subject_claim(operator: Operator) -> bool:
    if operator.name not in ("->>", "#>>") or len(operator.args) != 2:
        return False
    source, key = operator.args
    while isinstance(key, Cast):
        key = key.arg
    wanted = {"->>": "sub", "#>>": "{sub}"}[operator.name]
    return isinstance(key, Literal) and key.value == wanted and _is_claims(source)


def _is_claims(expr: Expr) -> bool:
    """Whether the value is the whole of the request's claims."""
    if isinstance(expr, Cast):
        return _is_claims(expr.arg)
    if isinstance(expr, Subquery):
        query = expr.query
        return (
            expr.kind == "scalar"
            and not query.sources
            and len(query.outputs) == 1
            and _is_claims(query.outputs[0].value)
        )
    if not isinstance(expr, Call):
        return False
    if expr.name == "jwt":
        return not expr.args and expr.schema in (None, "auth")
    if expr.name in ("nullif", "coalesce"):
        return _is_claims(expr.args[0])
    return expr.name == "current_setting" and _setting(expr) in ("request.jwt.claims", "request.jwt.claim")


def _setting(call: Call) -> str | None:
    """The name of the setting that current_setting() reads; None where it is computed."""
    name = call.args[0] if call.args else None
    while isinstance(name, Cast):
        name = name.arg
    return name.value if isinstance(name, Literal) else None


def session_identity_in(expr: Expr) -> Expr | None:
    """The first expression inside (or the expression itself) that is the session's identity; None without one."""
    return next((inner for inner in walk(expr) if is_session_identity(inner)), None)


# NULL

_NEVER_NULL = """
concat concat_ws count row grouping now current_timestamp current_date current_time localtime localtimestamp
current_user current_role session_user user statement_timestamp clock_timestamp transaction_timestamp timeofday
gen_random_uuid uuid_generate_v4 uuidv4 uuidv7 random json_build_object json_build_array jsonb_build_object
jsonb_build_array json_object json_array format row_number rank dense_rank percent_rank cume_dist ntile
"""
# Functions that answer NULL to arguments that are not. Aggregates do so over no rows.
_OFTEN_NULL = """
uid role email jwt current_setting nullif sum avg min max array_agg string_agg json_agg jsonb_agg json_object_agg
jsonb_object_agg bool_and bool_or every bit_and bit_or any_value mode percentile_cont percentile_disc stddev variance
lag lead first_value last_value nth_value array_position array_length array_upper array_lower array_ndims
regexp_match regexp_substr to_regclass to_regtype to_regproc to_regprocedure to_regrole to_regnamespace
json_extract_path json_extract_path_text jsonb_extract_path jsonb_extract_path_text jsonb_path_query_first
json_value json_query current_schema inet_client_addr inet_server_addr col_description obj_description
"""
_NEVER_NULL_CALLS = frozenset(_NEVER_NULL.split())
_OFTEN_NULL_CALLS = frozenset(_OFTEN_NULL.split())
_NEVER_NULL_OPERATORS = frozenset(
    (
        "is null",
        "is not null",
        "is true",
        "is not true",
        "is false",
        "is not false",
        "is unknown",
        "is not unknown",
        "is distinct from",
        "is not distinct from",
        "array",
    )
)
_OFTEN_NULL_OPERATORS = frozenset(("->", "->>", "#>", "#>>", "[]", "."))

IsNullable = Callable[[Column], bool]


def may_be_null(expr: Expr, is_nullable: IsNullable) -> bool:
    """Whether the value can be NULL, given which names can.

    A function that nothing is known of is taken for strict and otherwise not NULL: its value can be NULL if an
    argument can.
    """
    if isinstance(expr, Literal):
        return expr.value is None
    if isinstance(expr, Column):
        return is_nullable(expr)
    if isinstance(expr, Cast):
        return may_be_null(expr.arg, is_nullable)
    if isinstance(expr, Call):
        return _call_may_be_null(expr, is_nullable)
    if isinstance(expr, Operator):
        if expr.name in _NEVER_NULL_OPERATORS:
            return False
        return expr.name in _OFTEN_NULL_OPERATORS or any(may_be_null(arg, is_nullable) for arg in expr.args)
    if isinstance(expr, Case):
        return _case_may_be_null(expr, is_nullable)
    if isinstance(expr, Subquery):
        return _subquery_may_be_null(expr, is_nullable)
    return not expr.children or any(may_be_null(child, is_nullable) for child in expr.children)


def _call_may_be_null(call: Call, is_nullable: IsNullable) -> bool:
    if call.name in ("coalesce", "greatest", "least") and call.schema is None:
        return all(may_be_null(arg, is_nullable) for arg in call.args)
    if call.name in _NEVER_NULL_CALLS:
        return False
    if call.name == "substring" and len(call.args) == 2 and isinstance(call.args[1], Literal):
        # substring(x from 'pattern'), where nothing may match.
        return call.args[1].kind == "string" or may_be_null(call.args[0], is_nullable)
    return call.name in _OFTEN_NULL_CALLS or any(may_be_null(arg, is_nullable) for arg in call.args)


def _case_may_be_null(case: Case, is_nullable: IsNullable) -> bool:
    """A result counts as not NULL where its own test, or the failure of an earlier one, says so."""
    if case.otherwise is None:
        return True
    if case.subject is not None:
        return any(may_be_null(result, is_nullable) for result in (*case.results, case.otherwise))
    known: frozenset[tuple[str, ...]] = frozenset()

    def branch(result: Expr, more: frozenset[tuple[str, ...]]) -> bool:
        given = known | more
        return may_be_null(result, lambda column: column.parts not in given and is_nullable(column))

    for test, result in zip(case.tests, case.results, strict=True):
        if branch(result, _not_null_if(test, holds=True)):
            return True
        known |= _not_null_if(test, holds=False)
    return branch(case.otherwise, frozenset())


def _not_null_if(test: Expr, holds: bool) -> frozenset[tuple[str, ...]]:
    """The names that cannot be NULL where the test holds, or where it does not."""
    if not isinstance(test, Operator):
        return frozenset()
    if test.name == ("and" if holds else "or"):
        return frozenset().union(*(_not_null_if(arg, holds) for arg in test.args))
    if test.name == ("is not null" if holds else "is null") and isinstance(test.args[0], Column):
        return frozenset((test.args[0].parts,))
    return frozenset()


def _subquery_may_be_null(subquery: Subquery, is_nullable: IsNullable) -> bool:
    query = subquery.query
    if subquery.kind in ("exists", "array"):
        return False
    # A scalar subquery over a table may find no row.
    if (
        subquery.kind == "scalar"
        and len(query.outputs) == 1
        and not (query.sources or query.derived or query.conditions)
    ):
        return may_be_null(query.outputs[0].value, is_nullable)
    return subquery.kind != "scalar" or not _is_lone_count(query)


def _is_lone_count(query: Query) -> bool:
    """count() answers over no rows too; behind GROUP BY, which stands in an Other, there may be no group."""
    value = query.outputs[0].value if len(query.outputs) == 1 else None
    return isinstance(value, Call) and value.name == "count" and not any(isinstance(c, Other) for c in query.conditions)
