"""The trigger that fills a mirror: which column gets what, and the statements that say so.

The function runs with its owner's rights and an empty search_path, names everything in full, supplies every column that
refuses NULL, never fails on a missing value, and leaves a row that exists alone. An update of the account reaches the
mirror only where it changes what the mirror copies, so that a login writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from referee.errors import RefereeError
from referee.fixing.style import cased
from referee.model.change import CreateSyncTrigger
from referee.model.names import QName, clip, quote
from referee.model.plan import Question
from referee.model.schema import Column, Schema, Table
from referee.sql import clauses
from referee.sql.evaluate import UNKNOWN, evaluate

AUTH_USERS = QName("auth", "users")

_TEXT = re.compile(r"(?:\w+\.)?(?:text|citext|character varying(?:\((\d+)\))?|character\((\d+)\)|bpchar)", re.ASCII)
_ADDRESSES = frozenset(["email", "email_address", "phone", "phone_number"])
_NAMES = frozenset(["name", "full_name", "fullname", "display_name", "displayname", "real_name"])
_HANDLES = frozenset(["username", "user_name", "handle", "nickname", "nick", "login", "slug"])
_PICTURES = frozenset(["avatar", "avatar_url", "avatarurl", "picture", "picture_url", "image_url", "photo_url"])
_NEUTRAL = {
    "boolean": "false",
    "smallint": "0",
    "integer": "0",
    "bigint": "0",
    "real": "0",
    "double precision": "0",
    "timestamp with time zone": "now()",
    "timestamp without time zone": "now()",
    "date": "current_date",
    "json": "'{}'",
    "jsonb": "'{}'",
}


STAND_IN = "{stand_in}"
"""In a value's expression: what takes the place of an address that there is none of."""

_STRING = re.compile(r"'[^'\\{]*'")
_COLUMN = re.compile(r"new\.\w+::text")
_NEW = re.compile(r"('(?:[^']|'')*')|\bnew\.")
_LISTS = re.compile(r"\bin\s*\(|=\s*any\b", re.IGNORECASE)
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_SOME_ID = "00000000-0000-4000-8000-000000000000"


class UndecidedError(RefereeError):
    """A change that needs an answer first. ``questions`` are those that have none."""

    def __init__(self, message: str, questions: tuple[Question, ...] = ()) -> None:
        super().__init__(message)
        self.questions = questions


@dataclass(frozen=True, slots=True)
class Value:
    """What a column of the mirror gets: an expression in which ``{row}`` stands for the source's row.

    ``copies`` are the source's columns that it repeats, so that it has to follow them.
    """

    column: str
    expression: str
    copies: tuple[str, ...] = ()

    def of(self, row: str) -> str:
        return self.expression.replace("{row}", row)


@dataclass(frozen=True, slots=True)
class Sync:
    """A sync trigger, written. ``statements`` make it, ``undo`` takes it away."""

    function: QName
    trigger: str
    create_function: str
    revoke: str
    create_trigger: str
    undo: tuple[str, ...]
    values: tuple[Value, ...]
    questions: tuple[Question, ...] = field(default=())

    @property
    def statements(self) -> tuple[str, ...]:
        return self.create_function, self.revoke, self.create_trigger


def compose(
    schema: Schema, change: CreateSyncTrigger, answers: Mapping[str, str] | None = None, upper: bool = False
) -> Sync:
    """The trigger for a schema. Raises UndecidedError where a column needs a value that nobody can guess."""
    values, questions = sync_values(schema, change, answers or {})
    _must_be_decided(questions)
    source, mirror = change.source.table, change.mirror.table
    name = _free_function(schema, mirror)
    trigger = _free_trigger(schema, source, name.name)
    function = _function(name, change, values, upper)
    create_trigger = _trigger(trigger, source, name, values, upper)
    revoke = cased(f"revoke execute on function {name}() from {_callers(schema)}", upper)
    undo = (f"drop trigger {quote(trigger)} on {source}", f"drop function {name}()")
    for statement in (function, revoke, create_trigger, *undo):
        clauses.statement(statement)
    return Sync(name, trigger, function, revoke, create_trigger, undo, values, questions)


def decided_values(schema: Schema, change: CreateSyncTrigger, answers: Mapping[str, str]) -> tuple[Value, ...]:
    """What each column of the mirror gets, the key first. Raises UndecidedError as ``compose`` does."""
    values, questions = sync_values(schema, change, answers)
    _must_be_decided(questions)
    return values


def _must_be_decided(questions: tuple[Question, ...]) -> None:
    open_ = tuple(question for question in questions if question.answer is None)
    if open_:
        raise UndecidedError(" ".join([question.text for question in open_]), open_)


