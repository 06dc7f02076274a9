"""What findings propose, brought together: equal changes merge, changes that contradict each other stay out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from referee.model import change as changes
from referee.model.change import Change, Safety
from referee.model.finding import Finding
from referee.model.names import Ref, Target
from referee.model.plan import Question
from referee.model.repair import Proposal
from referee.model.schema import Action, ForeignKey, Schema, Table

Aspect = tuple[object, str]
"""An object and what of it a change decides; a constraint that goes has every aspect of itself."""

_LEAVE, _CASCADE, _SET_NULL = "leave", "cascade", "set null"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is to be done, what is not and why, and what was asked on the way."""

    proposals: tuple[Proposal, ...]
    questions: tuple[Question, ...]

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(proposal.change for proposal in self.proposals if proposal.is_applied)


def choose(findings: Iterable[Finding], schema: Schema, answers: Mapping[str, str]) -> Chosen:
    """The changes that the findings propose.

    A remedy that is only to be considered becomes a question; what loses no row is recommended.
    """
    merged: dict[Change, list[Finding]] = {}
    questions: list[Question] = []
    left: list[Proposal] = []
    for finding in findings:
        remedy = finding.problem.remedy
        if remedy is None:
            continue
        if remedy.safety is not Safety.SHOW_ONLY:
            for change in _with_twins(remedy.change, schema):
                merged.setdefault(change, []).append(finding)
            continue
        question, decided = _decide(remedy.change, schema, answers)
        if question is not None:
            questions.append(question)
        for change in decided:
            merged.setdefault(change, []).append(finding)
        if not decided:
            left.append(Proposal(remedy.change, (finding,), _why_left(question)))
    proposals = [Proposal(change, tuple(found)) for change, found in _united(merged).items()]
    return Chosen((*_without_conflicts(proposals), *left), tuple(questions))


def _why_left(question: Question | None) -> str:
    if question is None:
        return "it is shown only: a person has to decide"
    return f'the answer to "{question.id}" is {question.answer or "open"}'


# Questions


def _decide(change: Change, schema: Schema, answers: Mapping[str, str]) -> tuple[Question | None, tuple[Change, ...]]:
    if isinstance(change, changes.DropConstraint):
        return _which_goes(change, schema, answers)
    if not isinstance(change, changes.SetOnDelete):
        return None, ()
    key = change.key
    question = _what_becomes_of(key, schema, answers)
    table = schema.table(key.table)
    if question.answer == _CASCADE:
        return question, tuple(_acting_alike(key, table, "CASCADE"))
    if question.answer == _SET_NULL:
        columns = [table.column(name) for name in key.columns] if table is not None else []
        refusing = [column for column in columns if column is not None and column.not_null]
        loosened = [changes.SetNotNull(Ref("column", *key.table, column.name), False) for column in refusing]
        return question, (*_acting_alike(key, table, "SET NULL"), *loosened)
    return question, ()


def _with_twins(change: Change, schema: Schema) -> Iterable[Change]:
    if not isinstance(change, changes.SetOnDelete):
        return (change,)
    return _acting_alike(change.key, schema.table(change.key.table), change.action)


def _acting_alike(key: ForeignKey, table: Table | None, action: Action) -> Iterator[Change]:
    """A key acts otherwise, and so do those of the same columns to another table: else what was decided never runs."""
    if key.on_delete != action:
        yield changes.SetOnDelete(key, action)
    for twin in table.foreign_keys if table is not None else ():
        if twin.columns == key.columns and twin.target.table != key.target.table and twin.on_delete != action:
            yield changes.SetOnDelete(twin, action)


def _which_goes(
    change: changes.DropConstraint, schema: Schema, answers: Mapping[str, str]
) -> tuple[Question | None, tuple[Change, ...]]:
    """Of two keys that say the same but for their actions, one can go; only the project knows which was meant."""
    table = schema.table(change.constraint.owner)
    keys = table.foreign_keys if table is not None else ()
    second = next((key for key in keys if key.ref == change.constraint), None)
    if second is None:
        return None, ()
    pairs = set(zip(second.columns, second.target.columns, strict=False))
    same = [
        key
        for key in keys
        if key.target.table == second.target.table and set(zip(key.columns, key.target.columns, strict=False)) == pairs
    ]
    known = {f"drop {key.name}": key for key in same}
    id_ = f"duplicate {change.constraint}"
    says = "; ".join([f"{key.name} says ON DELETE {key.on_delete} ON UPDATE {key.on_update}" for key in same])
    reason = f"They say different things ({says}), and only you know which was meant; the first to act wins."
    given = answers.get(id_)
    answer = given if given is not None and given in known else _LEAVE
    text = f"Which of the keys from {Target(second.table, second.columns)} to {second.target} goes?"
    question = Question(id_, text, _LEAVE, reason, (*known, _LEAVE), answer)
    return question, (changes.DropConstraint(known[answer].ref),) if answer in known else ()


