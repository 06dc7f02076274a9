"""What a change means: what is felt on the side that has it, by whom, with which SQLSTATE."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from referee.compare.ground import held, lets_through
from referee.compare.world import World, bare_names, effects, listed, mentions, sentence
from referee.model import change as changes
from referee.model.change import Change
from referee.model.comparison import Consequence
from referee.model.finding import Severity
from referee.model.identity import Mirror
from referee.model.names import FunctionName, QName, Ref, Target, quote
from referee.model.schema import ForeignKey, Function, Grant, Index, Policy, Table, Trigger
from referee.sql.expressions import read_expression, session_identity_in

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
_NOTHING = Consequence("Nothing that touches identities or references comes of it.", INFO)
_WRITES = ("insert", "update", "delete")
# Who needs no account.
_ANYBODY = frozenset(("anon", "public"))


@dataclass(frozen=True, slots=True)
class Step:
    """From one world to another: ``after`` has a change that ``before`` has not."""

    before: World
    after: World


def weigh(wanted: Iterable[Change], before: World, after: World) -> Consequence:
    """The gravest consequence, in ``after``, of changes that ``before`` has not seen."""
    found = [_WEIGHERS[type(change)](Step(before, after), change) for change in wanted]
    return max(found, key=lambda consequence: consequence.severity, default=_NOTHING)


def _say(text: str, severity: Severity, who: str = "", sqlstate: str | None = None) -> Consequence:
    return Consequence(sentence(text), severity, who, sqlstate)


# Triggers


def _trigger_gone(step: Step, trigger: Trigger) -> Consequence:
    for mirror in step.before.synced.get(trigger.ref, ()):
        return _unfilled(step, trigger, mirror)
    if found := _session_lost(step, trigger):
        return found
    function = step.before.schema.functions.get(trigger.function_name)
    lost = _outline(effects(function)) if function is not None else []
    what = f": it {listed(lost)}" if lost else ""
    return _say(
        f"{trigger.function} no longer runs at {_events(trigger)} of {trigger.table}{what}",
        WARNING,
        f"whoever {_verbs(trigger)} {trigger.table}",
    )


def _outline(found: Iterable[str]) -> list[str]:
    """The effects of a function without the single columns that its statements fill."""
    return [one for one in found if not one.startswith("fills ")]


def _in_words(found: list[str]) -> str:
    """Effects as the end of a sentence; several columns after one verb."""
    if found and all(one.startswith("fills ") for one in found):
        return f"fills {listed([one.removeprefix('fills ') for one in found])}"
    return listed(found)


def _unfilled(step: Step, trigger: Trigger, mirror: Mirror) -> Consequence:
    found = step.after.mirrors.get(mirror.table)
    others = [ref.part for ref in found[1].synced_by if ref != trigger.ref] if found is not None else []
    if others:
        return _say(f"{mirror.table} is filled by {listed(others)} all the same", INFO)
    keys = step.after.relying(mirror.table) or step.before.relying(mirror.table)
    idle = ""
    if trigger.function_name in step.after.schema.functions and not step.after.schema.triggers_by_function.get(
        trigger.function
    ):
        idle = f"; {trigger.function} is still there, and nothing calls it"
    nothing = f"no row comes into {mirror.table} when somebody signs up"
    if not keys:
        return _say(f"{nothing}{idle}", WARNING, "every user who signs up from now on")
    verb = "refuses" if len(keys) == 1 else "refuse"
    number = f"{len(keys)} keys to it" if len(keys) > 1 else "the key to it"
    return _say(
        f"{nothing}, so {number} ({listed([key.name for key in keys])}) {verb} every row that names a new user{idle}",
        ERROR,
        "every user who signs up from now on",
        "23503",
    )


def _session_lost(step: Step, trigger: Trigger) -> Consequence | None:
    """A trigger that wrote who is asking into a column."""
    columns = [
        column
        for identity in step.before.identities.all
        for write in identity.writes
        if write.where != "default" and write.owner == Ref("function", *trigger.function, "()")
        for table, column in write.columns
        if table == trigger.table
    ]
    if not columns:
        return None
    table = step.after.schema.table(trigger.table)
    strict = [
        name for name in columns if table is not None and (one := table.column(name)) is not None and one.not_null
    ]
    told = f"the database no longer says who did it in {listed([f'{trigger.table}.{quote(name)}' for name in columns])}"
    if strict:
        return _say(f"{told}: a row that leaves it out is refused", ERROR, f"whoever writes {trigger.table}", "23502")
    return _say(f"{told}: whatever the client sends is kept", WARNING, f"whoever writes {trigger.table}")


def _trigger_there(step: Step, trigger: Trigger) -> Consequence:
    function = step.after.schema.functions.get(trigger.function_name)
    does = _outline(effects(function)) if function is not None else []
    what = f", which {listed(does)}" if does else ""
    told = (
        f"{trigger.function}{what}, runs at {_events(trigger)} of {trigger.table}"
        if what
        else (f"{trigger.function} runs at {_events(trigger)} of {trigger.table}")
    )
    is_source = trigger.table in step.after.sources
    who = (
        "every user who signs up"
        if is_source and "insert" in trigger.events
        else f"whoever {_verbs(trigger)} {trigger.table}"
    )
    return _say(f"{told}, and where it fails the statement fails with it", WARNING if is_source else INFO, who)


def _events(trigger: Trigger) -> str:
    return " and ".join([event.upper() for event in (*_WRITES, "truncate") if event in trigger.events])


def _verbs(trigger: Trigger) -> str:
    words = {"insert": "inserts into", "update": "updates", "delete": "deletes from", "truncate": "truncates"}
    return " or ".join([word for event, word in words.items() if event in trigger.events])


def _replace_trigger(step: Step, change: changes.ReplaceTrigger) -> Consequence:
    trigger = change.trigger
    before, after = step.before.synced.get(trigger.ref, ()), step.after.synced.get(trigger.ref, ())
    lost = {mirror.table for mirror in before} - {mirror.table for mirror in after}
    former = step.before.trigger(trigger.ref) or trigger
    if lost or (former.events - trigger.events and before):
        mirror = next(one for one in before if not lost or one.table in lost)
        if "insert" in former.events and ("insert" not in trigger.events or lost):
            return _unfilled(step, former, mirror)
    gone, new = former.events - trigger.events, trigger.events - former.events
    parts = [f"no longer at {_events(replace(trigger, events=gone))}"] if gone else []
    parts += [f"now at {_events(replace(trigger, events=new))} too"] if new else []
    if trigger.function != former.function:
        parts.append(f"{trigger.function} instead of {former.function}")
    if trigger.when != former.when:
        parts.append(f"only where {trigger.when}" if trigger.when else "without its condition")
    if trigger.update_columns != former.update_columns:
        columns = listed(map(quote, trigger.update_columns)) if trigger.update_columns else "any column"
        parts.append(f"at updates of {columns}")
    how = listed(parts) or f"{trigger.timing} instead of {former.timing}"
    return _say(f"{trigger.function} runs {how}", WARNING, f"whoever {_verbs(trigger)} {trigger.table}")


def _set_trigger_state(step: Step, change: changes.SetTriggerState) -> Consequence:
    trigger = step.before.trigger(change.trigger) or step.after.trigger(change.trigger)
    if trigger is None:
        return _NOTHING
    if change.enabled in ("disabled", "replica"):
        return _trigger_gone(step, trigger)
    return _trigger_there(step, trigger)


# Functions


def _function_gone(step: Step, function: Function) -> Consequence:
    if function.returns in ("trigger", "event_trigger"):
        return _say(f"no trigger can call {function.name}", INFO)
    return _say(f"every call of {function.name} fails", WARNING, "whoever calls it", "42883")


def _function_there(step: Step, function: Function) -> Consequence:
    if function.returns in ("trigger", "event_trigger"):
        idle = not step.after.schema.triggers_by_function.get(function.name.qualified)
        return _say(f"{function.name} is there{', and nothing calls it' * idle}", INFO)
    callers = [role for role in step.after.platform.api_roles if "EXECUTE" in held(function.grants, role)]
    if function.security_definer and callers:
        told = f"{_subject(callers)} may call {function.name}, which acts with the rights of {quote(function.owner)}"
        return _say(told, WARNING, listed(callers))
    return _say(f"{function.name} can be called", INFO)


def _function_changed(step: Step, function: Function) -> Consequence:
    former = step.before.schema.functions.get(function.name)
    if former is None:
        return _NOTHING
    mirrors = step.before.sync_functions.get(function.name) or step.after.sync_functions.get(function.name) or ()
    who = "every user who signs up" if mirrors else _users_of(step.after, function)
    found = [told for told in (_security(step, former, function), _path(former, function)) if told is not None]
    if former.body != function.body:
        found.append(_body(former, function))
    if not found:
        return _say(f"{function.name} is planned and called differently", INFO, who)
    text, severity, sqlstate = max(found, key=lambda one: one[1])
    return _say(
        "; ".join([one[0] for one in found if one[0] != text and one[1] == severity] + [text]), severity, who, sqlstate
    )


def _users_of(world: World, function: Function) -> str:
    triggers = world.schema.triggers_by_function.get(function.name.qualified, ())
    if triggers:
        return f"whoever writes {listed(dict.fromkeys(trigger.table for trigger in triggers))}"
    tables = dict.fromkeys(policy.table for policy in world.policies_asking(function))
    return f"whoever uses {listed(tables)}, whose policies ask it" if tables else "whoever calls it"


_Told = tuple[str, Severity, str | None]


def _security(step: Step, former: Function, function: Function) -> _Told | None:
    if former.security_definer == function.security_definer:
        return None
    if function.security_definer:
        return f"{function.name} acts with the rights of {quote(function.owner)} for whoever calls it", WARNING, None
    policies = step.after.policies_asking(function)
    told = f"{function.name} acts with the rights of whoever calls it, no longer with those of {quote(former.owner)}"
    if any(mentions(function.body, policy.table.name) for policy in policies):
        return f"{told}: a policy that asks it about its own table calls itself without end", ERROR, "42P17"
    return f"{told}, who may not do what it does", WARNING, "42501"


def _path(former: Function, function: Function) -> _Told | None:
    if former.search_path == function.search_path:
        return None
    where = f"in {_looked_up(function)} instead of {_looked_up(former)}"
    names = bare_names(function)
    if names:
        verb = "is" if len(names) == 1 else "are"
        return f"in {function.name}, {listed(map(quote, names))} {verb} looked up {where}", WARNING, "42P01"
    told = f"in {function.name}, a name without a schema is looked up {where}"
    return f"{told}; all tables in it have theirs, so nothing fails until the next edit", WARNING, None


def _looked_up(function: Function) -> str:
    if function.search_path is None:
        return "the search_path of the caller"
    return ", ".join(function.search_path) or "no schema"


def _body(former: Function, function: Function) -> _Told:
    mine, theirs = effects(former), effects(function)
    lost, new = [one for one in mine if one not in theirs], [one for one in theirs if one not in mine]
    if any(not one.startswith("fills ") for one in (*lost, *new)):
        lost, new = _outline(lost), _outline(new)
    parts = [f"no longer {_in_words(lost)}"] if lost else []
    parts += [f"now {_in_words(new)}"] if new else []
    what = " and ".join(parts) or "does it by other statements"
    return f"{function.name} {what}", WARNING, None


# Foreign keys


def _columns(key: ForeignKey) -> str:
    return f"{key.table}.{', '.join(map(quote, key.columns))}"


def _key_gone(step: Step, key: ForeignKey) -> Consequence:
    mirror = step.before.identity_keys.get(key.ref)
    if mirror is not None:
        return _say(
            f"deleting an account leaves its row in {mirror.table}, and a row there may hold the id of no account",
            WARNING,
            "whoever deletes an account",
        )
    told = f"{_columns(key)} may hold what {key.target.table} has not, and a row deleted there leaves its rows behind"
    return _say(told, WARNING, f"whoever reads {key.table}")


def _key_there(step: Step, key: ForeignKey) -> Consequence:
    if not key.enforced:
        return _say(f"{key.ref} says what {_columns(key)} means and prevents nothing", INFO)
    told = f"a row whose {_columns(key)} is not in {key.target} is refused"
    severity = ERROR if _is_unfilled(step.after, key.target.table) else WARNING
    return _say(told, severity, f"whoever writes {key.table}", "23503")


def _is_unfilled(world: World, table: QName) -> bool:
    found = world.mirrors.get(table)
    return found is not None and not found[1].synced_by


def _retarget(step: Step, change: changes.RetargetForeignKey) -> Consequence:
    return _retargeted(step, change.key, replace(change.key, target=change.to))


def _retargeted(step: Step, former: ForeignKey, key: ForeignKey) -> Consequence:
    told = f"{_columns(key)} is looked up in {key.target} instead of {former.target}"
    if _is_unfilled(step.after, key.target.table):
        return _say(
            f"{told}, into which nothing inserts a row when somebody signs up: what names a new user is refused",
            ERROR,
            "every user who signs up from now on",
            "23503",
        )
    others = [other for other in step.after.relying(former.target.table) if other.ref != key.ref]
    split = f", unlike the {len(others)} keys that go to {former.target.table}" if len(others) > 1 else ""
    found = f"{told}{split}: who is in {former.target.table} alone is refused"
    if key.target.table in step.after.sources and key.on_delete in ("NO ACTION", "RESTRICT"):
        found += ", and an account that is named there cannot be deleted"
    severity = ERROR if former.ref in step.before.references else WARNING
    return _say(found, severity, f"whoever writes {key.table}", "23503")


def _set_on_delete(step: Step, change: changes.SetOnDelete) -> Consequence:
    return _on_delete(step, change.key, replace(change.key, on_delete=change.action, on_delete_columns=()))


def _on_delete(step: Step, former: ForeignKey, key: ForeignKey) -> Consequence:
    parent = key.target.table
    is_user = key.ref in step.after.references or parent in step.after.sources or parent in step.after.mirrors
    row = "a user" if is_user else f"a row of {parent}"
    who = f"whoever deletes {row}"
    if key.on_delete in ("NO ACTION", "RESTRICT"):
        state = "23001" if key.on_delete == "RESTRICT" and (step.after.server or 0) >= 18 else "23503"
        return _say(f"{row} that {key.table} refers to cannot be deleted", ERROR, who, state)
    if key.on_delete == "CASCADE":
        lost = f"deleting {row} deletes the rows of {key.table} that refer to it"
        kept = "which were kept" if former.on_delete.startswith("SET") else "which stopped it"
        return _say(f"{lost}, {kept} before", ERROR, f"{who}, and whoever owns those rows")
    table = step.after.schema.table(key.table)
    strict = [
        name
        for name in key.on_delete_columns or key.columns
        if table is not None and (one := table.column(name)) is not None and one.not_null
    ]
    value = key.on_delete.removeprefix("SET ")
    if strict and value == "NULL":
        return _say(
            f"{row} that {key.table} refers to cannot be deleted: {strict[0]} refuses NULL", ERROR, who, "23502"
        )
    kept = "are kept" if former.on_delete == "CASCADE" else "no longer stop it"
    return _say(f"when {row} is deleted, the rows of {key.table} {kept}, with {value} for it", WARNING, who)


def _replace_key(step: Step, change: changes.ReplaceForeignKey) -> Consequence:
    former, key = change.key, change.by
    found: list[Consequence] = []
    if key.columns != former.columns:
        found += [_key_gone(step, former), _key_there(step, key)]
    if key.target != former.target:
        found.append(_retargeted(step, former, key))
    if (key.on_delete, key.on_delete_columns) != (former.on_delete, former.on_delete_columns):
        found.append(_on_delete(step, former, key))
    if key.enforced != former.enforced:
        found.append(_enforce(step, changes.EnforceForeignKey(former, key.enforced)))
    elif key.validated != former.validated:
        found.append(_not_valid(key) if former.validated else _validated(key.ref))
    if not found:
        told = f"{key.ref} is checked at another moment or in another way"
        return _say(told, WARNING, f"whoever writes {key.table}", "23503")
    return max(found, key=lambda consequence: consequence.severity)


def _not_valid(key: ForeignKey) -> Consequence:
    told = (
        f"rows of {key.table} older than the key were never checked: an update of one that refers to nothing fails, "
        "and so does the restore of a dump"
    )
    return _say(told, WARNING, f"whoever updates {key.table}", "23503")


def _validated(ref: Ref) -> Consequence:
    return _say(f"every row has been checked against {ref}", INFO)


def _enforce(step: Step, change: changes.EnforceForeignKey) -> Consequence:
    key = change.key
    if change.enforced:
        return _key_there(step, replace(key, enforced=True))
    told = f"{key.ref} prevents nothing: {_columns(key)} may hold what {key.target.table} has not"
    act = "" if key.on_delete in ("NO ACTION", "RESTRICT") else f", and a deletion there does not {_act(key)}"
    return _say(f"{told}{act}", WARNING, f"whoever reads {key.table}")


def _act(key: ForeignKey) -> str:
    return "delete its rows" if key.on_delete == "CASCADE" else "clear it"


def _drop_constraint(step: Step, change: changes.DropConstraint) -> Consequence:
    ref = change.constraint
    foreign = step.before.foreign_key(ref)
    if foreign is not None:
        return _key_gone(step, foreign)
    table = step.before.schema.table(ref.owner)
    key = next((one for one in table.keys if one.name == ref.part), None) if table is not None else None
    if key is None:
        return _say(f"{ref.owner} takes rows that {quote(ref.part)} refuses", INFO, f"whoever reads {ref.owner}")
    return _unique_gone(Target(key.table, key.columns))


def _unique_gone(target: Target) -> Consequence:
    columns = listed(map(quote, target.columns))
    told = f"two rows of {target.table} may hold the same {columns}, and ON CONFLICT on it fails"
    return _say(told, WARNING, f"whoever writes {target.table}", "42P10")


def _unique_there(target: Target) -> Consequence:
    told = f"a second row of {target.table} with the same {listed(map(quote, target.columns))} is refused"
    return _say(told, WARNING, f"whoever writes {target.table}", "23505")


# Policies and row security


def _subject(roles: Sequence[str]) -> str:
    """Roles as the beginning of a sentence, where a name on its own would get a capital."""
    if "public" in roles:
        return "everybody"
    return f"role{'s' * (len(roles) > 1)} {listed(map(quote, roles))}"


def _commands(policy: Policy) -> tuple[str, ...]:
    return ("select", "insert", "update", "delete") if policy.command == "all" else (policy.command,)


def _policy_gone(step: Step, policy: Policy) -> Consequence:
    table = step.after.schema.table(policy.table)
    roles = listed(["everybody" if role == "public" else role for role in policy.roles])
    if table is None or not table.row_security:
        return _say(f"row security of {policy.table} is off, so the policy decided nothing", INFO)
    if not policy.permissive:
        return _say(f"{_subject(policy.roles)} can use rows of {policy.table} that the policy held back", ERROR, roles)
    shut = [
        command
        for command in _commands(policy)
        if not any(lets_through(step.after.schema, table, role, command.upper()) for role in policy.roles)
    ]
    if not shut:
        return _say(
            f"{_subject(policy.roles)} can use fewer rows of {policy.table}: other policies remain",
            WARNING,
            roles,
            _refusal(policy),
        )
    lost = {
        "select": f"see no row of {policy.table}, without an error",
        "insert": f"can insert nothing into {policy.table}",
        "update": f"can update no row of {policy.table}",
        "delete": f"can delete no row of {policy.table}",
    }
    state = "42501" if "insert" in shut else None
    return _say(f"as {roles}, users {listed([lost[command] for command in shut], 4)}", ERROR, roles, state)


def _refusal(policy: Policy) -> str | None:
    return "42501" if policy.check is not None or policy.command == "insert" else None


def _policy_there(step: Step, policy: Policy) -> Consequence:
    table = step.after.schema.table(policy.table)
    roles = listed(["everybody" if role == "public" else role for role in policy.roles])
    if table is None or not table.row_security:
        return _say(f"row security of {policy.table} is off, so the policy decides nothing", INFO)
    what = "any row" if policy.command == "all" else f"rows ({policy.command.upper()})"
    if policy.permissive:
        test = " ".join((policy.using or policy.check or "true").split())
        severity = ERROR if _ANYBODY.intersection(policy.roles) else WARNING
        return _say(f"{_subject(policy.roles)} may use {what} of {policy.table} where {test}", severity, roles)
    return _say(
        f"{_subject(policy.roles)} cannot use {what} of {policy.table} that it does not name",
        WARNING,
        roles,
        _refusal(policy),
    )


def _policy_changed(step: Step, change: changes.ReplacePolicy) -> Consequence:
    policy = change.policy
    roles = listed(["everybody" if role == "public" else role for role in policy.roles])
    told = f"other rows of {policy.table} are open to {roles}, or to others"
    return _say(told, WARNING, roles, _refusal(policy))


def _row_security(step: Step, change: changes.SetRowSecurity) -> Consequence:
    table = step.after.schema.table(change.table)
    if table is None:
        return _NOTHING
    former = step.before.schema.table(change.table)
    if former is not None and former.row_security == change.enabled:
        return _say(
            f"row security of {change.table} {'binds' if change.forced else 'does not bind'} its owner", WARNING
        )
    roles = [role for role in step.after.platform.api_roles if held(table.grants, role)]
    if not change.enabled:
        return _say(
            f"every row of {change.table} is open to {listed(roles) or 'whoever holds a grant'}", ERROR, listed(roles)
        )
    if table.policies:
        return _say(f"policies decide who may use which rows of {change.table}", WARNING, listed(roles), "42501")
    return _say(
        f"no row of {change.table} can be seen or written, since it has no policy", ERROR, listed(roles), "42501"
    )


# Rights


def _revoked(step: Step, change: changes.RevokeRights) -> Consequence:
    ref, grant = change.object, change.grant
    role = "everybody" if grant.grantee == "public" else f"role {quote(grant.grantee)}"
    item = _item(step.after, ref)
    lost = grant.privileges - (held(item.grants, grant.grantee) if item is not None else frozenset())
    data = sorted(lost & {"SELECT", "INSERT", "UPDATE", "DELETE", "EXECUTE", "USAGE"})
    if not data:
        return _say(f"{role} can use {ref} as before", INFO, role)
    columns = f" of {listed(map(quote, grant.columns))}" if grant.columns else ""
    told = f"{role} is refused {listed(data, 4)} on {ref}{columns}"
    if isinstance(item, Table):
        used = any(lets_through(step.after.schema, item, grant.grantee, privilege) for privilege in data)
        return _say(told, ERROR if used else WARNING, role, "42501")
    if isinstance(item, Function):
        policies = step.after.policies_asking(item)
        if policies:
            tables = listed(dict.fromkeys(policy.table for policy in policies))
            return _say(f"{told}, which the policies of {tables} ask", ERROR, role, "42501")
        return _say(told, INFO if item.returns == "trigger" else WARNING, role, "42501")
    return _say(f"{told}, and everything in it", ERROR, role, "42501")


def _granted(step: Step, change: changes.GrantRights) -> Consequence:
    ref, grant = change.object, change.grant
    role = "everybody" if grant.grantee == "public" else f"role {quote(grant.grantee)}"
    item = _item(step.after, ref)
    told = f"{role} may {listed(sorted(grant.privileges), 4)} on {ref}"
    if isinstance(item, Table) and not any(
        lets_through(step.after.schema, item, grant.grantee, privilege) for privilege in grant.privileges
    ):
        return _say(f"{told}, but row security lets no row through", INFO, role)
    return _say(told, ERROR if grant.grantee in _ANYBODY else WARNING, role)


def _item(world: World, ref: Ref) -> Any:
    if ref.kind == "function":
        return world.function(ref)
    return world.schema.namespaces.get(ref.name) if ref.kind == "schema" else world.schema.table(ref.owner)


def _owner(step: Step, change: changes.SetOwner) -> Consequence:
    function = step.after.function(change.object) if change.object.kind == "function" else None
    if function is not None and function.security_definer:
        told = f"{function.name} acts with the rights of {quote(change.owner)}"
        return _say(told, WARNING, _users_of(step.after, function), "42501")
    return _say(f"{quote(change.owner)} may alter and drop {change.object}", INFO, quote(change.owner))


def _default_rights(step: Step, change: changes.SetDefaultRights) -> Consequence:
    before = {grant.grantee: grant.privileges for grant in change.instead_of}
    after = {grant.grantee: grant.privileges for grant in change.grants}
    lost = [role for role in before if before[role] - after.get(role, frozenset())]
    where = f" in {quote(change.of.schema)}" if change.of.schema else ""
    told = f"each {change.of.kind} made from now on{where}"
    if lost:
        return _say(f"{told} is closed to {listed(lost)} until somebody grants it", WARNING, listed(lost), "42501")
    return _say(f"{told} is open to {listed(after)}", WARNING, listed(after))


def _role_gone(step: Step, change: changes.DropRole) -> Consequence:
    return _say(f"whoever comes as {quote(change.role.name)} is refused", ERROR, quote(change.role.name), "42704")


def _role_changed(step: Step, change: changes.AlterRole) -> Consequence:
    former, role = change.role, change.to
    if role.bypass_row_security != former.bypass_row_security or role.superuser != former.superuser:
        free = role.bypass_row_security or role.superuser
        return _say(
            f"row security {'does not bind' if free else 'binds'} {quote(role.name)}", WARNING, quote(role.name)
        )
    if role.search_path != former.search_path:
        told = f"names without a schema mean other tables to {quote(role.name)}"
        return _say(told, WARNING, quote(role.name), "42P01")
    return _say(f"{quote(role.name)} has other rights", WARNING, quote(role.name), "42501")


# Tables, columns, types


def _table_gone(step: Step, change: changes.DropTable) -> Consequence:
    return _say(f"every statement that names {change.table.name} fails", ERROR, "whoever uses it", "42P01")


def _table_there(step: Step, change: changes.CreateTable) -> Consequence:
    table = change.table
    open_to = [role for role in step.after.platform.api_roles if held(table.grants, role) & {"SELECT", "INSERT"}]
    if open_to and not table.row_security:
        severity = ERROR if _ANYBODY.intersection(open_to) else WARNING
        told = f"every row of {table.name} is open to {listed(open_to)}: row security is off"
        return _say(told, severity, listed(open_to))
    return _say(f"{table.name} is there, and nothing on the other side uses it", INFO)


def _column_gone(step: Step, change: changes.DropColumn) -> Consequence:
    return _say(
        f"every statement that names {change.column} fails", ERROR, f"whoever uses {change.column.owner}", "42703"
    )


def _column_there(step: Step, change: changes.AddColumn) -> Consequence:
    column = change.column
    if column.not_null and column.default is None and not column.identity and column.generated is None:
        told = f"an insert into {change.table} that leaves {quote(column.name)} out is refused"
        return _say(told, WARNING, f"whoever inserts into {change.table}", "23502")
    return _say(f"{change.table} has a column more, which nobody has to know", INFO)


def _column_type(step: Step, change: changes.AlterColumnType) -> Consequence:
    ref = change.column
    table = step.before.schema.table(ref.owner)
    column = table.column(ref.part) if table is not None else None
    former = column.type if column is not None else "another type"
    keys = [key.ref for key in table.foreign_keys if ref.part in key.columns] if table is not None else []
    keys += [key.ref for key in step.before.schema.referencing.get(ref.owner, ()) if ref.part in key.target.columns]
    filled = _filled_at_sign_up(step.after, ref)
    if _widens(former, change.type) and not keys:
        return _say(
            f"{ref} holds {change.type} instead of {former}, and every value fits", INFO, f"whoever uses {ref.owner}"
        )
    told = f"{ref} holds {change.type} instead of {former}: a value that does not fit is refused"
    if keys:
        told += f", and {listed(keys)} compares it with another type"
        return _say(told, ERROR, f"whoever uses {ref.owner}", _misfit(change.type))
    if filled:
        told += f", and so is the sign-up in which {filled} writes it"
        return _say(told, WARNING, "every user who signs up with such a value", _misfit(change.type))
    return _say(told, WARNING, f"whoever uses {ref.owner}", _misfit(change.type))


def _filled_at_sign_up(world: World, column: Ref) -> FunctionName | None:
    """The function that writes a column of a mirror when somebody signs up."""
    for name, mirrors in world.sync_functions.items():
        function = world.schema.functions.get(name)
        if function is not None and any(mirror.table == column.owner for mirror in mirrors):
            told = {f"fills {column.owner}.{column.part}", f"fills {column.owner.name}.{column.part}"}
            if told.intersection(effects(function)):
                return name
    return None


_WIDER = (("smallint", "integer", "bigint", "numeric"), ("real", "double precision"), ("character varying", "text"))


def _widens(former: str, wanted: str) -> bool:
    """Whether each value of a type fits into another one."""
    if former.startswith("character varying(") and wanted in ("character varying", "text"):
        return True
    return any(former in row and wanted in row and row.index(former) <= row.index(wanted) for row in _WIDER)


def _misfit(type_: str) -> str:
    """What Postgres says of a value that does not fit a type (appendix A of its documentation)."""
    if type_.startswith(("character", "bit")):
        return "22001"
    if type_ in ("smallint", "integer", "bigint", "real", "double precision") or type_.startswith("numeric"):
        return "22003"
    return "42804" if type_ == "text" else "22P02"


def _not_null(step: Step, change: changes.SetNotNull) -> Consequence:
    owner = change.column.owner
    if change.not_null:
        return _say(
            f"a row of {owner} without {quote(change.column.part)} is refused",
            WARNING,
            f"whoever writes {owner}",
            "23502",
        )
    return _say(f"{change.column} may be NULL", INFO, f"whoever reads {owner}")


def _default(step: Step, change: changes.SetDefault) -> Consequence:
    ref = change.column
    told = f"a row that leaves {ref} out gets {change.default}"
    if session_identity_in(read_expression(change.default)) is not None:
        return _say(f"{told}: the user of the session", WARNING, f"whoever inserts into {ref.owner}", "23503")
    return _say(told, INFO, f"whoever inserts into {ref.owner}")


def _default_gone(step: Step, change: changes.DropDefault) -> Consequence:
    ref = change.column
    table = step.after.schema.table(ref.owner)
    column = table.column(ref.part) if table is not None else None
    if column is not None and column.not_null:
        return _say(f"a row that leaves {ref} out is refused", WARNING, f"whoever inserts into {ref.owner}", "23502")
    return _say(f"a row that leaves {ref} out gets NULL", INFO, f"whoever inserts into {ref.owner}")


def _identity(step: Step, change: changes.SetIdentity) -> Consequence:
    ref = change.column
    state = {"always": "428C9", "by default": None, "": "23502"}[change.identity]
    told = {
        "always": f"a statement that gives {ref} a value is refused",
        "by default": f"{ref} numbers its rows",
        "": f"{ref} no longer numbers its rows",
    }
    return _say(told[change.identity], WARNING if state else INFO, f"whoever inserts into {ref.owner}", state)


def _generated(step: Step, change: changes.SetGenerated) -> Consequence:
    return _say(f"{change.column} holds other values", WARNING, f"whoever reads {change.column.owner}")


def _add_check(step: Step, change: changes.AddCheck) -> Consequence:
    check = change.check
    told = f"a row of {check.table} is refused unless {' '.join(check.expression.split())}"
    return _say(told, WARNING, f"whoever writes {check.table}", "23514")


def _add_exclusion(step: Step, change: changes.AddExclusion) -> Consequence:
    one = change.exclusion
    return _say(f"{one.ref} refuses rows that conflict", WARNING, f"whoever writes {one.table}", "23P01")


def _index_gone(step: Step, index: Index) -> Consequence:
    columns = tuple([column for column in index.columns if column is not None])
    if index.unique:
        return _unique_gone(Target(index.table, columns))
    table = step.after.schema.table(index.table)
    keys = [
        key
        for key in (table.foreign_keys if table is not None else ())
        if set(columns[: len(key.columns)]) == set(key.columns)
        and table is not None
        and not step.after.indexed(table, key.columns)
    ]
    if keys:
        parents = listed(dict.fromkeys([key.target.table for key in keys]))
        return _say(
            f"deleting a row of {parents} reads the whole of {index.table}, and locks wait for it",
            WARNING,
            f"whoever deletes from {parents}",
        )
    return _say(f"what looked {listed(map(quote, columns)) or 'it'} up in {index.table} reads more", INFO)


def _index_there(step: Step, index: Index) -> Consequence:
    if index.unique:
        return _unique_there(Target(index.table, tuple([column for column in index.columns if column is not None])))
    return _say(f"{index.table} has an index more", INFO)


def _index_invalid(step: Step, change: changes.RebuildIndex) -> Consequence:
    return _say(f"{change.index} is valid again", INFO)


def _view_gone(step: Step, change: changes.DropView) -> Consequence:
    return _say(f"every query of {change.view.name} fails", ERROR, "whoever reads it", "42P01")


def _view_there(step: Step, change: changes.CreateView) -> Consequence:
    return _say(f"{change.view.name} can be read", INFO)


def _view_changed(step: Step, change: changes.ReplaceView) -> Consequence:
    view, former = change.view, step.before.schema.views.get(change.view.name)
    if former is not None and former.security_invoker != view.security_invoker and not view.security_invoker:
        told = f"{view.name} shows every row that its owner may see: row security does not bind its readers"
        return _say(told, ERROR, "whoever reads it")
    return _say(f"{view.name} shows other rows or columns", WARNING, "whoever reads it")


def _type_gone(step: Step, change: changes.DropType) -> Consequence:
    return _say(f"every statement that names {change.type.name} fails", ERROR, "whoever uses it", "42704")


def _type_there(step: Step, change: changes.CreateType) -> Consequence:
    return _say(f"{change.type.name} is there", INFO)


def _type_changed(step: Step, change: changes.AlterType) -> Consequence:
    told = f"{change.to.name} takes other values"
    return _say(told, WARNING, "whoever writes a column of that type", "22P02")


def _schema_gone(step: Step, change: changes.DropSchema) -> Consequence:
    return _say(f"everything in {quote(change.name)} is missing", ERROR, "whoever uses it", "3F000")


def _schema_there(step: Step, change: changes.CreateSchema) -> Consequence:
    return _say(f"{quote(change.namespace.name)} is there", INFO)


def _extension_gone(step: Step, change: changes.DropExtension) -> Consequence:
    return _say(f"what calls a function of {quote(change.name)} fails", ERROR, "whoever runs into it", "42883")


def _extension_there(step: Step, change: changes.CreateExtension) -> Consequence:
    return _say(f"{quote(change.name)} can be used", INFO)


def _extension_moved(step: Step, change: changes.MoveExtension) -> Consequence:
    told = f"functions of {quote(change.name)} are found under {quote(change.schema)} only"
    return _say(f"{told}: a call that names no schema or another one fails", WARNING, "whoever runs into it", "42883")


# History


def _not_recorded(step: Step, change: changes.ForgetMigration) -> Consequence:
    version = change.version
    if not step.after.has_run:
        if step.before.has_run:
            told = (
                f"there is no file of {version}, which has run on the other side: `supabase db push` stops until one is"
            )
            return _say(f"{told} there", WARNING, "whoever deploys")
        return _say(f"what {version} makes is missing", WARNING, "whoever deploys")
    last = max((one.version for one in step.after.history or ()), default="")
    told = f"what {version} makes is missing, unless somebody made it by hand"
    if version < last:
        return _say(
            f"{told}; it is older than {last}, the last that ran, so `supabase db push` refuses to run it without "
            "--include-all",
            WARNING,
            "whoever deploys",
        )
    return _say(f"{told}; the next push runs it", WARNING, "whoever deploys")


def _recorded(step: Step, change: changes.RecordMigration) -> Consequence:
    version = change.version
    if not step.after.has_run:
        told = f"{version} is a file of this side only"
        return _say(
            f"{told}; the next push runs it on the other" * step.before.has_run or told, WARNING, "whoever deploys"
        )
    if step.before.has_run:
        return _say(f"{version} has run here, and not on the other side", WARNING, "whoever deploys")
    told = f"{version} has run, and the other side has no such file: `supabase db push` stops until it has"
    return _say(told, WARNING, "whoever deploys")


_WEIGHERS: dict[type, Callable[[Step, Any], Consequence]] = {
    changes.CreateTrigger: lambda step, change: _trigger_there(step, change.trigger),
    changes.DropTrigger: lambda step, change: _trigger_gone(step, change.trigger),
    changes.ReplaceTrigger: _replace_trigger,
    changes.SetTriggerState: _set_trigger_state,
    changes.CreateFunction: lambda step, change: _function_there(step, change.function),
    changes.DropFunction: lambda step, change: _function_gone(step, change.function),
    changes.ReplaceFunction: lambda step, change: _function_changed(step, change.function),
    changes.AlterFunction: lambda step, change: _function_changed(step, change.function),
    changes.CreateForeignKey: lambda step, change: _key_there(step, change.key),
    changes.RetargetForeignKey: _retarget,
    changes.SetOnDelete: _set_on_delete,
    changes.ReplaceForeignKey: _replace_key,
    changes.EnforceForeignKey: _enforce,
    changes.ValidateForeignKey: lambda step, change: _validated(change.key),
    changes.DropConstraint: _drop_constraint,
    changes.AddKey: lambda step, change: _unique_there(Target(change.key.table, change.key.columns)),
    changes.AddCheck: _add_check,
    changes.ValidateCheck: lambda step, change: _validated(change.check),
    changes.AddExclusion: _add_exclusion,
    changes.AddIndex: lambda step, change: _index_there(step, change.index),
    changes.DropIndex: lambda step, change: _index_gone(step, change.index),
    changes.RebuildIndex: _index_invalid,
    changes.AddPolicy: lambda step, change: _policy_there(step, change.policy),
    changes.DropPolicy: lambda step, change: _policy_gone(step, change.policy),
    changes.ReplacePolicy: _policy_changed,
    changes.SetRowSecurity: _row_security,
    changes.GrantRights: _granted,
    changes.RevokeRights: _revoked,
    changes.SetOwner: _owner,
    changes.SetDefaultRights: _default_rights,
    changes.CreateRole: lambda step, change: _say(f"{quote(change.role.name)} is there", INFO),
    changes.AlterRole: _role_changed,
    changes.DropRole: _role_gone,
    changes.CreateTable: _table_there,
    changes.DropTable: _table_gone,
    changes.AddColumn: _column_there,
    changes.DropColumn: _column_gone,
    changes.AlterColumnType: _column_type,
    changes.SetNotNull: _not_null,
    changes.SetDefault: _default,
    changes.DropDefault: _default_gone,
    changes.SetIdentity: _identity,
    changes.SetGenerated: _generated,
    changes.CreateView: _view_there,
    changes.DropView: _view_gone,
    changes.ReplaceView: _view_changed,
    changes.CreateType: _type_there,
    changes.AlterType: _type_changed,
    changes.DropType: _type_gone,
    changes.CreateSchema: _schema_there,
    changes.DropSchema: _schema_gone,
    changes.CreateExtension: _extension_there,
    changes.MoveExtension: _extension_moved,
    changes.DropExtension: _extension_gone,
    changes.RecordMigration: _recorded,
    changes.ForgetMigration: _not_recorded,
}
__all__ = ["Consequence", "Grant", "weigh"]
