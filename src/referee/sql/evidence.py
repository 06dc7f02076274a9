"""What tells why a reference leads nowhere: queries about a list of ids."""

from __future__ import annotations

from collections.abc import Sequence

from referee.model.names import QName, Target
from referee.model.question import Question
from referee.sql.clauses import string
from referee.sql.questions import column_of

#: Where Supabase's sign-up service writes down what it did.
AUDIT = QName("auth", "audit_log_entries")


def present(ids: Sequence[str], type_: str, target: Target) -> str:
    """The query for those of the ids that are in a table."""
    column = column_of("t", target.columns[0])
    return f"select {column}::text from {target.table} as t where {column} = any ({_array(ids, type_)})"


def same_mail(ids: Sequence[str], type_: str, holder: tuple[Target, str], other: tuple[Target, str]) -> str:
    """The query for who has the e-mail of each id now: id, the one other id.

    ``holder`` and ``other`` are a table with its id, and its column for the e-mail. An id is left out where nobody or
    several people have the same e-mail.
    """
    (ours, our_mail), (theirs, their_mail) = holder, other
    our_id, their_id = column_of("h", ours.columns[0]), column_of("o", theirs.columns[0])
    mails = f"lower({column_of('h', our_mail)}::text) = lower({column_of('o', their_mail)}::text)"
    return (
        f"select {our_id}::text, min({their_id}::text) from {ours.table} as h join {theirs.table} as o on {mails}"
        f" where {our_id} = any ({_array(ids, type_)}) and {their_id} <> {our_id}"
        f" and {column_of('h', our_mail)}::text <> ''"
        " group by 1 having count(*) = 1"
    )


def confirmed(ids: Sequence[str], type_: str, target: Target) -> str:
    """The query for those of the ids whose e-mail is confirmed, in a table such as ``auth.users``."""
    column = column_of("t", target.columns[0])
    return (
        f"select {column}::text from {target.table} as t"
        f" where {column} = any ({_array(ids, type_)}) and t.email_confirmed_at is not null"
    )


def ages(ids: Sequence[str], type_: str, target: Target, created: str) -> str:
    """The query for when the first and the last of the ids were created; ISO 8601, UTC."""
    column, when = column_of("t", target.columns[0]), column_of("t", created)
    return (
        f"select {_moment(f'min({when})')}, {_moment(f'max({when})')} from {target.table} as t"
        f" where {column} = any ({_array(ids, type_)})"
    )


def first_created(target: Target, among: Target, created: str) -> str:
    """The query for when the first row of a source was created that has its row in a mirror."""
    match = f"{column_of('m', among.columns[0])} = {column_of('t', target.columns[0])}"
    first = _moment(f"min({column_of('t', created)})")
    return f"select {first} from {target.table} as t where exists (select from {among.table} as m where {match})"


def marked(ids: Sequence[str], type_: str, target: Target, column: str) -> str:
    """The query for those of the ids whose row has something in a column, such as ``deleted_at``."""
    own = column_of("t", target.columns[0])
    return (
        f"select {own}::text from {target.table} as t where {own} = any ({_array(ids, type_)})"
        f" and {column_of('t', column)} is not null"
    )


def deleted(ids: Sequence[str]) -> str:
    """The query for those of the ids whose deletion the sign-up service wrote down."""
    who = "e.payload -> 'traits' ->> 'user_id'"
    return (
        f"select distinct {who} from {AUDIT} as e where e.payload ->> 'action' = 'user_deleted'"
        f" and {who} = any ({_array(ids, 'text')})"
    )


def writers(question: Question, ids: Sequence[str]) -> str:
    """The query for the transactions that wrote the rows with these references, the busiest first: id, rows."""
    column = column_of("r", question.columns[0])
    return (
        f"select r.xmin::text, count(*) from {question.rows}"
        f" where {column} = any ({_array(ids, question.types[0])}) group by 1 order by 2 desc, 1 limit 2"
    )


def _array(ids: Sequence[str], type_: str) -> str:
    return f"array[{', '.join([string(value) for value in ids])}]::text[]::{type_}[]"


def _moment(expression: str) -> str:
    return f"to_char({expression} at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
