"""What acts by itself, side by side: triggers, functions, policies, views."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from referee.compare.alike import same_body, same_expression
from referee.compare.notes import Notes, pair
from referee.model import change as changes
from referee.model.change import Change
from referee.model.names import quote
from referee.model.schema import Function, Policy, Trigger, View

# Triggers


def compare_triggers(left: Iterable[Trigger], right: Iterable[Trigger], notes: Notes) -> None:
    """The triggers of one table."""
    pairs = pair(left, right, _same_trigger, notes)
    for one, other in pairs.both:
        _trigger(one, other, notes)
    for side, triggers in (("right", pairs.left), ("left", pairs.right)):
        for trigger in triggers:
            create, drop = changes.CreateTrigger(trigger), changes.DropTrigger(trigger)
            what = f"trigger {quote(trigger.name)} on {trigger.table}, which calls {trigger.function},"
            notes.missing(side, trigger.ref, what, create, drop)  # type: ignore[arg-type]


def _bare(trigger: Trigger) -> Trigger:
    return replace(trigger, name="", when=None)


def _same_trigger(left: Trigger, right: Trigger) -> bool:
    return _bare(left) == _bare(right) and same_expression(left.when, right.when)


def _trigger(left: Trigger, right: Trigger, notes: Notes) -> None:
    if left == right:
        return
    same = replace(_bare(left), enabled=right.enabled) == _bare(right) and same_expression(left.when, right.when)
    if not same:
        summary = (
            f"trigger {quote(left.name)} on {left.table} {fires(left)} on the left and {fires(right)} on the right"
        )
        notes.changed(left.ref, summary, left, right, changes.ReplaceTrigger)
        return
    if left.when != right.when:
        notes.fold("formatting", f"the condition of {left.ref}")
    if left.enabled != right.enabled:
        summary = (
            f"trigger {quote(left.name)} on {left.table} is {_state(left)} on the left and {_state(right)} on the right"
        )
        notes.changed(
            left.ref, summary, left, right, lambda trigger: changes.SetTriggerState(trigger.ref, trigger.enabled)
        )


def fires(trigger: Trigger) -> str:
    """What a trigger does, as the end of a sentence that begins with it."""
    columns = f" of {', '.join(map(quote, trigger.update_columns))}" if trigger.update_columns else ""
    events = " or ".join(
        [
            f"{event.upper()}{columns if event == 'update' else ''}"
            for event in ("insert", "delete", "update", "truncate")
            if event in trigger.events
        ]
    )
    each = "" if trigger.level == "row" else " once for each statement"
    when = f" when {trigger.when}" if trigger.when is not None else ""
    return f"calls {trigger.function} {trigger.timing} {events}{each}{when}"


def _state(trigger: Trigger) -> str:
    words = {"origin": "enabled", "disabled": "disabled", "replica": "enabled in replicas only", "always": "always on"}
    return words[trigger.enabled]


# Functions


def compare_functions(left: Function, right: Function, notes: Notes) -> None:
    """Body, result and attributes of two functions of one name."""
    aspects = list(_aspects(left, right))
    if left.body != right.body and not any(rebuilt for _, rebuilt in aspects):
        notes.fold("formatting", f"the body of {left.name}")
    if not aspects:
        return
    summary = f"{left.kind} {left.name} {', '.join([told for told, _ in aspects])}"
    make = _replace if any(rebuilt for _, rebuilt in aspects) else changes.AlterFunction
    notes.changed(left.ref, summary, left, right, make)


def _replace(function: Function) -> Change:
    return changes.ReplaceFunction(function)


def _aspects(left: Function, right: Function) -> Iterable[tuple[str, bool]]:
    """Each part that differs: in words, and whether the function has to be made anew for it."""
    if left.language != right.language or left.kind != right.kind:
        yield (
            f"is a {left.kind} in {left.language} on the left and a {right.kind} in {right.language} on the right",
            True,
        )
    elif not same_body(left.language, left.body, right.body):
        yield "has another body on the right", True
    if left.returns != right.returns:
        yield f"returns {left.returns} on the left and {right.returns} on the right", True
    if left.argument_names != right.argument_names:
        yield "names its arguments differently on the right", True
    if left.security_definer != right.security_definer:
        yield f"is {_security(left)} on the left and {_security(right)} on the right", False
    if left.settings != right.settings:
        yield f"{_settings(left)} on the left and {_settings(right)} on the right", False
    if left.volatility != right.volatility:
        yield f"is {left.volatility.upper()} on the left and {right.volatility.upper()} on the right", False
    if left.strict != right.strict:
        yield f"is STRICT on the {'left' if left.strict else 'right'} only", False


def _security(function: Function) -> str:
    return f"SECURITY {'DEFINER' if function.security_definer else 'INVOKER'}"


def _settings(function: Function) -> str:
    told = ", ".join([f"{name} = {value}" for name, value in function.settings])
    return f"sets {told}" if told else "sets nothing"


# Policies


def compare_policies(left: Iterable[Policy], right: Iterable[Policy], notes: Notes) -> None:
    """The policies of one table."""
    pairs = pair(left, right, _same_policy, notes)
    for one, other in pairs.both:
        _policy(one, other, notes)
    for side, policies in (("right", pairs.left), ("left", pairs.right)):
        for policy in policies:
            create, drop = changes.AddPolicy(policy), changes.DropPolicy(policy)
            notes.missing(side, policy.ref, f"policy {told(policy)}", create, drop)  # type: ignore[arg-type]


def told(policy: Policy) -> str:
    """A policy with what it is for."""
    kind = "" if policy.permissive else ", restrictive,"
    return f"{quote(policy.name)} on {policy.table}{kind} for {policy.command.upper()} to {', '.join(policy.roles)}"


def _same_policy(left: Policy, right: Policy) -> bool:
    bare = replace(left, name=right.name, using=right.using, check=right.check)
    return bare == right and same_expression(left.using, right.using) and same_expression(left.check, right.check)


def _policy(left: Policy, right: Policy, notes: Notes) -> None:
    if left == right:
        return
    if _same_policy(left, right):
        notes.fold("formatting", f"the policy {left.ref}")
        return
    parts = []
    if (left.command, left.permissive, left.roles) != (right.command, right.permissive, right.roles):
        parts.append(f"is {_for(left)} on the left and {_for(right)} on the right")
    for word, one, other in (("USING", left.using, right.using), ("WITH CHECK", left.check, right.check)):
        if not same_expression(one, other):
            parts.append(f"says {word} {one or 'nothing'} on the left and {other or 'nothing'} on the right")
    summary = f"policy {quote(left.name)} on {left.table} {', '.join(parts)}"
    notes.changed(left.ref, summary, left, right, changes.ReplacePolicy)


def _for(policy: Policy) -> str:
    kind = "" if policy.permissive else "restrictive, "
    return f"{kind}for {policy.command.upper()} to {', '.join(policy.roles)}"


# Views


def compare_views(left: View, right: View, notes: Notes) -> None:
    """Two views of one name."""
    if left.definition != right.definition and not same_expression(left.definition, right.definition):
        if "*" in left.definition or "*" in right.definition:
            # Postgres keeps the columns that a star stood for when the view was made.
            notes.fold("unread", f"the query of the view {left.name}")
        else:
            summary = f"view {left.name} has another query on the right"
            notes.changed(left.ref, summary, left, right, changes.ReplaceView)
            return
    elif left.definition != right.definition:
        notes.fold("formatting", f"the query of the view {left.name}")
    if left.security_invoker != right.security_invoker or left.materialized != right.materialized:
        summary = f"view {left.name} is {_sort(left)} on the left and {_sort(right)} on the right"
        notes.changed(left.ref, summary, left, right, changes.ReplaceView)


def _sort(view: View) -> str:
    if view.materialized:
        return "materialised"
    return "read with the rights of who asks" if view.security_invoker else "read with the rights of its owner"