def backfill(change: CreateSyncTrigger, values: tuple[Value, ...]) -> str:
    """One statement that gives each row of the source the row of the mirror that it lacks."""
    key = change.source.columns[0]
    columns = ", ".join([quote(value.column) for value in values])
    selected = ",\n  ".join([value.of("source") for value in values])
    [mirror_key] = change.mirror.columns
    return clauses.statement(
        f"insert into {change.mirror.table} ({columns})\nselect\n  {selected}\nfrom {change.source.table} as source\n"
        f"where not exists (select from {change.mirror.table} as mirror "
        f"where mirror.{quote(mirror_key)} = source.{quote(key)})\non conflict ({quote(mirror_key)}) do nothing"
    )


def unmirrored(change: CreateSyncTrigger) -> str:
    """The rows of the source that have none in the mirror."""
    key, mirror_key = quote(change.source.columns[0]), quote(change.mirror.columns[0])
    return (
        f"select source.{key} from {change.source.table} as source where not exists "
        f"(select from {change.mirror.table} as mirror where mirror.{mirror_key} = source.{key})"
    )


# The text


def _function(name: QName, change: CreateSyncTrigger, values: tuple[Value, ...], upper: bool) -> str:
    body = cased(_body(change, values), upper)
    tag = "$$"
    while tag in body:
        tag = f"$sync{tag[1:]}" if tag == "$$" else f"{tag[:-1]}_$"
    head = cased(
        f"create function {name}()\nreturns trigger\nlanguage plpgsql\nsecurity definer\nset search_path = ''\nas ",
        upper,
    )
    return f"{head}{tag}\n{body}\n{tag}"


def _body(change: CreateSyncTrigger, values: tuple[Value, ...]) -> str:
    mirror, key = change.mirror.table, quote(change.mirror.columns[0])
    columns = ", ".join([quote(value.column) for value in values])
    given = ",\n    ".join([value.of("new") for value in values])
    copied = [quote(value.column) for value in values if value.copies]
    conflict = f"  on conflict ({key}) do nothing;"
    if copied:
        assigned = ", ".join([f"{column} = excluded.{column}" for column in copied])
        differs = " or ".join([f"mirror.{column} is distinct from excluded.{column}" for column in copied])
        conflict = f"  on conflict ({key}) do update set {assigned}\n    where {differs};"
    return (
        f"begin\n  insert into {mirror} as mirror ({columns})\n  values (\n    {given}\n  )\n"
        f"{conflict}\n  return new;\nend;"
    )


def _trigger(trigger: str, source: QName, function: QName, values: tuple[Value, ...], upper: bool) -> str:
    copied = tuple(dict.fromkeys(column for value in values for column in value.copies))
    events = f"insert or update of {clauses.names(copied)}" if copied else "insert"
    return cased(
        f"create trigger {quote(trigger)}\n  after {events} on {source}\n  for each row execute function {function}()",
        upper,
    )


def _callers(schema: Schema) -> str:
    """Everybody, and the roles that the host gives each new function to."""
    given = {
        grant.grantee for entry, grants in schema.default_grants.items() if entry.kind == "function" for grant in grants
    }
    roles = sorted(given & {"anon", "authenticated", "service_role"})
    return ", ".join(["public", *map(quote, roles)])


def _free_function(schema: Schema, mirror: QName) -> QName:
    base, number = clip(f"sync_{mirror.name}", 60), 1
    name = QName(mirror.schema, base)
    while name in schema.functions_by_name:
        number += 1
        name = QName(mirror.schema, f"{base}_{number}")
    return name


def _free_trigger(schema: Schema, source: QName, base: str) -> str:
    table = schema.table(source)
    taken = {trigger.name for trigger in table.triggers} if table is not None else set()
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{clip(base, 60)}_{number}"
    return name


# The values


class _Nowhere:
    """A world in which nothing is known but the values of constants."""

    def relation(self, schema: str | None, name: str, wanted: Mapping[str, object]) -> None:
        return None

    def cast(self, value: object, type_name: str) -> object:
        return value if type_name in ("text", "varchar", "bpchar") else UNKNOWN

    def call(self, name: str, arguments: Sequence[object]) -> object:
        return UNKNOWN


_NOWHERE = _Nowhere()


