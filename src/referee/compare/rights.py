"""Who may do what, side by side: owners, grants, default privileges, roles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from referee.compare.ground import Ground, held, lets_through
from referee.compare.notes import Notes
from referee.model import change as changes
from referee.model.change import Change
from referee.model.names import FunctionName, QName, Ref, quote
from referee.model.schema import DefaultOf, Grant, Role, Schema, Table
from referee.sql.write import born_with

_DATA = frozenset(("SELECT", "INSERT", "UPDATE", "DELETE", "EXECUTE", "USAGE"))


@dataclass(frozen=True, slots=True)
class _Born:
    """A difference of rights that an object has from the default privileges under which it was made."""

    object: Ref
    left: Grant
    right: Grant
    matters: bool


@dataclass
class Rights:
    """Compares owners and grants object by object, and keeps for the end what comes from default privileges."""

    ground: Ground
    notes: Notes
    born: list[_Born] = field(default_factory=list)

    # Owners

    def owners(self, ref: Ref, left: str, right: str) -> None:
        if left == right or not left or not right:
            return
        if (left, right) == self.ground.homes:
            self.notes.fold("owners", f"{ref} belongs to {left} on the left and to {right} on the right")
            return
        summary = f"{ref} belongs to {quote(left)} on the left and to {quote(right)} on the right"
        self.notes.changed(ref, summary, left, right, lambda owner: changes.SetOwner(ref, owner))

    # Grants

    def grants(self, ref: Ref, kind: str, left: tuple[Grant, ...], right: tuple[Grant, ...]) -> None:
        """The grants of one object, role by role."""
        if left == right:
            return
        mine, theirs = _by_grantee(left), _by_grantee(right)
        for grantee, columns in sorted(mine.keys() | theirs.keys()):
            one, other = mine.get((grantee, columns), frozenset()), theirs.get((grantee, columns), frozenset())
            if one != other and not self._is_stranger(ref, grantee):
                self._grant(ref, kind, Grant(grantee, one - other, columns), Grant(grantee, other - one, columns))

    def _is_stranger(self, ref: Ref, grantee: str) -> bool:
        left, right = self.ground.homes
        # Whoever owns the database or everything in a schema may do there what nobody has granted.
        if grantee in (left, right) and (left != right or ref.kind == "schema"):
            self.notes.fold("owners", f"what {grantee} may do with {ref}")
            return True
        if grantee in self.ground.strangers:
            self.notes.fold("platform", f"what {grantee} may do with {ref}")
            return True
        return False

    def _grant(self, ref: Ref, kind: str, left: Grant, right: Grant) -> None:
        if self._is_born(ref, kind, left, right):
            self.born.append(_Born(ref, left, right, self._matters(ref, left, right)))
            return
        told = " and ".join(
            [
                f"has {_privileges(grant)} on {ref} on the {side} only"
                for side, grant in (("left", left), ("right", right))
                if grant.privileges
            ]
        )
        forward, backward = _exchange(ref, left, right), _exchange(ref, right, left)
        self.notes.differ(ref, f"{_role(left.grantee)} {told}", forward, backward)

    def _is_born(self, ref: Ref, kind: str, left: Grant, right: Grant) -> bool:
        if left.columns:
            return False
        mine, theirs = self._birthright(0, ref, kind, left.grantee), self._birthright(1, ref, kind, left.grantee)
        return left.privileges <= mine - theirs and right.privileges <= theirs - mine

    def _birthright(self, at: int, ref: Ref, kind: str, grantee: str) -> frozenset[str]:
        schema, home = (self.ground.left, self.ground.right)[at], self.ground.homes[at]
        return held(tuple([one for one in born_with(schema, home, ref, kind) if one.grantee == grantee]), grantee)

    def _matters(self, ref: Ref, left: Grant, right: Grant) -> bool:
        """Whether somebody who could do something on one side cannot on the other."""
        return _is_felt(self.ground.left, self.ground.right, ref, left) or _is_felt(
            self.ground.right, self.ground.left, ref, right
        )

    # Default privileges

    def defaults(self) -> None:
        """What new objects give, and what existing ones have from that: one difference, or one line."""
        left, right = self.ground.left.default_grants, self.ground.right.default_grants
        entries = [entry for entry in sorted(left.keys() | right.keys()) if left.get(entry) != right.get(entry)]
        for entry in [entry for entry in entries if entry.schema in self.ground.managed]:
            self.notes.fold("platform", f"new {entry.kind}s of {entry.creator} in {entry.schema}")
            entries.remove(entry)
        felt = [born for born in self.born if born.matters]
        usual = [entry for entry in entries if self._is_mode(entry, left.get(entry, ()), right.get(entry, ()))]
        if felt:
            self._felt(usual, felt)
        elif usual or self.born:
            for entry in usual:
                self.notes.fold("default-privileges", f"new {entry.kind}s of {entry.creator} in {entry.schema}")
            for born in self.born:
                self.notes.fold("default-privileges", f"what {born.left.grantee} may do with {born.object}")
        for entry in entries:
            if entry not in usual:
                self._default(entry, left.get(entry, ()), right.get(entry, ()))

    def _is_mode(self, entry: DefaultOf, left: tuple[Grant, ...], right: tuple[Grant, ...]) -> bool:
        """Whether this is what the modes of a platform differ in: what its roles get of new objects in ``public``."""
        mine, theirs = _by_grantee(left), _by_grantee(right)
        different = {key[0] for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key)}
        known = self.ground.platform_roles | set(self.ground.platform.api_roles)
        return entry.schema == "public" and entry.creator in known and different <= known

    def _felt(self, entries: list[DefaultOf], felt: list[_Born]) -> None:
        objects = list(dict.fromkeys([str(born.object) for born in felt]))
        roles = ", ".join(sorted({born.left.grantee for born in felt}))
        more = f" and {len(objects) - 3} more" if len(objects) > 3 else ""
        side = "left" if felt[0].left.privileges & _DATA else "right"
        summary = (
            f"the default privileges differ, and {', '.join(objects[:3])}{more} have no grant of their own: {roles} "
            f"may use them on the {side} only"
        )
        first = felt[0].object
        self.notes.differ(
            first,
            summary,
            [*self._defaults_like(entries, self.ground.right), *_rights_like(self.born, right=True)],
            [*self._defaults_like(entries, self.ground.left), *_rights_like(self.born, right=False)],
        )

    def _defaults_like(self, entries: Iterable[DefaultOf], wanted: Schema) -> list[Change]:
        other = self.ground.left if wanted is self.ground.right else self.ground.right
        return [
            changes.SetDefaultRights(entry, wanted.default_grants.get(entry, ()), other.default_grants.get(entry, ()))
            for entry in entries
        ]

    def _default(self, entry: DefaultOf, left: tuple[Grant, ...], right: tuple[Grant, ...]) -> None:
        ref = Ref("schema", "", entry.schema) if entry.schema else Ref("role", "", entry.creator)
        where = f" in {quote(entry.schema)}" if entry.schema else ""
        summary = (
            f"a new {entry.kind} of {quote(entry.creator)}{where} gives {_given(left)} on the left and {_given(right)} "
            "on the right"
        )
        forward = changes.SetDefaultRights(entry, right, left)
        self.notes.differ(ref, summary, (forward,), (changes.SetDefaultRights(entry, left, right),))


def _by_grantee(grants: Iterable[Grant]) -> Mapping[tuple[str, tuple[str, ...]], frozenset[str]]:
    found: dict[tuple[str, tuple[str, ...]], frozenset[str]] = {}
    for grant in grants:
        key = (grant.grantee, grant.columns)
        found[key] = found.get(key, frozenset()) | grant.privileges
    return found


def _exchange(ref: Ref, former: Grant, wanted: Grant) -> list[Change]:
    """What takes the rights of one side and gives those of the other."""
    found: list[Change] = []
    if former.privileges:
        found.append(changes.RevokeRights(ref, former))
    if wanted.privileges:
        found.append(changes.GrantRights(ref, wanted))
    return found


def _rights_like(born: Iterable[_Born], right: bool) -> list[Change]:
    pairs = [(one.object, one.left, one.right) if right else (one.object, one.right, one.left) for one in born]
    return [change for ref, former, wanted in pairs for change in _exchange(ref, former, wanted)]


def _is_felt(has: Schema, lacks: Schema, ref: Ref, grant: Grant) -> bool:
    """Whether the privileges that one side gives are of use there, and not to be had on the other side anyway."""
    item = _item(lacks, ref)
    privileges = grant.privileges & _DATA
    if item is not None:
        privileges -= held(item.grants, grant.grantee)
    table = _item(has, ref)
    if isinstance(table, Table):
        return any(lets_through(has, table, grant.grantee, privilege) for privilege in privileges)
    return bool(privileges)


def _item(schema: Schema, ref: Ref) -> Any:
    """The table, function or namespace that a reference names."""
    if ref.kind == "table":
        return schema.table(ref.owner)
    if ref.kind == "schema":
        return schema.namespaces.get(ref.name)
    overloads = schema.functions_by_name.get(QName(ref.schema, ref.name), ())
    return next((function for function in overloads if function.ref == ref), None)


def _role(name: str) -> str:
    return "everybody" if name == "public" else f"role {quote(name)}"


def _privileges(grant: Grant) -> str:
    names = ", ".join(sorted(grant.privileges))
    return f"{names} ({', '.join(map(quote, grant.columns))})" if grant.columns else names


def _given(grants: Iterable[Grant]) -> str:
    return "; ".join([f"{_privileges(grant)} to {grant.grantee}" for grant in grants]) or "nothing to anybody"


# Roles


def compare_roles(ground: Ground, notes: Notes) -> None:
    """Roles of both sides. One that a side does not know of at all (a dump names none) is left alone."""
    left, right = ground.left.roles, ground.right.roles
    if not left or not right:
        return
    for name in sorted(left.keys() | right.keys()):
        one, other = left.get(name), right.get(name)
        if one is None or other is None:
            _lone_role(name, one, other, ground, notes)
        elif one != other:
            _role_pair(one, other, ground, notes)


def _lone_role(name: str, left: Role | None, right: Role | None, ground: Ground, notes: Notes) -> None:
    role = left or right
    if name in ground.strangers or role is None:
        notes.fold("platform", f"the role {name}")
        return
    ref = Ref("role", "", name)
    side: Any = "right" if right is None else "left"
    notes.missing(side, ref, f"role {quote(name)}", changes.CreateRole(role), changes.DropRole(role))


def _role_pair(left: Role, right: Role, ground: Ground, notes: Notes) -> None:
    ref = Ref("role", "", left.name)
    matter = {*ground.platform.api_roles, ground.platform.sign_up_role}
    if left.name in ground.platform_roles and left.name not in matter:
        notes.fold("platform", f"the role {left.name}")
        return
    told = [
        f"{word} on the {'left' if one else 'right'} only"
        for word, one, other in (
            ("a superuser", left.superuser, right.superuser),
            ("free of row security", left.bypass_row_security, right.bypass_row_security),
            ("using the rights of its groups", left.inherit, right.inherit),
        )
        if one != other
    ]
    if left.member_of != right.member_of:
        lost, new = sorted(left.member_of - right.member_of), sorted(right.member_of - left.member_of)
        told += [
            f"a member of {', '.join(names)} on the {side} only"
            for side, names in (("left", lost), ("right", new))
            if names
        ]
    if left.search_path != right.search_path:
        told.append(f"under the search_path {_path(left)} on the left and {_path(right)} on the right")
    summary = f"role {quote(left.name)} is {' and '.join(told)}"
    notes.differ(ref, summary, (changes.AlterRole(left, right),), (changes.AlterRole(right, left),))


def _path(role: Role) -> str:
    if role.search_path is None:
        return "of the server"
    return ", ".join(role.search_path) or "''"


__all__ = ["FunctionName", "Rights", "compare_roles"]
