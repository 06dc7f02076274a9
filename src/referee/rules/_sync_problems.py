"""The faults that a pursued sign-up met, as problems: one for each function and kind of fault."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from referee.model.change import Remedy, RepairSyncFunction
from referee.model.finding import Confidence, Note, Problem, Severity
from referee.model.identity import Identity
from referee.model.names import QName, Ref
from referee.model.origins import Place
from referee.rules._firing import Fault, Fill, Pursuit
from referee.rules._sign_up import AUTH_USERS, describe_ways

_Met = tuple[Fault, frozenset[str]]

#: Names that exist nowhere are what broken-function-reference reports, whoever calls the function.
ELSEWHERE = frozenset({"missing-object", "missing-column", "missing-field", "missing-arbiter"})


def problems(identity: Identity, pursuit: Pursuit, indirect: bool) -> Iterator[Problem]:
    """The faults in the functions of triggers on the source, or (``indirect``) in what their rows fire in turn."""
    met = [(fault, ways) for fault, ways in pursuit.faults.items() if (fault.depth > 0) == indirect]
    groups: dict[tuple[Ref, str], list[_Met]] = {}
    for fault, ways in met:
        if fault.trouble.name not in ELSEWHERE:
            groups.setdefault((fault.function, fault.trouble.name), []).append((fault, ways))
    for (function, _), group in groups.items():
        remedy = _remedy(function, [fault for fault, _ in met if fault.function == function])
        yield _problem(identity, sorted(group, key=_gravest_first), remedy)


def _gravest_first(met: _Met) -> tuple[int, int, tuple[int, int]]:
    fault, ways = met
    return -severity_of(fault), -len(ways), fault.trouble.within


def severity_of(fault: Fault) -> Severity:
    """How grave a fault is: certain failure is an error, style is information."""
    effect = fault.trouble.effect
    if effect == "note":
        return Severity.INFO
    if effect == "fails" and fault.sure:
        if not fault.caught:
            return Severity.ERROR
        return Severity.ERROR if fault.fills and fault.trouble.always else Severity.WARNING
    return Severity.WARNING


def _remedy(function: Ref, faults: Iterable[Fault]) -> Remedy:
    """One rewriting of the function for all its faults, so that their findings propose the same."""
    ordered = sorted(faults, key=lambda fault: fault.trouble.within)
    cures = dict.fromkeys(fault.trouble.cure for fault in ordered)
    return Remedy(RepairSyncFunction(function, ordered[0].trigger, tuple(cures)))


def _problem(identity: Identity, group: list[_Met], remedy: Remedy) -> Problem:
    fault, _ = group[0]
    trouble = fault.trouble
    same = [(other, ways) for other, ways in group if other.trouble == trouble]
    ways = frozenset[str]().union(*(found for _, found in same))
    others = {other.trouble.within: other.trouble for other, _ in group[1:] if other.trouble.within != trouble.within}
    return Problem(
        object=fault.function,
        cause=trouble.cause,
        consequence=consequence(identity, fault, ways),
        severity=severity_of(fault),
        confidence=Confidence.CERTAIN if fault.sure else Confidence.LIKELY,
        table=identity.source.table,
        place=Place(fault.function, trouble.within),
        related=(
            *(Note(other.cause, Place(fault.function, within)) for within, other in sorted(others.items())),
            Note(f"{fault.trigger.part} on {fault.trigger.owner} calls it", Place(fault.trigger)),
        ),
        remedy=remedy,
        key=trouble.name,
    )


# Consequences


def consequence(identity: Identity, fault: Fault, ways: frozenset[str]) -> str:
    """What comes of a fault, and for whom, in one sentence."""
    trouble = fault.trouble
    if trouble.name in _OWN_CONSEQUENCES:
        return _OWN_CONSEQUENCES[trouble.name]
    who = " ".join(word for word in (_whom(identity, fault, ways), trouble.who) if word)
    whom = f"{who[0].upper()}{who[1:]}"
    verb = "fails" if who.startswith("every") or who.startswith("each") else "fail"
    if not fault.sure and trouble.effect == "fails":
        whom, verb = f"Where its condition holds, {who}", verb
    if fault.caught:
        succeed = verb.replace("fail", "succeed")
        lost = "without a row in the mirror" if fault.fills else "with that step undone"
        return f"{whom} {succeed} {lost}: the error ({trouble.sqlstate}) is swallowed."
    if trouble.effect == "risk" and trouble.sqlstate:
        return f"{whom} {verb} with {trouble.sqlstate}{_message(identity)}."
    if not trouble.sqlstate:
        return "It reads or writes other rows than meant."
    return f"{whom} {verb} with {trouble.sqlstate}{_message(identity)}."


_OWN_CONSEQUENCES = {
    "swallowed-errors": "When it fails, the sign-up succeeds without a row in the mirror, and the user's first write that "
    "references it fails with 23503.",
    "skipped-on-conflict": "The sign-up succeeds without a row for the new id, for instance of somebody who deleted the "
    "account and comes back.",
    "reads-too-early": "The function always sees it empty and goes on with what it does then.",
}


def _whom(identity: Identity, fault: Fault, ways: frozenset[str]) -> str:
    if fault.event == "insert":
        return describe_ways(ways)
    if fault.trouble.who:
        return "every login"
    if identity.source.table == AUTH_USERS:
        return "every sign-up and every login, which update the user,"
    return f"every update of {identity.source.table}"


def _message(identity: Identity) -> str:
    return ", told as \"Database error saving new user\"" if identity.source.table == AUTH_USERS else ""


# What the mirrors get


def coverage(identity: Identity, fills: dict[Fill, frozenset[str]]) -> Iterator[Problem]:
    """The sign-ups after which a mirror that has a sync trigger lacks a row all the same."""
    by_mirror: dict[QName, list[tuple[Fill, frozenset[str]]]] = {}
    for fill, ways in fills.items():
        by_mirror.setdefault(fill.mirror, []).append((fill, ways))
    for mirror, found in by_mirror.items():
        on_insert = [(fill, ways) for fill, ways in found if fill.event == "insert"]
        if not on_insert:
            yield _only_on_update(mirror, found[0][0])
            continue
        every = frozenset[str]().union(*_all_ways(identity))
        reached = frozenset[str]().union(*(ways for _, ways in found))
        if every - reached:
            yield _left_out(identity, mirror, on_insert[0][0], every - reached)
        elif not any(fill.sure or not fill.plain_guard for fill, _ in found):
            yield _conditional(mirror, on_insert[0][0])


def _all_ways(identity: Identity) -> Iterator[frozenset[str]]:
    from referee.rules._sign_up import WAYS

    yield frozenset(WAYS) if identity.source.table == AUTH_USERS else frozenset({"new row"})