def sync_values(
    schema: Schema, change: CreateSyncTrigger, answers: Mapping[str, str]
) -> tuple[tuple[Value, ...], tuple[Question, ...]]:
    """What each column of the mirror gets, the key first, and what was asked on the way."""
    source, mirror = schema.table(change.source.table), schema.table(change.mirror.table)
    if source is None or mirror is None:
        raise UndecidedError(f"What {change.source.table} and {change.mirror.table} hold is not known.")
    [key], [mirror_key] = change.source.columns, change.mirror.columns
    pair = _Pair(source, mirror, quote(key), quote(mirror_key), key)
    values = [Value(mirror_key, f"{{row}}.{quote(key)}")]
    questions: list[Question] = []
    for column in mirror.columns:
        if column.name == mirror_key or column.generated is not None or column.identity == "always":
            continue
        id_ = f"value {mirror.name}.{quote(column.name)}"
        value, question = _known(pair, column), None
        if id_ in answers or (value is None and must_be_given(schema, column)):
            question = _ask(schema, pair, column, id_, answers.get(id_))
            value = None if question.answer is None else Value(column.name, _answered(question.answer))
        elif value is not None and STAND_IN in value.expression:
            question = _ask_stand_in(pair, column, answers)
            stand_in = "null" if question.answer is None else _answered(question.answer)
            value = Value(value.column, value.expression.replace(STAND_IN, stand_in), value.copies)
        if question is not None:
            questions.append(question)
        if value is not None:
            values.append(value)
    return tuple(values), tuple(questions)


def _answered(answer: str) -> str:
    """An answer as part of a value; ``new.`` in it is the account's row, in the backfill too."""
    if _STRING.fullmatch(answer) is not None:
        return answer
    text = answer if _COLUMN.fullmatch(answer) is not None else clauses.expression(answer)
    return _NEW.sub(lambda found: found[1] or "{row}.", text.replace("{row}", "row"))


def must_be_given(schema: Schema, column: Column) -> bool:
    """Whether an INSERT has to name a column."""
    if column.default is not None or column.identity:
        return False
    domain = next((known for known in schema.domains.values() if str(known.name) == column.type), None)
    return column.not_null or (domain is not None and domain.not_null and domain.default is None)


def _ask(schema: Schema, pair: _Pair, column: Column, id_: str, answer: str | None) -> Question:
    mirror, recommended = pair.mirror, _neutral(schema, pair, column)
    text = f"What does a new row of {mirror.name} have in {quote(column.name)} ({column.type}), which refuses NULL?"
    reason = "No sign-up says it and the column has no default"
    if pair.is_checked(column):
        reason = "A CHECK constraint decides what it may be, and not every sign-up brings that"
    if recommended is None:
        reason += "; referee cannot know what would do."
    else:
        reason += "; this is the plainest value of its type."
    return Question(id_, text, recommended, reason, (), answer if answer is not None else recommended)


def _ask_stand_in(pair: _Pair, column: Column, answers: Mapping[str, str]) -> Question:
    """What takes the place of an address that an account does not have, or may not have here."""
    label = f"{pair.mirror.name}.{quote(column.name)}"
    own = f"new.{pair.key}::text"
    kinds = [own] if pair.is_taken_by_one(column) else ["''", own]
    if column.name.lower().startswith("email"):
        # No mail is ever delivered to this domain (RFC 2606, section 2).
        kinds.append(f"{own} || '@users.invalid'")
    recommended = next((kind for kind in kinds if pair.accepts(column, kind) is True), None)
    text = f"What does {label}, which refuses NULL, hold for an account without one (by phone, anonymous)?"
    reason = "the plainest value that every constraint on the column takes"
    if pair.is_taken_by_one(column):
        text = text.replace(")?", "), or with one that another row has?")
        reason += ", and that no other row has"
    id_ = f"without {label}"
    if recommended is None:
        reason = "referee cannot tell what its CHECK constraints take"
    return Question(id_, text, recommended, f"{reason[0].upper()}{reason[1:]}.", (), answers.get(id_, recommended))


def _neutral(schema: Schema, pair: _Pair, column: Column) -> str | None:
    """The plainest value that the column takes; None where none is known to be taken."""
    kinds = [_of_type(schema, pair.mirror, column), *pair.listed(column)]
    if column.name.lower() in _NAMES:
        kinds.insert(0, "'New user'" if _TEXT.fullmatch(column.type) and kinds[0] is not None else None)
    if kinds[-1] is None or not pair.is_checked(column):
        return kinds[0]
    return next((kind for kind in kinds if kind is not None and pair.accepts(column, kind) is True), None)


