"""The faults that a pursued sign-up met, as problems: one for each function and kind of fault."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from referee.model.finding import Confidence, Note, Problem, Severity
from referee.model.identity import Identity
from referee.model.names import QName, Ref
from referee.model.origins import Place
from referee.model.remedy import MENDS, EnableTrigger, Mend, Remedy, RepairSyncFunction
from referee.model.schema import Schema
from referee.rules._faults import Fault, Fill, Pursuit
from referee.rules._firing import intended_fills, own_triggers
from referee.rules._sign_up import AUTH_USERS, all_ways, describe_ways
from referee.rules._walk import Reach

_Met = tuple[Fault, frozenset[str]]

# Names that exist nowhere are what broken-function-reference reports, whoever calls the function.
_MISSING = frozenset({"missing-object", "missing-column", "missing-field", "missing-arbiter"})
_PATH_TROUBLES = frozenset({"unresolved-name", "wrong-table", "missing-object"})


def problems(identity: Identity, pursuit: Pursuit, indirect: bool) -> Iterator[Problem]:
    """The faults in the functions of triggers on the source, or (``indirect``) in what their rows fire in turn."""
    met = [(fault, ways) for fault, ways in pursuit.faults.items() if (fault.depth > 0) == indirect]
    groups: dict[tuple[Ref, str, str], list[_Met]] = {}
    for fault, ways in met:
        if fault.trouble.name not in _MISSING:
            groups.setdefault((fault.function, fault.trouble.name, fault.trouble.subject), []).append((fault, ways))
    for (function, name, _), group in groups.items():
        remedy = _remedy(function, name, [fault for fault, _ in met if fault.function == function])
        yield _problem(identity, sorted(group, key=_gravest_first), remedy)


def _gravest_first(met: _Met) -> tuple[int, bool, int, tuple[int, int]]:
    fault, ways = met
    return -severity_of(fault), fault.behind, -len(ways), fault.trouble.within


def severity_of(fault: Fault) -> Severity:
    """How grave a fault is: certain failure is an error, style is information."""
    effect = fault.trouble.effect
    if effect == "note":
        return Severity.INFO
    if effect == "loses":
        return Severity.ERROR
    if effect == "fails" and fault.reach >= Reach.SOMETIMES:
        lost = fault.fills and fault.trouble.always and fault.reach is Reach.SURE
        return Severity.ERROR if lost or not fault.caught else Severity.WARNING
    return Severity.WARNING


def _remedy(function: Ref, name: str, faults: Iterable[Fault]) -> Remedy:
    """One rewriting of the function for all its faults that can be mended, so that their findings propose the same."""
    ordered = sorted(faults, key=lambda fault: fault.trouble.within)
    mendable = MENDS if all(_is_harmless(fault) for fault in ordered) else MENDS - {"swallowed-errors"}
    troubles = [fault.trouble for fault in ordered if (fault.trouble.name in mendable) == (name in mendable)]
    if name not in mendable:
        troubles = [trouble for trouble in troubles if trouble.name == name]
    cures = dict.fromkeys(trouble.cure for trouble in troubles)
    mends = dict.fromkeys(Mend(trouble.name, *trouble.within) for trouble in troubles if name in mendable)
    return Remedy(RepairSyncFunction(function, ordered[0].trigger, tuple(cures), tuple(mends)))


def _is_harmless(fault: Fault) -> bool:
    """Whether a sign-up that swallows no error any more does not fail of it."""
    return fault.trouble.name in MENDS or not fault.trouble.sqlstate


def _problem(identity: Identity, group: list[_Met], remedy: Remedy) -> Problem:
    fault, _ = group[0]
    trouble = fault.trouble
    ways = frozenset[str]().union(
        *(found for other, found in group if (other.trouble, other.behind) == (trouble, fault.behind))
    )
    others = {other.trouble.within: other.trouble for other, _ in group if other.trouble.within != trouble.within}
    return Problem(
        object=fault.function,
        cause=trouble.cause,
        consequence=consequence(identity, fault, ways),
        severity=severity_of(fault),
        confidence=Confidence.CERTAIN if fault.reach >= Reach.SOMETIMES else Confidence.LIKELY,
        table=identity.source.table,
        place=Place(fault.function, trouble.within),
        related=(
            *(Note(other.cause, Place(fault.function, within)) for within, other in sorted(others.items())),
            _trigger_note(fault.trigger),
        ),
        remedy=remedy,
        key=f"{trouble.name} {trouble.subject}".rstrip(),
    )


def _trigger_note(trigger: Ref) -> Note:
    return Note(f"{trigger.part} on {trigger.owner} fires it", Place(trigger))


# Consequences


def consequence(identity: Identity, fault: Fault, ways: frozenset[str]) -> str:
    """What comes of a fault, and for whom, in one sentence."""
    trouble = fault.trouble
    if not trouble.sqlstate:
        return _WITHOUT_ERROR[trouble.name]
    who = " ".join(word for word in (_whom(identity, fault, ways), trouble.who) if word)
    singular = "s" if "every" in who else ""
    if fault.reach is not Reach.SURE:
        who = f"where its condition holds, {who}"
    if fault.behind:
        who = f"once what fails before it is mended, {who}"
    who = who[0].upper() + who[1:]
    if fault.caught:
        left = "without a row in the mirror" if fault.fills else "with that part left undone"
        return f"{who} succeed{singular} {left}, since the error ({trouble.sqlstate}) is swallowed."
    told = identity.source.table == AUTH_USERS and fault.event == "insert"
    message = ', told as "Database error saving new user"' if told else ""
    return f"{who} fail{singular} with {trouble.sqlstate}{message}."


_WITHOUT_ERROR = {
    "swallowed-errors": "When it fails, the sign-up succeeds without a row in the mirror, and the user's first write "
    "that references it fails with 23503.",
    "skipped-on-conflict": "The sign-up succeeds without a row for the new id: somebody who deleted the account and "
    "comes back, for instance.",
    "reads-too-early": "The function always finds it empty, whatever was asked for.",
    "statement-level": "No user gets a row from it: an INSERT of NEW.id fails with 23502, or is never run because a "
    "condition asks for a field of NEW.",
    "wrong-table": "It reads or writes the platform's table instead of the project's.",
}


def _whom(identity: Identity, fault: Fault, ways: frozenset[str]) -> str:
    if fault.event == "insert":
        return describe_ways(ways)
    if identity.source.table != AUTH_USERS:
        return f"every update of {identity.source.table}"
    return "every login" if fault.trouble.who else "every sign-up and every login, which update the user,"


# What the mirrors get


def coverage(schema: Schema, identity: Identity, pursuit: Pursuit) -> Iterator[Problem]:
    """The sign-ups after which a mirror lacks a row although there is a trigger to fill it."""
    filled: dict[QName, list[Fill]] = {}
    for fill in pursuit.fills:
        filled.setdefault(fill.mirror, []).append(fill)
    for mirror, fills in filled.items():
        on_insert = [fill for fill in fills if fill.event == "insert"]
        reached = frozenset[str]().union(*(pursuit.fills[fill] for fill in fills))
        if not on_insert:
            yield _only_on_update(mirror, fills[0])
        elif left_out := all_ways(identity) - reached:
            yield _left_out(identity, on_insert[0], left_out)
        elif all(fill.plain_guard and not fill.sure for fill in fills):
            yield _conditional(on_insert[0])
    yield from _never_filled(schema, identity, pursuit, frozenset(filled))


def _never_filled(schema: Schema, identity: Identity, pursuit: Pursuit, filled: frozenset[QName]) -> Iterator[Problem]:
    failing = {fault.function for fault in pursuit.faults if fault.trouble.name == "statement-level"}
    seen = set(filled)
    for fill in intended_fills(schema, identity):
        if fill.mirror not in seen and fill.function not in failing:
            seen.add(fill.mirror)
            yield _never(fill)


def _about(fill: Fill, key: str, cause: str, consequence: str, severity: Severity, sure: bool = True) -> Problem:
    return Problem(
        object=fill.function,
        cause=cause,
        consequence=consequence,
        severity=severity,
        confidence=Confidence.CERTAIN if sure else Confidence.LIKELY,
        table=fill.mirror,
        place=Place(fill.function, fill.within),
        related=(_trigger_note(fill.trigger),),
        key=key,
    )


def _only_on_update(mirror: QName, fill: Fill) -> Problem:
    return _about(
        fill,
        "fires-on-update",
        f"{fill.trigger.part} fills {mirror} on UPDATE only.",
        f"A new user has no row in {mirror} until the update that it waits for: keys to it refuse the user with 23503 "
        "till then, and for good if that update never comes.",
        Severity.INFO if fill.sure else Severity.WARNING,
    )


def _left_out(identity: Identity, fill: Fill, ways: frozenset[str]) -> Problem:
    referenced = any(reference.key.target.table == fill.mirror for reference in identity.references)
    return _about(
        fill,
        "skips-sign-ups",
        f"{fill.trigger.part} inserts no row into {fill.mirror} for {describe_ways(ways)}.",
        f"Those users can sign in, but what references {fill.mirror} refuses them with 23503.",
        Severity.WARNING if referenced else Severity.INFO,
    )


def _conditional(fill: Fill) -> Problem:
    return _about(
        fill,
        "skips-sign-ups",
        f"{fill.trigger.part} inserts a row into {fill.mirror} only where {' '.join(fill.plain_guard.split())}.",
        f"Other users can sign in, but what references {fill.mirror} refuses them with 23503.",
        Severity.INFO,
        sure=False,
    )


def _never(fill: Fill) -> Problem:
    return _about(
        fill,
        "never-fills",
        f"{fill.trigger.part} never inserts a row into {fill.mirror}: no sign-up meets its condition when it fires.",
        f"No user gets a row in {fill.mirror} from it, and what references it refuses them with 23503.",
        Severity.ERROR,
    )


def disabled(identity: Identity, pursuit: Pursuit, silent: Pursuit) -> Iterator[Problem]:
    """Triggers that would fill a mirror, but are switched off."""
    filled = {fill.mirror for fill in pursuit.fills}
    for trigger, mirror in dict.fromkeys((fill.trigger, fill.mirror) for fill in silent.fills):
        replaced = mirror in filled
        none = f"No new user gets a row in {mirror} from it, and what references it refuses them with 23503."
        yield Problem(
            object=trigger,
            cause=f"{trigger.part}, which would fill {mirror}, is disabled.",
            consequence=f"{mirror} is filled by another trigger; this one does nothing." if replaced else none,
            severity=Severity.INFO if replaced else Severity.ERROR,
            table=identity.source.table,
            remedy=None if replaced else Remedy(EnableTrigger(trigger)),
            key="disabled",
        )


def without_search_path(schema: Schema, identity: Identity, pursuit: Pursuit) -> Iterator[Problem]:
    """SECURITY DEFINER functions that set no search_path, though every name in them is found."""
    seen = {fault.function for fault in pursuit.faults if fault.trouble.name in _PATH_TROUBLES}
    for trigger in own_triggers(schema, identity):
        function = schema.functions.get(trigger.function_name)
        if function is None or function.ref in seen:
            continue
        seen.add(function.ref)
        if function.security_definer and function.search_path is None:
            yield Problem(
                object=function.ref,
                cause=f"{function.name.qualified} is SECURITY DEFINER and sets no search_path.",
                consequence="No sign-up fails, since all its names are found; the next edit may add one that is not, "
                "and a caller's search_path can put other functions and operators in front of the built-in ones.",
                severity=Severity.INFO,
                table=identity.source.table,
                related=(_trigger_note(trigger.ref),),
                remedy=Remedy(
                    RepairSyncFunction(
                        function.ref, trigger.ref, ("set an empty search_path",), (Mend("no-search-path"),)
                    )
                ),
                key="no-search-path",
            )
