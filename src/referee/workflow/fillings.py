"""What new mirror rows hold: the same values that the trigger of `referee fix` would give them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping

from referee.fixing.sync import AUTH_USERS, UndecidedError, Value, sync_values
from referee.model.change import CreateSyncTrigger
from referee.model.names import Target
from referee.model.question import Question
from referee.model.schema import Schema
from referee.sql.repairs import Filling

_METADATA = re.compile(r"nullif\(btrim\(r\.raw_user_meta_data ->> '[^']*'\), ''\)")
_CREATED = ("created_at", "created_date", "created", "inserted_at")
_PROVIDER = ("auth_provider", "provider")
_FIRST_PART = "split_part(r.email, '@', 1)"


def fillings(
    schema: Schema, asked: Iterable[Question], answers: Mapping[str, str]
) -> tuple[dict[str, Filling], dict[str, str]]:
    """How to fill each mirror whose rows are missing, by the id of the question; and for which that is not known, why.

    ``answers`` are those of the configuration to the questions that a fix asks.
    """
    found: dict[str, Filling] = {}
    unknown: dict[str, str] = {}
    for question in asked:
        if question.kind != "unmirrored":
            continue
        change = CreateSyncTrigger(Target(question.table, question.columns), question.target)
        try:
            values, questions = sync_values(schema, change, answers)
        except UndecidedError as error:
            unknown[question.id] = str(error)
            continue
        open_ = [one for one in questions if one.answer is None]
        if not open_:
            found[question.id] = filling(question.target, values, _told_by_account(schema, question, values))
        else:
            unknown[question.id] = " ".join(
                [f"{one.text} Answer with --answer {shlex.quote(f'{one.id}=...')}" for one in open_]
            )
    return found, unknown


def _told_by_account(schema: Schema, question: Question, values: Iterable[Value]) -> dict[str, str]:
    """What a sign-up leaves to the column's default, and an account of old knows better: when, and through whom."""
    mirror = schema.table(question.target.table)
    if mirror is None or question.table != AUTH_USERS:
        return {}
    known = {value.column for value in values}
    found = {}
    for column in mirror.columns:
        if column.name in known or column.generated is not None:
            continue
        if column.name in _CREATED and column.type.startswith("timestamp"):
            found[column.name] = "coalesce(r.created_at, now())"
        elif column.name in _PROVIDER and column.type.partition("(")[0] in ("text", "character varying"):
            found[column.name] = "coalesce(r.raw_app_meta_data ->> 'provider', 'email')"
    return found


def filling(mirror: Target, values: Iterable[Value], more: Mapping[str, str]) -> Filling:
    """The values over the account's row ``r``. The column whose value may come from the e-mail is the one to count."""
    expressions = {value.column: value.of("r") for value in values} | dict(more)
    named = next((column for column, text in expressions.items() if _FIRST_PART in text), None)
    if named is None:
        named = next((column for column, text in expressions.items() if _METADATA.search(text)), None)
    text = expressions[named] if named is not None else ""
    return Filling(
        mirror.table,
        mirror.columns[0],
        expressions,
        named,
        tuple(dict.fromkeys(_METADATA.findall(text))),
        _FIRST_PART if _FIRST_PART in text else None,
    )