def on_delete_question(key: Ref) -> str:
    """The id of the question what becomes of the rows of a key when their user is deleted."""
    return f"on-delete {key}"


def _what_becomes_of(key: ForeignKey, schema: Schema, answers: Mapping[str, str]) -> Question:
    id_ = on_delete_question(key.ref)
    table = schema.table(key.table)
    primary = table.primary_key if table is not None else None
    can_be_null = primary is None or not set(primary.columns) & set(key.columns)
    columns = ", ".join(key.columns)
    if can_be_null:
        recommended = _SET_NULL
        reason = f"Rows that others may need stay, and forget who it was; {columns} then takes NULL."
    else:
        recommended = _LEAVE
        reason = f"{columns} is part of the primary key and cannot be empty; deleting rows is for you to decide."
    choices = (_SET_NULL, _CASCADE, _LEAVE) if can_be_null else (_CASCADE, _LEAVE)
    given = answers.get(id_)
    answer = given.lower() if given is not None and given.lower() in choices else recommended
    text = f"What becomes of the rows of {key.table} whose {columns} is a user that is deleted?"
    return Question(id_, text, recommended, reason, choices, answer)


# Bringing together


def _united(merged: Mapping[Change, Sequence[Finding]]) -> dict[Change, list[Finding]]:
    """Rewritings of one function become one that mends all its faults; keys to one mirror need one trigger."""
    found: dict[Change, list[Finding]] = {}
    for change, findings in merged.items():
        same = next((known for known in found if _is_same_function(known, change)), None)
        if isinstance(change, changes.RepairSyncFunction) and isinstance(same, changes.RepairSyncFunction):
            union = replace(
                same,
                faults=tuple(dict.fromkeys((*same.faults, *change.faults))),
                mends=tuple(dict.fromkeys((*same.mends, *change.mends))),
            )
            found[union] = [*found.pop(same), *findings]
        else:
            found.setdefault(change, []).extend(findings)
    return found


def _is_same_function(one: Change, other: Change) -> bool:
    return (
        isinstance(one, changes.RepairSyncFunction)
        and isinstance(other, changes.RepairSyncFunction)
        and one.function == other.function
        and bool(one.mends) == bool(other.mends)
    )


def aspects(change: Change) -> frozenset[Aspect]:
    """What a change decides. Two changes that decide one thing differently contradict each other."""
    match change:
        case changes.RetargetForeignKey(key, _):
            return frozenset({(key.ref, "target")})
        case changes.SetOnDelete(key, _):
            return frozenset({(key.ref, "on-delete")})
        case changes.ValidateForeignKey(ref):
            return frozenset({(ref, "validated")})
        case changes.DropConstraint(ref):
            return frozenset({(ref, part) for part in ("target", "on-delete", "validated")})
        case changes.AddForeignKey(table, columns, _, _):
            return frozenset({((table, columns), "key")})
        case changes.AddIdentityKey(mirror, _, _):
            return frozenset({(mirror, "key")})
        case changes.CreateSyncTrigger(_, mirror):
            return frozenset({(mirror, "filling")})
        case changes.AlterColumnType(column, _):
            return frozenset({(column, "type")})
        case changes.CreatePolicy(table, command, role, _):
            return frozenset({((table, role), command)})
        case _:
            return frozenset({(change, "")})


def _without_conflicts(proposals: Sequence[Proposal]) -> list[Proposal]:
    claims: dict[Aspect, list[Change]] = {}
    for proposal in proposals:
        for aspect in aspects(proposal.change):
            claims.setdefault(aspect, []).append(proposal.change)
    found = []
    for proposal in proposals:
        rivals = [
            rival
            for aspect in sorted(aspects(proposal.change), key=str)
            for rival in claims[aspect]
            if rival != proposal.change
        ]
        found.append(replace(proposal, reason=_why_not(proposal.change, rivals)))
    return found


def _why_not(change: Change, rivals: Sequence[Change]) -> str | None:
    """Why a change is left, given those that decide the same thing otherwise. What goes needs nothing else."""
    going = next((rival for rival in rivals if isinstance(rival, changes.DropConstraint)), None)
    if going is not None:
        return f"it goes: {going.describe()}"
    if not rivals or isinstance(change, changes.DropConstraint):
        return None
    return f"it contradicts another proposal: {rivals[0].describe()}"
