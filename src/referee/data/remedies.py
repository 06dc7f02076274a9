"""What to do about wrong rows: the action that loses least, unless somebody wants another one.

Nothing is deleted. Accounts get the mirror rows that they lack; a reference to nobody becomes NULL where the column
allows that, and otherwise its row moves to a table of the journal. Tables that look like money, audit or consent are
left alone until they are named.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from referee.data.repair import branches_of, tables_of
from referee.errors import UsageError
from referee.model.names import QName, Target, fits, table_names
from referee.model.question import QuestionKind
from referee.model.row_repair import Action, ActionKind
from referee.model.scan import Answer
from referee.model.schema import Column, Schema, Table, Trigger

_MONEY = (
    "payments? payouts? invoices? charges? refunds? transactions? ledgers? billing subscriptions? orders? purchases? "
    "wallets? balances? credits? debits? accounting salary salaries payroll donations? fees? tax taxes prices? "
    "checkouts? receipts? earnings? commissions? royalty royalties"
)
_AUDIT = "audits? logs? auditlogs? histor(?:y|ies) journals? trails? archives? ledger"
_CONSENT = "consents? gdpr agreements? signatures? terms opt_?ins? opt_?outs? waivers? contracts? legal"
_LOOKS = tuple(
    (what, re.compile(rf"(?:^|_)(?:{'|'.join(words.split())})(?:_|$)"))
    for what, words in (("money", _MONEY), ("an audit log", _AUDIT), ("consent", _CONSENT))
)
_WANTED = "wanted so"
_BETWEEN_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^\w]+")

#: What may be done about the rows of each kind of question; the first is the default where nothing speaks against it.
CHOICES: Mapping[QuestionKind, tuple[ActionKind, ...]] = {
    "unmirrored": ("create", "leave"),
    "orphans": ("set-null", "quarantine", "remap", "leave"),
    "undeclared": ("leave", "set-null", "quarantine", "remap"),
    "stray": ("leave", "remap", "quarantine"),
    "disagreeing": ("leave",),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants beside the defaults.

    ``actions`` are patterns for questions with the action for each. ``touch`` are patterns for tables that may be
    touched although they look as if they must not. ``pairs`` are old and new ids, given by hand. ``fillable`` are the
    ids of questions whose rows can be made, ``unfillable`` maps others to why they cannot. ``accounts`` maps the key of
    each mirror to that of its source.
    """

    actions: tuple[tuple[str, ActionKind], ...] = ()
    touch: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    unfillable: Mapping[str, str] = field(default_factory=dict)
    accounts: Mapping[Target, Target] = field(default_factory=dict)


def looks_like(table: QName) -> str | None:
    """What the name of a table or its schema says that it holds: money, an audit log, consent; None for anything else.

    >>> looks_like(QName("public", "audit_log")), looks_like(QName("billing", "events"))
    ('an audit log', 'money')
    >>> looks_like(QName("public", "blogs"))
    """
    names = [_BETWEEN_WORDS.sub("_", name).lower() for name in (table.name, table.schema)]
    return next((what for name in names for what, words in _LOOKS if words.search(name)), None)


def choose(schema: Schema, answers: Sequence[Answer], wanted: Wanted) -> tuple[Action, ...]:
    """The actions for what a scan has found, in the order in which they are to be done.

    Raises UsageError for a wish that concerns nothing, or that its question does not allow.
    """
    asked = [answer for answer in answers if answer.violations]
    _check(wanted, asked)
    actions = [action for answer in asked for action in _Choice(schema, wanted, answer).actions()]
    filled = {action.question.target for action in actions if action.kind == "create"}
    known = {answer.question.id: answer for answer in asked}
    actions = [_spare(replace(one, cured=_cured(known[one.question.id], filled)), wanted, filled) for one in actions]
    return tuple(sorted(actions, key=lambda action: _ORDER[action.question.kind]))


def _spare(action: Action, wanted: Wanted, filled: Container[Target]) -> Action:
    """The action, which leaves rows alone that only lack the mirror row of their account."""
    accounts = wanted.accounts.get(action.question.target)
    if accounts is None or action.kind not in ("set-null", "quarantine"):
        return action
    if action.question.target in filled:
        return replace(action, accounts=accounts)
    if action.reason == _WANTED:
        return action
    note = f"rows whose account is in {accounts.table} are left alone: they lack its row in {action.question.target}"
    return replace(action, accounts=accounts, hazards=(*action.hazards, note))


