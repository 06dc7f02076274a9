"""What a comparison stands on: two schemas, what of them belongs to a platform, and who owns what."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from referee.model.names import QName
from referee.model.schema import Function, Grant, Policy, Schema, Table
from referee.platforms import Platform

_ROLE = re.compile(r"^create role (\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Ground:
    """Two schemas under one platform.

    A schema (in the sense of SQL) is managed where the platform says so, whichever side knows of it.
    """

    left: Schema
    right: Schema
    platform: Platform

    @cached_property
    def managed(self) -> frozenset[str]:
        """The names of the platform's schemas."""
        marked = [name for side in (self.left, self.right) for name, space in side.namespaces.items() if space.managed]
        return self.platform.managed_schemas.union(marked)

    @cached_property
    def platform_roles(self) -> frozenset[str]:
        """Roles that come with the platform."""
        return frozenset(name for source in self.platform.roles for name in _ROLE.findall(source.text))

    @cached_property
    def homes(self) -> tuple[str, str]:
        """Who owns most of the project's own objects, left and right."""
        return self._home(self.left), self._home(self.right)

    def _home(self, schema: Schema) -> str:
        owners = Counter(item.owner for item in self._own(schema) if item.owner)
        return owners.most_common(1)[0][0] if owners else self.platform.migration_role

    def _own(self, schema: Schema) -> Iterator[Table | Function]:
        for table in schema.tables.values():
            if table.name.schema not in self.managed:
                yield table
        for function in schema.functions.values():
            if function.name.schema not in self.managed:
                yield function

    def is_own(self, name: QName) -> bool:
        return name.schema not in self.managed

    @cached_property
    def named_roles(self) -> frozenset[str]:
        """Roles that the project's own objects name, on either side: in grants, in policies, as owners."""
        found: set[str] = set()
        for schema in (self.left, self.right):
            for item in self._own(schema):
                found.add(item.owner)
                found.update([grant.grantee for grant in item.grants])
            for table in schema.tables.values():
                for policy in table.policies:
                    found.update(policy.roles)
        return frozenset(found - {""})

    @cached_property
    def strangers(self) -> frozenset[str]:
        """Roles of one side only that are the platform's, or that nothing of the project names."""
        lone = self.left.roles.keys() ^ self.right.roles.keys() if self.left.roles and self.right.roles else frozenset()
        return frozenset(name for name in lone if name in self.platform_roles or name not in self.named_roles)


def applies(policy: Policy, role: str, schema: Schema) -> bool:
    """Whether a policy is for a role, itself or through a role that it is a member of."""
    if "public" in policy.roles or role in policy.roles:
        return True
    known = schema.roles.get(role)
    return known is not None and not known.member_of.isdisjoint(policy.roles)


def lets_through(schema: Schema, table: Table, role: str, privilege: str) -> bool:
    """Whether row security may let a role do what a privilege allows; True where it does not bind the role."""
    known = schema.roles.get(role)
    if not table.row_security or (known is not None and (known.superuser or known.bypass_row_security)):
        return True
    command = privilege.lower()
    return any(
        policy.permissive and policy.command in (command, "all") and applies(policy, role, schema)
        for policy in table.policies
    )


def held(grants: tuple[Grant, ...], role: str) -> frozenset[str]:
    """The privileges that a role has on a whole object, those of everybody included."""
    found = frozenset[str]()
    for grant in grants:
        if grant.grantee in (role, "public") and not grant.columns:
            found |= grant.privileges
    return found
