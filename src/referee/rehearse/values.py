"""Values for columns: what a type takes, what a name suggests, what the literals of a CHECK constraint suggest.

Everything here is a candidate; the server decides. Values are SQL expressions, the most likely first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from referee.model.schema import Composite, Domain, Enum, Schema
from referee.postgres.session import literal
from referee.rehearse.patterns import example
from referee.sql import tree
from referee.sql.expressions import read_expression, walk

_TYPE = re.compile(r"(?P<base>[^(\[]+)(?:\((?P<modifiers>[^)]*)\))?(?P<rest>[^(\[]*)(?P<array>(?:\[\])*)")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")

_INTEGERS = frozenset({"smallint", "integer", "bigint", "oid"})
_NUMBERS = frozenset({"numeric", "real", "double precision", "money"})
_TEXTS = frozenset({"text", "character varying", "character", "bpchar", "name", "citext"})
_DATES = frozenset({"date", "timestamp with time zone", "timestamp without time zone"})
_DAY = "date '2026-01-01'"

# Types whose values have one simple form; {n} is a number that tells rows apart.
_SIMPLE: Mapping[str, tuple[str, ...]] = {
    "boolean": ("false", "true"),
    "uuid": ("'00000000-0000-4000-a000-{n:012x}'", "'00000000-0000-4000-b000-{n:012x}'"),
    "json": ("'{{}}'", "'[]'"),
    "jsonb": ("'{{}}'", "'[]'", "'[{{}}]'", "'\"text\"'"),
    "bytea": ("'\\x{n:04x}'",),
    "inet": ("'192.0.2.{b}'",),
    "cidr": ("'192.0.2.{b}/32'",),
    "macaddr": ("'08:00:2b:01:02:{b:02x}'",),
    "macaddr8": ("'08:00:2b:01:02:03:04:{b:02x}'",),
    "interval": ("'{n} hours'",),
    "time without time zone": ("time '10:00' + {n} * interval '1 minute'",),
    "time with time zone": ("timetz '10:00+00' + {n} * interval '1 minute'",),
    "point": ("'({n},{n})'",),
    "line": ("'{{1,1,{n}}}'",),
    "lseg": ("'[(0,0),({n},{n})]'",),
    "box": ("'(({n},{n}),(0,0))'",),
    "path": ("'((0,0),({n},{n}))'",),
    "polygon": ("'((0,0),({n},0),({n},{n}))'",),
    "circle": ("'<(0,0),{n}>'",),
    "tsvector": ("'word{n}'",),
    "tsquery": ("'word{n}'",),
    "xml": ("'<row n=\"{n}\"/>'",),
    "int4range": ("int4range({n}, {n} + 1)",),
    "int8range": ("int8range({n}, {n} + 1)",),
    "numrange": ("numrange({n}, {n} + 1)",),
    "daterange": (_DAY.join(("daterange(", " + {n}, ")) + _DAY + " + {n} + 1)",),
    "tsrange": ("tsrange(" + _DAY + " + {n}, " + _DAY + " + {n} + 1)",),
    "tstzrange": ("tstzrange(" + _DAY + " + {n}, " + _DAY + " + {n} + 1)",),
    "pg_lsn": ("'0/{n:X}'",),
    '"char"': ("'a'",),
    "hstore": ("'n=>{n}'",),
    "ltree": ("'n{n}'",),
    "regclass": ("'pg_class'",),
}

# What the name of a text column suggests, by the first pattern that it matches.
_BY_NAME: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"e_?mail", "row{n}@example.org"),
        (r"url|uri|link|website|avatar|image|picture|photo|logo", "https://example.org/{n}"),
        (r"phone|mobile|tel$", "+4930{n:08d}"),
        (r"slug|handle|user_?name|nick|subdomain", "row-{n}"),
        (r"colou?r", "#{n:06x}"),
        (r"currency", "EUR"),
        (r"country", "DE"),
        (r"time_?zone|^tz$", "UTC"),
        (r"locale|language|^lang$", "en"),
        (r"^ip|_ip$|ip_addr", "192.0.2.1"),
        (r"uuid|_id$", "00000000-0000-4000-a000-{n:012x}"),
        (r"version", "1.0.{n}"),
        (r"date", "2026-01-01"),
        (r"time", "10:00"),
    )
)


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type as ``format_type`` prints it, taken apart."""

    base: str
    modifiers: tuple[str, ...]
    is_array: bool

    @classmethod
    def parse(cls, text: str) -> TypeName:
        found = _TYPE.fullmatch(text)
        if found is None:
            return cls(text, (), False)
        modifiers = tuple(part.strip() for part in (found["modifiers"] or "").split(",") if part.strip())
        return cls(f"{found['base'].strip()}{found['rest']}".strip(), modifiers, bool(found["array"]))

    @property
    def unqualified(self) -> str:
        """The name without its schema, for the types of extensions."""
        return self.base.rpartition(".")[2] or self.base

    @property
    def length(self) -> int | None:
        """How many characters a text may have."""
        return int(self.modifiers[0]) if self.modifiers and self.modifiers[0].isdigit() else None


