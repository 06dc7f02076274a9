"""Who may do what: superusers, memberships, owners.

A statement that the role has no right to is a gap of the kind "conditional", and taken as if it had run: how much a
role may depends on the age and the settings of the host, and the file says plainly what was meant.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from referee.model.names import QName, Ref
from referee.model.schema import Grant, Role, split_path
from referee.read.replay.refused import Refused, missing, taken
from referee.read.replay.session import PREDEFINED_ROLES, Session
from referee.read.replay.state import TableState
from referee.sql.statements import CreateRole, Drop, GrantRole, Reassign, Rename, RoleSetting, SetVariable

_AS_IF = "; it is taken as if it had run"


def acts_as(session: Session, owner: str, role: str | None = None) -> bool:
    """Whether a role, by default the current one, has the rights of another."""
    role = role or session.role
    if role == owner:
        return True
    key = (role, owner)
    known = session.memberships.get(key)
    if known is None:
        known = session.memberships[key] = _acts_as(session, role, owner)
    return known


def _acts_as(session: Session, role: str, owner: str) -> bool:
    found = session.state.roles.get(role)
    if found is None or found.superuser:
        return True  # nothing is known against it
    if owner == "pg_database_owner":
        owner = session.database_owner
    return owner in _inherited_roles(session, role)


def _inherited_roles(session: Session, role: str) -> frozenset[str]:
    """The role itself and those whose rights it has as a member."""
    known = session.inherited_roles.get(role)
    if known is None:
        known = session.inherited_roles[role] = _collect_roles(session, role)
    return known


def _collect_roles(session: Session, role: str) -> frozenset[str]:
    seen, waiting = {role}, [role]
    while waiting:
        found = session.state.roles.get(waiting.pop())
        if found is not None and found.inherit:
            fresh = {group for group in found.member_of - seen if (found.name, group) not in session.state.administered}
            seen |= fresh
            waiting.extend(fresh)
    return frozenset(seen)


def has_privilege(
    session: Session, owner: str, grants: Iterable[Grant], privilege: str, role: str | None = None
) -> bool:
    """Whether a role, by default the current one, has a privilege on a whole object."""
    role = role or session.role
    if acts_as(session, owner, role):
        return True
    roles = _inherited_roles(session, role)
    for grant in grants:
        if (
            privilege in grant.privileges
            and not grant.columns
            and (grant.grantee in roles or grant.grantee == "public")
        ):
            return True
    return False


def require_create(session: Session, schema: str, role: str | None = None) -> None:
    """Reports that a role, by default the current one, may not create anything in a schema."""
    role = role or session.role
    key = (role, schema)
    allowed = session.creating.get(key)
    if allowed is None:
        namespace = session.state.namespaces[schema]
        allowed = session.creating[key] = has_privilege(session, namespace.owner, namespace.grants, "CREATE", role)
    if not allowed:
        session.gap("conditional", f"permission denied for schema {schema}: {role} may not create there{_AS_IF}")


def require_owner(session: Session, owner: str, name: QName | str) -> None:
    """Reports that the role does not own what it changes."""
    if session.role != owner and not acts_as(session, owner):
        session.gap("conditional", f"must be owner of {name}, which belongs to {owner}{_AS_IF}")


def require_superuser(session: Session, what: str, actor: str | None = None) -> None:
    """Reports that only a superuser may touch something."""
    role = session.state.roles.get(actor or session.role)
    if role is not None and not role.superuser:
        session.gap("conditional", f"permission denied: {role.name} may not touch {what}{_AS_IF}")


def require_set_role(session: Session, actor: str, role: str) -> None:
    """Reports that one role may neither become another nor give it anything."""
    if not _may_become(session, actor, role):
        session.gap("conditional", f"permission denied: {actor} may not become {role}{_AS_IF}")


def require_heir(session: Session, owner: str, schema: str) -> None:
    """Reports that the role may not hand what is in a schema over to a new owner."""
    role = session.state.roles.get(session.role)
    if role is not None and not role.superuser:
        require_set_role(session, session.role, owner)
        require_create(session, schema, owner)


def _may_become(session: Session, actor: str, role: str) -> bool:
    roles, administered = session.state.roles, session.state.administered
    found = roles.get(actor)
    if actor == role or found is None or found.superuser:
        return True
    seen, waiting = {actor}, [actor]
    while waiting:
        member = waiting.pop()
        groups = roles[member].member_of if member in roles else ()
        fresh = {group for group in groups if group not in seen and (member, group) not in administered}
        if role in fresh:
            return True
        seen |= fresh
        waiting.extend(fresh)
    return role == "pg_database_owner" and actor == session.database_owner


def require_policy_right(session: Session, table: TableState) -> None:
    """Reports that the role may not handle policies of a table, unless the host lets it."""
    if table.name not in session.owned_by_host:
        require_owner(session, table.owner, table.name)


def require_reference(session: Session, table: TableState, ref: Ref) -> None:
    """Reports that the role may not reference a table."""
    if session.role != table.owner and not has_privilege(session, table.owner, table.grants, "REFERENCES"):
        session.gap(
            "conditional", f"permission denied for table {table.name}: {session.role} may not reference it{_AS_IF}", ref
        )


def require_trigger(session: Session, owner: str, grants: Iterable[Grant], name: QName) -> None:
    """Reports that the role may not create triggers on a table."""
    if session.role != owner and not has_privilege(session, owner, grants, "TRIGGER"):
        session.gap(
            "conditional", f"permission denied for table {name}: {session.role} may not create triggers on it{_AS_IF}"
        )


# Roles themselves


def create_role(session: Session, record: CreateRole) -> None:
    roles = session.state.roles
    known = roles.get(record.name)
    _require_unreserved(record.name)
    if record.alter:
        if known is None:
            raise missing("role", record.name)
    elif known is not None:
        raise taken(record.name, "role", "42710")
    else:
        known = Role(record.name, member_of=frozenset(map(session.resolve_role, record.member_of)))
    for option, value in record.options:
        if option == "superuser" and value:
            require_superuser(session, f"the superuser {record.name}")
        if option == "superuser":
            known = replace(known, superuser=value)
        elif option == "bypassrls":
            known = replace(known, bypass_row_security=value)
        elif option == "inherit":
            known = replace(known, inherit=value)
    roles[record.name] = known
    if not record.alter:
        _join(session, record.name, record.members)
        creator = roles.get(session.role)
        if creator is not None and not creator.superuser:
            # Since PostgreSQL 16 whoever creates a role becomes its member, with nothing but the right to hand it out;
            # before 16, no member at all.
            _join(session, record.name, [session.role])
            session.state.administered[session.role, record.name] = True
    session.forget_rights()


def _join(session: Session, group: str, members: Iterable[str]) -> None:
    for member in members:
        role = session.state.roles.get(session.resolve_role(member))
        if role is not None:
            session.state.roles[role.name] = replace(role, member_of=role.member_of | {group})


def set_role(session: Session, record: SetVariable) -> None:
    """SET ROLE and SET SESSION AUTHORIZATION, and what of them is reset."""
    session.set_variable(record.name, record.value, record.local)
    if record.name == "role":
        require_set_role(session, session.login_role, session.role)
    elif session.role != session.login_role:
        require_superuser(session, f"the session's authorization, {session.role}", session.login_role)


def _require_unreserved(name: str) -> None:
    """Nobody makes, alters or renames the server's own roles, or gives a role a name like theirs."""
    if name.startswith("pg_"):
        raise Refused("42939", f'role name "{name}" is reserved')