def _of_type(schema: Schema, mirror: Table, column: Column) -> str | None:
    if any(column.name in key.columns for key in mirror.foreign_keys):
        return None
    if mirror.is_unique((column.name,)):
        return None
    if _TEXT.fullmatch(column.type):
        return "''"
    if column.type.startswith("numeric"):
        return "0"
    if column.type.endswith("[]"):
        return "'{}'"
    for name, kind in schema.enums.items():
        if column.type in (str(name), quote(name.name)) and kind.labels:
            return clauses.string(kind.labels[0])
    return _NEUTRAL.get(column.type)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A source and its mirror; ``key`` and ``mirror_key`` are quoted."""

    source: Table
    mirror: Table
    key: str
    mirror_key: str
    source_key: str

    def checks(self, column: Column) -> list[str]:
        name = re.compile(rf"\b{re.escape(column.name)}\b")
        return [check.expression for check in self.mirror.checks if name.search(check.expression)]

    def is_checked(self, column: Column) -> bool:
        return bool(self.checks(column))

    def accepts(self, column: Column, expression: str) -> bool | None:
        """Whether every CHECK on a column takes a value; None where that cannot be told."""
        value = evaluate(expression, {"new": {self.source_key: _SOME_ID}}, _NOWHERE)
        found = [evaluate(check, {column.name: value}, _NOWHERE) for check in self.checks(column)]
        if any(outcome is False for outcome in found):
            return False
        return None if any(outcome is UNKNOWN for outcome in found) else True

    def listed(self, column: Column) -> list[str]:
        """The texts that a CHECK lists as the ones that a column may hold."""
        lists = [check for check in self.checks(column) if _LISTS.search(check)]
        return [text for check in lists for text in _LITERAL.findall(check)]

    def is_taken_by_one(self, column: Column) -> bool:
        """Whether no two rows may hold the same address, be it in another spelling."""
        spelled = any(index.unique and None in index.columns for index in self.mirror.indexes)
        return spelled or self.is_in_key(column)

    def is_in_key(self, column: Column) -> bool:
        """Whether another row may have taken what a column is to hold."""
        keys = any(column.name in key.columns for key in self.mirror.keys)
        return keys or any(index.unique and column.name in index.columns for index in self.mirror.indexes)


def _known(pair: _Pair, column: Column) -> Value | None:
    """What the sign-up itself says about a column; None where it says nothing or the default does."""
    required = column.not_null and column.default is None
    text = _TEXT.fullmatch(column.type)
    if not required and (column.default is not None or pair.is_checked(column) or pair.is_in_key(column)):
        return None
    if text is None or pair.source.name != AUTH_USERS:
        return _same_name(pair, column) if required else None
    value = _text_value(pair, column, required)
    limit = text[1] or text[2]
    if value is None or limit is None:
        return value
    return Value(value.column, f"left({value.expression}, {limit})", value.copies)


def _text_value(pair: _Pair, column: Column, required: bool) -> Value | None:
    name, unique = column.name.lower(), pair.is_in_key(column)
    if name not in _ADDRESSES and not unique and pair.is_checked(column):
        # What a sign-up brings may be just what the constraint refuses.
        return None
    if name in _ADDRESSES:
        return _copied(pair, column, "email" if name.startswith("email") else "phone", required)
    if name in _NAMES and not unique:
        given = _metadata("full_name", "name")
        if required:
            given += ["nullif(split_part({row}.email, '@', 1), '')", "'New user'"]
        return Value(column.name, _coalesce(given))
    if name in _PICTURES and not unique:
        return Value(column.name, _coalesce([*_metadata("avatar_url", "picture"), *["''"] * required]))
    if required and (unique or name in _HANDLES):
        # Nobody else can have it, so that no sign-up fails on a name that is taken.
        return Value(column.name, f"'user_' || replace({{row}}.{pair.key}::text, '-', '')")
    return None


def _copied(pair: _Pair, column: Column, field_: str, required: bool) -> Value:
    """An address. Where it has to be unique, one that somebody else has already is left to them."""
    name, given = quote(column.name), f"{{row}}.{field_}"
    if not pair.is_taken_by_one(column):
        return Value(column.name, f"coalesce({given}, {STAND_IN})" if required else given, (field_,))
    taken = (
        f"exists (select from {pair.mirror.name} as other "
        f"where other.{name} = {given} and other.{pair.mirror_key} <> {{row}}.{pair.key})"
    )
    if not required:
        return Value(column.name, f"case when not {taken}\n      then {given} end", (field_,))
    expression = f"case when {given} is null or {taken}\n      then {STAND_IN} else {given} end"
    return Value(column.name, expression, (field_,))


def _coalesce(parts: Sequence[str]) -> str:
    return "coalesce(\n      " + ",\n      ".join(parts) + "\n    )" if len(parts) > 1 else parts[0]


def _metadata(*names: str) -> list[str]:
    return [f"nullif(btrim({{row}}.raw_user_meta_data ->> '{name}'), '')" for name in names]


def _same_name(pair: _Pair, column: Column) -> Value | None:
    """A column of the same name and type that cannot be NULL either."""
    other = pair.source.column(column.name)
    if other is None or other.type != column.type or not other.not_null or pair.is_in_key(column):
        return None
    return Value(column.name, f"{{row}}.{quote(other.name)}", (other.name,))