@dataclass(frozen=True)
class Values:
    """Candidates for the columns of a schema."""

    schema: Schema

    @cached_property
    def _enums(self) -> Mapping[str, Enum]:
        return {str(name): enum for name, enum in self.schema.enums.items()}

    @cached_property
    def _domains(self) -> Mapping[str, Domain]:
        return {str(name): domain for name, domain in self.schema.domains.items()}

    @cached_property
    def _composites(self) -> Mapping[str, Composite]:
        return {str(name): composite for name, composite in self.schema.composites.items()}

    def domain(self, type_: str) -> Domain | None:
        return self._domains.get(type_)

    def base_type(self, type_: str) -> str:
        """The type below all domains: one to which any candidate may be cast."""
        domain = self._domains.get(type_)
        return type_ if domain is None else self.base_type(domain.base)

    def candidates(self, type_: str, name: str, number: int, hints: Iterable[Hint] = ()) -> list[str]:
        """Values for a column of that type and name; rows with different numbers get different ones where they can."""
        found = dict.fromkeys([*self._from_hints(type_, number, hints), *self._plain(type_, name, number)])
        return list(found)

    def _plain(self, type_: str, name: str, number: int) -> Iterator[str]:
        if type_ in self._enums:
            yield from map(literal, self._enums[type_].labels)
            return
        if type_ in self._composites:
            yield f"row({', '.join('null' for _ in self._composites[type_].columns)})::{type_}"
            return
        if (domain := self._domains.get(type_)) is not None:
            hints = [hint for check in domain.checks for hint in hints_in(read_expression(check)).values()]
            yield from self.candidates(domain.base, name, number, [Hint.all(hints)])
            return
        parsed = TypeName.parse(type_)
        if parsed.is_array:
            yield "'{}'"
            element = next(self._plain(type_.removesuffix("[]"), name, number), None)
            if element is not None:
                yield f"array[{element}]::{type_}"
            return
        yield from _of_type(parsed, name, number)

    def _from_hints(self, type_: str, number: int, hints: Iterable[Hint]) -> Iterator[str]:
        parsed = TypeName.parse(self.base_type(type_))
        for hint in hints:
            yield from _suggested(parsed, number, hint, self._enums.get(type_))


@dataclass(frozen=True, slots=True)
class Hint:
    """What an expression says about a column: the constants beside it, and the patterns that it must match."""

    constants: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()

    @classmethod
    def all(cls, hints: Iterable[Hint]) -> Hint:
        constants: list[str] = []
        numbers: list[str] = []
        patterns: list[str] = []
        for hint in hints:
            constants += hint.constants
            numbers += hint.numbers
            patterns += hint.patterns
        return cls(tuple(constants), tuple(numbers), tuple(patterns))


def hints_in(expression: tree.Expr) -> Mapping[str, Hint]:
    """The columns that an expression names, each with all that the expression says.

    A constant counts for every column: which one it is compared with does not matter to a candidate.
    """
    constants: list[str] = []
    numbers: list[str] = []
    patterns: list[str] = []
    columns: list[str] = []
    for part in walk(expression):
        if isinstance(part, tree.Column):
            columns.append(part.parts[-1])
        elif isinstance(part, tree.Literal) and part.value is not None:
            if part.kind == "number":
                numbers.append(part.value)
            elif part.kind == "string":
                constants.append(part.value)
        if isinstance(part, tree.Operator) and part.name in ("~", "~*", "similar to", "like", "ilike", "~~", "~~*"):
            patterns += _patterns(part)
    hint = Hint(tuple(constants), tuple(numbers), tuple(patterns))
    return dict.fromkeys(columns, hint)


def _patterns(operator: tree.Operator) -> Iterator[str]:
    for arg in operator.args[1:]:
        for part in walk(arg):
            if isinstance(part, tree.Literal) and part.value is not None:
                if operator.name in ("~", "~*"):
                    yield part.value
                else:
                    yield re.escape(part.value).replace("%", "").replace("_", "a")