def set_role_setting(session: Session, record: RoleSetting) -> None:
    name = session.resolve_role(record.role)
    _require_unreserved(name)
    role = session.state.roles.get(name)
    if role is None or record.name not in ("search_path", "all"):
        return
    path = None if record.value is None else split_path(record.value)
    session.state.roles[name] = replace(role, search_path=path)


def grant_role(session: Session, record: GrantRole) -> None:
    groups = frozenset(map(session.resolve_role, record.roles))
    for name in record.members:
        role = session.state.roles.get(session.resolve_role(name))
        if role is not None:
            member_of = role.member_of | groups if record.grant else role.member_of - groups
            session.state.roles[role.name] = replace(role, member_of=member_of)
            for group in groups:
                session.state.administered.pop((role.name, group))
    session.forget_rights()


def drop_role(session: Session, record: Drop) -> None:
    for written in record.names:
        name = written.name
        if name in PREDEFINED_ROLES:
            raise Refused("2BP01", f"cannot drop role {name} because it is required by the database system")
        if name not in session.state.roles:
            if record.missing_ok:
                continue
            raise missing("role", name)
        if name == session.role:
            raise Refused("55006", "current user cannot be dropped")
        if _is_used(session, name):
            raise Refused("2BP01", f'role "{name}" cannot be dropped because some objects depend on it')
        del session.state.roles[name]
        for role in [role for role in session.state.roles.values() if name in role.member_of]:
            session.state.roles[role.name] = replace(role, member_of=role.member_of - {name})
            session.state.administered.pop((role.name, name))
    session.forget_rights()


