"""Whether an expression is NULL, and whether a condition holds, as far as that can be known without running it.

``Facts`` say what is known of names at one point of a function; ``nullness`` and ``truth`` follow an expression from
there. Where the facts end the answer is UNKNOWN, never a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum

from referee.sql.expressions import describe, is_session_identity, walk
from referee.sql.tree import Call, Case, Cast, Column, Expr, Literal, Operator, Other, Subquery

Name = tuple[str, ...]


class Nullness(IntEnum):
    """How often a value is NULL. MAYBE: some rows certainly have a NULL there; UNKNOWN: nothing is known."""

    NEVER = 0
    UNKNOWN = 1
    MAYBE = 2
    ALWAYS = 3


class Truth(IntEnum):
    """What a condition comes to. SOME: it holds for some rows and for others not; UNKNOWN: nothing is known."""

    FALSE = 0
    TRUE = 1
    NULL = 2
    SOME = 3
    UNKNOWN = 4


NEVER, UNKNOWN, MAYBE, ALWAYS = Nullness.NEVER, Nullness.UNKNOWN, Nullness.MAYBE, Nullness.ALWAYS


@dataclass(frozen=True)
class Facts:
    """What is known of names: ("new", "email"), ("tg_op",), a variable, or for a CHECK a bare column.

    ``nulls`` tells how often a value is NULL, ``words`` what a value is known to be, as text. ``documents`` are JSON
    values of which any key may be missing; ``keys`` knows single keys of them better. ``given`` are expressions, in the
    words of ``describe``, that conditions have shown not to be NULL, with the names in them. ``session`` is whether a
    request's user is known, so that ``auth.uid()`` has a value.
    """

    nulls: Mapping[Name, Nullness] = field(default_factory=dict)
    words: Mapping[Name, str] = field(default_factory=dict)
    documents: frozenset[Name] = frozenset()
    keys: Mapping[tuple[Name, str], Nullness] = field(default_factory=dict)
    given: Mapping[str, frozenset[Name]] = field(default_factory=dict)
    session: bool = True

    def assign(self, name: Name, value: Nullness, word: str | None = None, document: Name | None = None) -> Facts:
        """The facts after a name got another value; what conditions had shown about it is forgotten.

        ``document`` is the JSON document that the value is, where it is one.
        """
        words = {known: text for known, text in self.words.items() if known != name}
        if word is not None:
            words[name] = word
        given = {text: names for text, names in self.given.items() if name not in names}
        documents, keys = self.documents - {name}, self.keys
        if document is not None:
            documents |= {name}
            keys = {**keys, **{(name, key): how for (of, key), how in keys.items() if of == document}}
        return replace(
            self, nulls={**self.nulls, name: value}, words=words, given=given, documents=documents, keys=keys
        )


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Functions whose result is NULL where, and only where, one of their arguments is.
_STRICT = _words(
    """
    abs btrim ceil ceiling char_length character_length chr clock_timestamp crypt current_catalog current_date
    current_role current_time current_timestamp current_user date_part date_trunc decode digest encode extract floor
    gen_random_bytes gen_random_uuid gen_salt hashtext hmac initcap left length localtime localtimestamp lower lpad
    ltrim md5 nextval now octet_length overlay position pg_trigger_depth random regexp_replace repeat replace
    reverse right round rpad rtrim session_user sha256 split_part statement_timestamp strpos substr timezone to_char
    to_date to_json to_jsonb to_timestamp transaction_timestamp translate trim trunc upper user uuid_generate_v1
    uuid_generate_v4 uuidv4 uuidv7
    """
)
_NEVER_NULL = _words(
    """
    concat count format json_build_array json_build_object jsonb_build_array jsonb_build_object num_nonnulls
    num_nulls quote_nullable row
    """
)
_NULL_WITHOUT_SESSION = frozenset({"uid", "email", "jwt", "role"})
_LOOKUPS = frozenset({"->", "->>", "#>", "#>>"})
_COMPARISONS = frozenset(
    {"=", "<>", "!=", "<", ">", "<=", ">=", "~", "~*", "!~", "!~*", "like", "ilike", "not like", "not ilike"}
)
_STRICT_OPERATORS = _COMPARISONS | {"||", "+", "-", "*", "/", "%", "^", "?", "@>", "<@", "between", "not between"}


def nullness(expr: Expr | None, facts: Facts) -> Nullness:
    """How often an expression is NULL; None stands for no expression, of which nothing is known."""
    match expr:
        case None:
            return UNKNOWN
        case Literal():
            return ALWAYS if expr.value is None else NEVER
        case _ if facts.given and describe(expr) in facts.given:
            return NEVER
        case _ if not facts.session and is_session_identity(expr):
            return ALWAYS
        case Column(parts=parts):
            return facts.nulls.get(parts, UNKNOWN)
        case Cast(arg=arg):
            return nullness(arg, facts)
        case Call():
            return _of_call(expr, facts)
        case Operator():
            return _of_operator(expr, facts)
        case Case():
            return _of_case(expr, facts)
        case Subquery(kind="exists" | "array"):
            return NEVER
        case _:
            return UNKNOWN


def _strictly(args: Iterable[Expr], facts: Facts) -> Nullness:
    """NULL where one of the arguments is."""
    return max((nullness(arg, facts) for arg in args), default=NEVER)


def _first_of(args: Iterable[Expr], facts: Facts) -> Nullness:
    """NULL where all of the arguments are, as COALESCE is."""
    found = [nullness(arg, facts) for arg in args]
    if NEVER in found:
        return NEVER
    return UNKNOWN if UNKNOWN in found else min(found, default=ALWAYS)


def _of_call(call: Call, facts: Facts) -> Nullness:
    if call.name in ("coalesce", "greatest", "least"):
        return _first_of(call.args, facts)
    if call.schema == "auth" and call.name in _NULL_WITHOUT_SESSION:
        return UNKNOWN if facts.session else ALWAYS
    if call.schema not in (None, "pg_catalog", "extensions"):
        return UNKNOWN
    if call.name == "nullif":
        return ALWAYS if nullness(call.args[0] if call.args else None, facts) is ALWAYS else UNKNOWN
    if call.name in ("jsonb_extract_path_text", "json_extract_path_text", "jsonb_extract_path", "json_extract_path"):
        return _of_lookup(call.args, facts)
    if call.name in _NEVER_NULL:
        return NEVER
    if call.name in _STRICT or (call.name == "substring" and len(call.args) == 3):
        return _strictly(call.args, facts)
    return UNKNOWN


def _of_operator(operator: Operator, facts: Facts) -> Nullness:
    if operator.name in _LOOKUPS:
        return _of_lookup(operator.args, facts)
    if operator.name in _STRICT_OPERATORS:
        return _strictly(operator.args, facts)
    return NEVER if operator.name.startswith("is ") or operator.name == "array" else UNKNOWN


def _of_lookup(args: tuple[Expr, ...], facts: Facts) -> Nullness:
    """A key of a JSON document is NULL where the document lacks it."""
    if not args or nullness(args[0], facts) is ALWAYS:
        return ALWAYS if args else UNKNOWN
    direct = document_of(args[0], facts)
    if direct is not None and len(args) == 2 and isinstance(args[1], Literal):
        return facts.keys.get((direct, args[1].value or ""), facts.keys.get((direct, ""), MAYBE))
    root = args[0]
    while isinstance(root, Operator) and root.name in _LOOKUPS and root.args:
        root = root.args[0]
    return MAYBE if document_of(root, facts) is not None else UNKNOWN


def document_of(expr: Expr, facts: Facts) -> Name | None:
    """The JSON document that an expression is, with or without a cast or a COALESCE around it."""
    while True:
        if isinstance(expr, Cast):
            expr = expr.arg
        elif isinstance(expr, Call) and expr.name == "coalesce" and expr.args:
            expr = expr.args[0]
        else:
            return expr.parts if isinstance(expr, Column) and expr.parts in facts.documents else None


def lookups_in(expr: Expr, facts: Facts) -> Iterator[str]:
    """The keys that an expression reads from documents."""
    for inner in walk(expr):
        if isinstance(inner, Operator) and inner.name in _LOOKUPS and len(inner.args) == 2:
            document, key = inner.args
            if document_of(document, facts) is not None and isinstance(key, Literal):
                yield key.value or ""


def _of_case(case: Case, facts: Facts) -> Nullness:
    results: list[Nullness] = []
    for test, result in zip(case.tests, case.results, strict=True):
        held = Truth.UNKNOWN if case.subject is not None else truth(test, facts)
        if held in (Truth.FALSE, Truth.NULL):
            continue
        if case.subject is not None:
            results.append(nullness(result, facts))
            continue
        results.append(nullness(result, assume(test, True, facts)))
        if held is Truth.TRUE:
            break
        facts = assume(test, False, facts)
    else:
        results.append(ALWAYS if case.otherwise is None else nullness(case.otherwise, facts))
    if len(set(results)) == 1:
        return results[0]
    return MAYBE if min(results) >= MAYBE else UNKNOWN


def word(expr: Expr | None, facts: Facts) -> str | None:
    """What an expression is known to come to, as text; None where that is not known."""
    match expr:
        case Literal():
            return expr.value
        case Column(parts=parts):
            return facts.words.get(parts)
        case Cast(arg=arg):
            return word(arg, facts)
        case Call(name="coalesce", args=args):
            for arg in args:
                how = nullness(arg, facts)
                if how is NEVER:
                    return word(arg, facts)
                if how is not ALWAYS:
                    return None
            return None
        case Call(name="lower" | "upper" | "btrim" | "trim" as name, args=(arg,)):
            inner = word(arg, facts)
            change = {"lower": str.lower, "upper": str.upper}.get(name, str.strip)
            return None if inner is None else change(inner)
        case _:
            return None


def truth(expr: Expr | None, facts: Facts) -> Truth:
    """What a condition comes to under the facts."""
    match expr:
        case Literal(kind="null"):
            return Truth.NULL
        case Literal(value=value):
            return _truth_of_word(value)
        case Column() | Cast() | Call(name="coalesce"):
            if nullness(expr, facts) is ALWAYS:
                return Truth.NULL
            return _truth_of_word(word(expr, facts))
        case Operator(name="and", args=args):
            return _all(truth(arg, facts) for arg in args)
        case Operator(name="or", args=args):
            return _not(_all(_not(truth(arg, facts)) for arg in args))
        case Operator(name="not", args=(arg,)):
            return _not(truth(arg, facts))
        case Operator():
            return _truth_of_operator(expr, facts)
        case _:
            return Truth.NULL if nullness(expr, facts) is ALWAYS else Truth.UNKNOWN


def _truth_of_word(text: str | None) -> Truth:
    if text is None:
        return Truth.UNKNOWN
    return {"true": Truth.TRUE, "t": Truth.TRUE, "false": Truth.FALSE, "f": Truth.FALSE}.get(
        text.lower(), Truth.UNKNOWN
    )


def _not(value: Truth) -> Truth:
    return {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE}.get(value, value)


def _all(values: Iterable[Truth]) -> Truth:
    results = list(values)
    # Two conditions that each hold for some rows need not hold for any together.
    found, several = set(results), results.count(Truth.SOME) > 1
    if Truth.FALSE in found:
        return Truth.FALSE
    if Truth.UNKNOWN in found or {Truth.NULL, Truth.SOME} <= found or several:
        return Truth.UNKNOWN
    if Truth.NULL in found:
        return Truth.NULL
    return Truth.SOME if Truth.SOME in found else Truth.TRUE


def _truth_of_operator(operator: Operator, facts: Facts) -> Truth:
    args = operator.args
    match operator.name:
        case "is null":
            return _is_null(args[0], facts)
        case "is not null":
            return _not(_is_null(args[0], facts))
        case "is distinct from":
            return _is_distinct(args, facts)
        case "is not distinct from":
            return _not(_is_distinct(args, facts))
        case "is true" | "is not false":
            return _is_boolean(operator, facts, Truth.TRUE if operator.name == "is true" else Truth.FALSE)
        case "is false" | "is not true":
            return _is_boolean(operator, facts, Truth.FALSE if operator.name == "is false" else Truth.TRUE)
        case "in" | "not in" if args:
            held = _is_among(args[0], args[1:], facts)
            return held if operator.name == "in" else _not(held)
        case "any" if len(args) == 2 and (items := _elements(args[1])):
            return _is_among(args[0], items, facts)
        case name if name in _COMPARISONS:
            return _compare(name, args, facts)
        case _:
            return Truth.NULL if nullness(operator, facts) is ALWAYS else Truth.UNKNOWN


def _is_boolean(operator: Operator, facts: Facts, wanted: Truth) -> Truth:
    """``x IS TRUE`` and its kind, which are never NULL themselves."""
    value = truth(operator.args[0], facts)
    if value in (Truth.UNKNOWN, Truth.SOME):
        return value
    return Truth.TRUE if (value is wanted) != operator.name.startswith("is not") else Truth.FALSE


def _is_null(arg: Expr, facts: Facts) -> Truth:
    return {ALWAYS: Truth.TRUE, MAYBE: Truth.SOME, NEVER: Truth.FALSE}.get(nullness(arg, facts), Truth.UNKNOWN)


def _is_distinct(args: tuple[Expr, ...], facts: Facts) -> Truth:
    one, other = (nullness(arg, facts) for arg in args[:2])
    if {one, other} == {ALWAYS}:
        return Truth.FALSE
    if {one, other} == {ALWAYS, NEVER}:
        return Truth.TRUE
    return _not(_compare("=", args, facts)) if {one, other} == {NEVER} else Truth.UNKNOWN


def _is_among(arg: Expr, items: tuple[Expr, ...], facts: Facts) -> Truth:
    if nullness(arg, facts) is ALWAYS:
        return Truth.NULL
    wanted, words = word(arg, facts), [word(item, facts) for item in items]
    if wanted is None or None in words:
        return Truth.UNKNOWN
    return Truth.TRUE if wanted in words else Truth.FALSE


def _elements(expr: Expr) -> tuple[Expr, ...]:
    """The elements of an array constructor, whatever it is cast to."""
    while isinstance(expr, Cast):
        expr = expr.arg
    return expr.args if isinstance(expr, Operator) and expr.name == "array" else ()


def _compare(name: str, args: tuple[Expr, ...], facts: Facts) -> Truth:
    if any(nullness(arg, facts) is ALWAYS for arg in args):
        return Truth.NULL
    words = [word(arg, facts) for arg in args]
    if len(words) != 2 or None in words or name not in ("=", "<>", "!="):
        return Truth.UNKNOWN
    return Truth.TRUE if (words[0] == words[1]) == (name == "=") else Truth.FALSE


def assume(expr: Expr | None, holds: bool, facts: Facts) -> Facts:
    """The facts where a condition is known to have held, or not to have held (false or NULL)."""
    shown = {describe(known): _names(known) for known in _shown(expr, holds)}
    return replace(facts, given={**facts.given, **shown}) if shown else facts


def _names(expr: Expr) -> frozenset[Name]:
    return frozenset(inner.parts for inner in walk(expr) if isinstance(inner, Column))


def _shown(expr: Expr | None, holds: bool) -> Iterator[Expr]:
    """What cannot be NULL where a condition held, or did not."""
    match expr:
        case Operator(name="and", args=args) if holds:
            for arg in args:
                yield from _shown(arg, True)
        case Operator(name="or", args=args) if not holds:
            for arg in args:
                yield from _shown(arg, False)
        case Operator(name="not", args=(arg,)) if holds:
            # NOT x holds only where x is false, so everything that x needs in order not to be NULL is there.
            yield from _shown(arg, False)
            yield from _needed(arg)
        case Operator(name="is not null", args=(arg,)) if holds:
            yield from _needed(arg)
        case Operator(name="is null", args=(arg,)) if not holds:
            yield from _needed(arg)
        case Operator(name="?", args=(document, Literal() as key)) if holds:
            yield from _needed(document)
            yield Operator("->>", (document, key))
        case Operator(name=name, args=args) if holds and name in _COMPARISONS:
            for arg in args:
                yield from _needed(arg)


def _needed(expr: Expr) -> Iterator[Expr]:
    """An expression and all inside it that cannot be NULL where the expression is not."""
    if isinstance(expr, Literal | Other | Subquery | Case):
        return
    yield expr
    match expr:
        case Cast(arg=arg):
            yield from _needed(arg)
        case Call(name=name, args=args) if name in _STRICT:
            for arg in args:
                yield from _needed(arg)
        case Operator(name=name, args=args) if name in _STRICT_OPERATORS or name in _LOOKUPS:
            for arg in args:
                yield from _needed(arg)