def _cured(answer: Answer, filled: Container[Target]) -> int:
    """The rows that refer to accounts whose mirror row is about to be created."""
    groups = answer.cause.groups if answer.cause is not None else ()
    if answer.question.kind not in ("orphans", "undeclared") or answer.question.target not in filled:
        return 0
    return sum(group.rows for group in groups if group.kind == "swallowed-sign-up")


# New mirror rows first: they make most orphans whole. Rows of the mirror go last, when nothing refers to them any more.
_ORDER: Mapping[QuestionKind, int] = {"unmirrored": 0, "orphans": 1, "undeclared": 2, "stray": 3, "disagreeing": 4}


def _check(wanted: Wanted, asked: Sequence[Answer]) -> None:
    for pattern, action in wanted.actions:
        found = [answer.question for answer in asked if answer.question.is_named(pattern)]
        if not found:
            known = ", ".join([answer.question.id for answer in asked]) or "nothing"
            raise UsageError(f'--action names "{pattern}", but what is wrong is {known}.')
        for question in found:
            if action not in CHOICES[question.kind]:
                raise UsageError(
                    f"{question.id} cannot be repaired by {action}; there is {', '.join(CHOICES[question.kind])}."
                )


class _Choice:
    def __init__(self, schema: Schema, wanted: Wanted, answer: Answer) -> None:
        self.schema = schema
        self.wanted = wanted
        self.answer = answer
        self.question = answer.question
        self.table = schema.table(self.question.table)

    def actions(self) -> Iterator[Action]:
        """The action; behind a remap also what becomes of the rows for which there is no other id."""
        kind, reason = self._kind()
        yield self._action(kind, reason)
        if kind == "remap" and self.question.kind != "stray":
            yield self._action(*self._checked(*self._default()))

    def _action(self, kind: ActionKind, reason: str) -> Action:
        return Action(
            kind,
            self.question,
            self.answer.violations,
            self.answer.values,
            reason,
            self._pairs(),
            tuple(self._hazards(kind)),
            self._moves_along() if kind == "quarantine" else (),
            alternatives=tuple(
                choice for choice in CHOICES[self.question.kind] if choice != kind and self._is_possible(choice)
            ),
        )

    def _kind(self) -> tuple[ActionKind, str]:
        asked = [action for pattern, action in self.wanted.actions if self.question.is_named(pattern)]
        if not asked:
            return self._checked(*self._default())
        if not self._is_possible(asked[-1]):
            what = "set to NULL" if asked[-1] == "set-null" else "given another id"
            raise UsageError(
                f"{self.question.id} cannot be {what}: {', '.join(self.question.columns)} of {self.question.table} is "
                f"{self._bound}. There is quarantine, or leave."
            )
        return self._checked(asked[-1], _WANTED)

    def _checked(self, kind: ActionKind, reason: str) -> tuple[ActionKind, str]:
        """The action, or none at all where it would touch a table that must not be touched."""
        if self.table is None:
            return "leave", "the table is not known"
        touched = [self.table] if kind in ("set-null", "remap", "quarantine") else []
        if kind == "quarantine" or (kind == "remap" and self.question.kind == "stray"):
            touched += self._hanging(self.table)
        kept = next(filter(None, [self._protected(table) for table in touched]), None)
        return (kind, reason) if kept is None else ("leave", kept)

    def _hanging(self, table: Table) -> list[Table]:
        """The tables that a move reaches."""
        branches, _ = branches_of(self.schema, table)
        return tables_of(branches, with_emptied=True)

    def _default(self) -> tuple[ActionKind, str]:
        match self.question.kind:
            case "unmirrored":
                if self.question.id in self.wanted.unfillable:
                    return "leave", self.wanted.unfillable[self.question.id]
                return "create", "what is known of the account suffices for its row"
            case "orphans" if self._may_be_remapped:
                return "leave", (
                    "there are more references than were looked at, and some of them have the e-mail of another "
                    "account now; name an action, or give old and new ids with --map"
                )
            case "orphans":
                if self.nullable:
                    return "set-null", f"{', '.join(self.nullable)} may be NULL, and the row stays"
                return "quarantine", f"{', '.join(self.question.columns)} is {self._bound}, so the row cannot stay"
            case "stray":
                return "leave", "rows without an account do no harm by themselves, and may be all that is left"
            case "disagreeing":
                return "leave", "which of the two e-mails is right, no query can tell"
            case _:
                return "leave", "no key is broken; declare one, or say what to do with --action"

    @property
    def nullable(self) -> tuple[str, ...]:
        """The columns of the reference that may be set to NULL to make the row right; a key of MATCH FULL wants all."""
        if self.question.kind not in ("orphans", "undeclared"):
            return ()
        free = [column.name for column in self._columns if not column.not_null and column.generated is None]
        key = self.question.key
        is_full = key is not None and key.match == "FULL"
        return () if is_full and len(free) < len(self.question.columns) else tuple(free)

    @property
    def _columns(self) -> list[Column]:
        """The columns of the reference."""
        found = [self.table.column(name) for name in self.question.columns] if self.table is not None else []
        return [column for column in found if column is not None]

    @property
    def _is_generated(self) -> bool:
        return any(column.generated is not None for column in self._columns)

    @property
    def _bound(self) -> str:
        """What keeps the reference from becoming NULL."""
        return "computed from other columns" if self._is_generated else "NOT NULL"

    def _is_possible(self, kind: ActionKind) -> bool:
        if kind == "set-null":
            return bool(self.nullable)
        return kind != "remap" or not self._is_generated

    def _protected(self, table: Table) -> str | None:
        if any(fits(table_names(table.name), pattern) for pattern in self.wanted.touch):
            return None
        is_platforms, what = self.schema.is_managed(table.name.schema), looks_like(table.name)
        if not is_platforms and what is None:
            return None
        why = "belongs to the platform" if is_platforms else f"looks like {what}"
        given = shlex.quote(str(table.name))
        return f"{table.name} {why}; --touch {given} lets it be changed all the same"

    def _pairs(self) -> tuple[tuple[str, str], ...]:
        """Old and new ids that concern these rows: given by hand, else by the e-mail."""
        if self.question.kind == "unmirrored" or len(self.question.columns) != 1:
            return ()
        given = dict(self.wanted.pairs)
        for group in self.answer.cause.groups if self.answer.cause is not None else ():
            for old, new in group.others:
                given.setdefault(old, new)
        if len(self.answer.kept) < (self.answer.values or len(self.answer.kept) + 1):
            return tuple(sorted(given.items()))
        known = {sample.value[0] for sample in self.answer.kept}
        return tuple(sorted((old, new) for old, new in given.items() if old in known))

    @property
    def _may_be_remapped(self) -> bool:
        """Whether other ids were found for some references, and others were never looked for."""
        cause = self.answer.cause
        return cause is not None and not cause.of_all and any(group.others for group in cause.groups)

    def _keyless(self, kind: ActionKind) -> list[str]:
        """The tables without a primary key that an action changes."""
        if self.table is None:
            return []
        changed = [self.table, *(self._hanging(self.table) if kind == "quarantine" else ())]
        return list(dict.fromkeys([str(table.name) for table in changed if table.primary_key is None]))

    def _moves_along(self) -> tuple[str, ...]:
        branches, _ = branches_of(self.schema, self.table) if self.table is not None else ((), ())
        return tuple([str(table.name) for table in tables_of(branches)])

    def _hazards(self, kind: ActionKind) -> Iterator[str]:
        if self.table is None or kind == "leave":
            return
        target = self.schema.table(self.question.target.table) if kind == "create" else self.table
        event = {"create": "insert", "quarantine": "delete"}.get(kind, "update")
        if target is not None:
            names = [
                trigger.name
                for trigger in target.triggers
                if event in trigger.events
                and trigger.enabled in ("origin", "always")
                and _concerns(trigger, self.question.columns)
            ]
            if names:
                yield f"triggers of {target.name} run for each row: {', '.join(names)}"
        if kind == "create" and self.answer.cause is not None:
            for group in self.answer.cause.groups:
                if group.kind == "soft-deletion":
                    yield f"{group.values} of the accounts are marked as deleted, and get their rows too"
        if kind == "quarantine" and (along := self._moves_along()):
            yield f"rows of {', '.join(along)} that hang on a moved row move with it"
        if kind != "create" and (keyless := self._keyless(kind)):
            yield f"--undo cannot take this back in {', '.join(keyless)}, where no primary key tells rows apart"


def _concerns(trigger: Trigger, columns: Sequence[str]) -> bool:
    return not trigger.update_columns or bool(set(trigger.update_columns) & set(columns))
