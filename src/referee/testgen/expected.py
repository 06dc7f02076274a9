"""What should hold in a schema, whatever holds in it now: the content of generated tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from referee.model.identity import Identities, Identity, Mirror
from referee.model.names import QName, Target
from referee.model.schema import Action, Function, Policy, Schema, Trigger

#: In the first line of every generated file. What has it, and its sum, may be overwritten.
MARK = "Written by `referee tests`"


@dataclass(frozen=True, slots=True)
class ExpectedReference:
    """A user reference and where it should point. The actions are those that it has."""

    table: QName
    column: str
    target: Target
    on_delete: Action
    on_update: Action

    @property
    def text(self) -> str:
        """The key as generated tests compare it."""
        return f"{self.target} ON DELETE {self.on_delete} ON UPDATE {self.on_update}"


@dataclass(frozen=True, slots=True)
class ExpectedMirror:
    """A mirror on which something relies, with the trigger that fills it and its function, where there is one."""

    mirror: Target
    source: Target
    trigger: Trigger | None = None
    function: Function | None = None
    goes_with_source: bool = False
    policies: tuple[Policy, ...] = ()


@dataclass(frozen=True)
class Expected:
    """Everything to pin, in the order of names, so that the same schema gives the same files.

    ``ways`` are the ways to sign up that the project allows; empty where it is not on Supabase.
    """

    references: tuple[ExpectedReference, ...]
    mirrors: tuple[ExpectedMirror, ...]
    ways: tuple[str, ...]


def expect(schema: Schema, identities: Identities, ways: tuple[str, ...]) -> Expected:
    """What should hold: every user reference points to the canonical table, every mirror has its rows.

    Dual references are deliberate, so each keeps its own target.
    """
    references = [found for identity in identities.all for found in _references(identity)]
    mirrors = [_mirror(schema, identity, mirror) for identity in identities.all for mirror in _relied_on(identity)]
    return Expected(
        tuple(sorted(set(references), key=lambda one: (one.table, one.column, str(one.target)))),
        tuple(sorted(mirrors, key=lambda one: str(one.mirror))),
        ways if any(identity.source.table == QName("auth", "users") for identity in identities.all) else (),
    )


def _references(identity: Identity) -> list[ExpectedReference]:
    return [
        ExpectedReference(
            reference.key.table,
            reference.column,
            identity.canonical if reference.verdict == "wrong" else reference.key.target,
            reference.key.on_delete,
            reference.key.on_update,
        )
        for reference in identity.references
        if len(reference.key.columns) == 1
    ]


def _relied_on(identity: Identity) -> list[Mirror]:
    wanted = {identity.canonical.table, *(reference.key.target.table for reference in identity.references)}
    return [mirror for mirror in identity.mirrors if mirror.table in wanted or mirror.synced_by]


def _mirror(schema: Schema, identity: Identity, mirror: Mirror) -> ExpectedMirror:
    key = mirror.identity_key
    goes = key is not None and key.on_delete == "CASCADE" and key.target == identity.source
    source = schema.table(identity.source.table)
    own = schema.table(mirror.table)
    policies = tuple(sorted(own.policies, key=lambda policy: policy.name)) if own is not None else ()
    for trigger in source.triggers if source is not None else ():
        if trigger.ref in mirror.synced_by:
            function = schema.functions.get(trigger.function_name)
            return ExpectedMirror(mirror.target, identity.source, trigger, function, goes, policies)
    return ExpectedMirror(mirror.target, identity.source, goes_with_source=goes, policies=policies)


def by_column(references: tuple[ExpectedReference, ...]) -> Iterator[tuple[QName, str, list[str]]]:
    """Each column with the texts of its keys, in order: one, or two for a dual reference."""
    for (table, column), found in groupby(references, key=lambda one: (one.table, one.column)):
        yield table, column, sorted(one.text for one in found)


def enabled_letter(trigger: Trigger) -> str:
    """``pg_trigger.tgenabled`` of a trigger that fires as it should."""
    return "A" if trigger.enabled == "always" else "O"


def rights(function: Function) -> str:
    """Owner, rights and settings of a function, as one text."""
    security = "DEFINER" if function.security_definer else "INVOKER"
    settings = ", ".join(sorted(f"{name}={value}" for name, value in function.settings))
    return f"{function.owner} SECURITY {security} {settings}"


def policy_text(policy: Policy) -> str:
    """What a policy is for, as one text."""
    return f"{policy.name} FOR {policy.command.upper()} TO {', '.join(policy.roles)}"