def _suggested(parsed: TypeName, number: int, hint: Hint, enum: Enum | None) -> Iterator[str]:
    base = parsed.unqualified
    if enum is not None:
        yield from (literal(constant) for constant in hint.constants if constant in enum.labels)
    elif parsed.is_array:
        if hint.constants:
            yield "array[" + ", ".join(map(literal, hint.constants[:1])) + "]"
    elif base in _INTEGERS or base in _NUMBERS:
        yield from _suggested_numbers(hint)
    elif base in _TEXTS:
        yield from _suggested_texts(parsed, number, hint)
    elif base in _DATES:
        yield from _suggested_times(base, hint)
    elif base in ("jsonb", "json"):
        yield from _suggested_json(hint)


def _suggested_numbers(hint: Hint) -> Iterator[str]:
    """The numbers themselves, and those around them."""
    for text in (*hint.numbers, *(constant for constant in hint.constants if _NUMBER.fullmatch(constant))):
        yield from (text, f"{text} + 1", f"{text} - 1")
    if len(hint.numbers) > 1:
        yield f"({hint.numbers[0]} + {hint.numbers[1]}) / 2"


def _suggested_times(base: str, hint: Hint) -> Iterator[str]:
    for constant in hint.constants:
        if re.match(r"\d{4}-\d\d", constant):
            yield literal(constant)
            yield from (f"{base} {literal(constant)} {sign} interval '1 day'" for sign in "+-")
    yield from (f"{_DAY} + {days}" for days in (1, 2, 400))
    yield "now() + interval '1 day'"
    yield "now() - interval '1 day'"


def _suggested_json(hint: Hint) -> Iterator[str]:
    """Objects with the keys that are asked for, the constants themselves, arrays of the lengths that are asked for."""
    yield from (f"jsonb_build_object({literal(one)}, '')" for one in hint.constants if one.isidentifier())
    yield from (literal(constant) for constant in hint.constants if constant[:1] in ("[", "{", '"'))
    for size in sorted({int(text) for text in hint.numbers if text.isdigit() and int(text) <= 20}):
        yield from (literal("[" + ", ".join(["{}"] * length) + "]") for length in (size, size + 1))


def _suggested_texts(parsed: TypeName, number: int, hint: Hint) -> Iterator[str]:
    for pattern in hint.patterns:
        if (text := example(pattern, number)) is not None:
            yield literal(text)
    yield from (literal(constant) for constant in hint.constants if constant not in hint.patterns)
    for size in sorted({int(text) for text in hint.numbers if text.isdigit() and int(text) <= 1_000}):
        for length in (size, size + 1, size - 1):
            if length > 0:
                yield literal(_sized(number, length))


def _sized(number: int, length: int) -> str:
    """A text of that length, another one for other numbers where there is room."""
    digits = str(number)
    return (digits + "x" * length)[:length] if len(digits) <= length else digits[-length:]


def _of_type(parsed: TypeName, name: str, number: int) -> Iterator[str]:
    base = parsed.unqualified
    if base in _INTEGERS:
        yield str(number)
        yield "0"
    elif base in _NUMBERS:
        yield from _decimals(parsed, number)
    elif base in _TEXTS:
        yield from _texts(parsed, name, number)
    elif base in _DATES:
        yield f"{_DAY} + {number}"
        yield "now()"
    elif base in _SIMPLE:
        yield from (form.format(n=number, b=number % 250 + 1) for form in _SIMPLE[base])
    elif base in ("bit", "bit varying"):
        yield literal("1" * (parsed.length or 1)) + f"::{parsed.base}({parsed.length or 1})"
    elif base in ("vector", "halfvec"):
        yield literal("[" + ",".join(["1"] * (parsed.length or 1)) + "]")
    elif base in ("geometry", "geography"):
        yield "'SRID=4326;POINT(0 0)'"
        yield "'POINT(0 0)'"
    else:
        yield from ("''", "'0'", "'{}'", "'a'")


def _decimals(parsed: TypeName, number: int) -> Iterator[str]:
    if len(parsed.modifiers) == 2:
        whole = int(parsed.modifiers[0]) - int(parsed.modifiers[1])
        yield str(number % 10**whole) if whole > 0 else "0"
    else:
        yield str(number)
    yield from ("0", "0.5")


def _texts(parsed: TypeName, name: str, number: int) -> Iterator[str]:
    lowered = name.lower()
    guesses = [text.format(n=number) for pattern, text in _BY_NAME if pattern.search(lowered)]
    guesses += [f"{lowered.replace('_', ' ')} {number}", str(number)]
    for guess in guesses:
        if parsed.length is None or len(guess) <= parsed.length:
            yield literal(guess)
    if parsed.length is not None:
        yield literal(_sized(number, parsed.length))