def _is_used(session: Session, name: str) -> bool:
    state = session.state
    owners: list[Any] = [
        *state.tables.values(),
        *state.functions.values(),
        *state.views.values(),
        *state.namespaces.values(),
    ]
    if any(thing.owner == name for thing in owners):
        return True
    granted: list[Any] = [*state.tables.values(), *state.functions.values(), *state.namespaces.values()]
    if any(grant.grantee == name for thing in granted for grant in thing.grants):
        return True
    if any(creator == name or grants.get(name) for (creator, _, _), grants in state.default_rights.items()):
        return True
    return any(name in policy.roles for table in state.tables.values() for policy in table.policies.values())


def rename_role(session: Session, record: Rename) -> None:
    """A role's new name, wherever the old one stands."""
    state, old, new = session.state, record.name.name, record.new
    _require_unreserved(old)
    _require_unreserved(new)
    if old not in state.roles:
        raise missing("role", old)
    if new in state.roles:
        raise taken(new, "role", "42710")
    state.roles[new] = replace(state.roles.pop(old), name=new)
    for role in [role for role in state.roles.values() if old in role.member_of]:
        state.roles[role.name] = replace(role, member_of=role.member_of - {old} | {new})
        if state.administered.pop((role.name, old)):
            state.administered[role.name, new] = True
    _rename_in_grants(session, old, new)
    for table in state.tables.values():
        for policy in [policy for policy in table.policies.values() if old in policy.roles]:
            roles = tuple(sorted(new if role == old else role for role in policy.roles))
            table.policies[policy.name] = replace(policy, roles=roles)
    state.default_rights.put_all(
        {
            (new if creator == old else creator, schema, kind): {
                new if grantee == old else grantee: rights for grantee, rights in grants.items()
            }
            for (creator, schema, kind), grants in state.default_rights.items()
        }
    )
    give_to(session, old, new)
    session.forget_rights()


def _rename_in_grants(session: Session, old: str, new: str) -> None:
    def changed(grants: tuple[Grant, ...]) -> tuple[Grant, ...]:
        renamed = [replace(grant, grantee=new) if grant.grantee == old else grant for grant in grants]
        return tuple(sorted(renamed, key=lambda grant: (bool(grant.columns), grant.columns, grant.grantee)))

    for table in session.state.tables.values():
        if table.grants:
            table.grants = changed(table.grants)
    for name, space in list(session.state.namespaces.items()):
        session.state.namespaces[name] = replace(space, grants=changed(space.grants))
    for function in list(session.state.functions.values()):
        session.state.functions[function.name] = replace(function, grants=changed(function.grants))


def reassign(session: Session, record: Reassign) -> None:
    """REASSIGN OWNED; what DROP OWNED drops is not worked out."""
    for written in record.roles:
        role = session.resolve_role(written)
        if not session.knows_role(role):
            raise missing("role", role)
        if record.owner is None:
            session.gap("unsupported", f"DROP OWNED BY {role} is not modelled")
        else:
            owner = session.resolve_role(record.owner)
            for other in (role, owner):
                if not acts_as(session, other):
                    session.gap("conditional", f"permission denied: {session.role} is not {other}{_AS_IF}")
            give_to(session, role, owner)


def give_to(session: Session, old: str, new: str) -> None:
    """Everything that one role owns belongs to another."""
    state = session.state
    for table in state.tables.values():
        if table.owner == old:
            table.owner = new
            table.grants = tuple([grant for grant in table.grants if grant.grantee != new])
    for name, space in list(state.namespaces.items()):
        if space.owner == old:
            grants = tuple([grant for grant in space.grants if grant.grantee != new])
            state.namespaces[name] = replace(space, owner=new, grants=grants)
    for view in [view for view in state.views.values() if view.owner == old]:
        state.views[view.name] = replace(view, owner=new)
    for function in [function for function in state.functions.values() if function.owner == old]:
        grants = tuple([grant for grant in function.grants if grant.grantee != new])
        state.functions[function.name] = replace(function, owner=new, grants=grants)
