"""The session in which statements are replayed: who runs them, with which search_path, from which file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from referee.model.names import FunctionName, QName, Ref, quote
from referee.model.origins import BodyOrigin, Gap, GapKind
from referee.model.schema import Grant, split_path
from referee.model.source import Span
from referee.read.replay.refused import Refused, dotted, missing_schema
from referee.read.replay.state import State, TableState
from referee.read.replay.types import SERIALS, argument_type, builtin_type
from referee.read.replay.uses import Uses
from referee.sql.builtins import extension_names, server_names, suppliers
from referee.sql.statements import TypeWritten, Written

TABLE_PRIVILEGES = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"})
COLUMN_PRIVILEGES = frozenset({"SELECT", "INSERT", "UPDATE", "REFERENCES"})
FUNCTION_PRIVILEGES = frozenset({"EXECUTE"})
SCHEMA_PRIVILEGES = frozenset({"USAGE", "CREATE"})


# Places are made by the ten thousand; this is what Span() does, without the detour.
_new = tuple.__new__

#: The roles that come with every server (PostgreSQL 18, chapter 22.5, Predefined Roles).
PREDEFINED_ROLES = frozenset(
    """
    pg_checkpoint pg_create_subscription pg_database_owner pg_execute_server_program pg_maintain pg_monitor
    pg_read_all_data pg_read_all_settings pg_read_all_stats pg_read_server_files pg_signal_autovacuum_worker
    pg_signal_backend pg_stat_scan_tables pg_use_reserved_connections pg_write_all_data pg_write_server_files
    """.split()
)


class Savepoint(NamedTuple):
    """A place to go back to. The first one, without a name, is the start of the transaction."""

    name: str
    place: int
    role: str
    path: tuple[str, ...]


class Session:
    """State and place of a replay. ``span`` is the statement at hand."""

    def __init__(self, role: str, path: tuple[str, ...]) -> None:
        self.state = State()
        self.uses = Uses()
        self.role = self.login_role = role
        self.path = self._default_path = path
        self._local: tuple[str, tuple[str, ...]] | None = None
        self._savepoints: list[Savepoint] = []
        self._rolls_back = False
        self.file = ""
        self.span = Span("", 0, 0)
        self._alone = (self.span,)
        """The statement at hand as the only one of what it makes, kept once for all of it."""
        self.fixed: Span | None = None
        """The place of everything that is made, where the text that makes it stands in no file."""
        self.strict = False
        self.known_words: frozenset[str] = frozenset()
        """Words of expressions that were seen to name something, or to be no names."""
        self.checks_bodies = True
        """Whether something missing refuses a statement that is kept, with a gap, elsewhere."""
        self.anchors: dict[Ref, Span] = {}
        self.statements: dict[Ref, tuple[Span, ...]] = {}
        self.bodies: dict[Ref, BodyOrigin] = {}
        self.definitions: dict[Ref, Span] = {}
        self.gaps: list[Gap] = []
        self.temporary: set[str] = set()
        self.fresh: set[QName | tuple[QName, str]] = set()
        """The tables and columns that this file has made."""
        self.transactions = 0
        """How many transactions have begun."""
        self.limited = False
        """Whether a lock_timeout is in force."""
        self.making: Ref | None = None
        """The table or column that the statement at hand makes, while it does."""
        self._kept: set[Ref] = set()
        self.assumed: set[str] = set()
        self._types: dict[tuple[TypeWritten, tuple[str, ...]], str] = {}
        self._default_grants: dict[tuple[str, str, str], tuple[Grant, ...]] = {}
        self.database_owner = role
        self.extension_schemas: dict[str, str | None] = {"plpgsql": "pg_catalog"}
        """The extensions that the host is known to have, with the schema that each insists on."""
        self.owned_by_host: frozenset[QName] = frozenset()
        self.memberships: dict[tuple[str, str], bool] = {}
        self.inherited_roles: dict[str, frozenset[str]] = {}
        self.creating: dict[tuple[str, str], bool] = {}

    # Files and transactions

    def begin_file(self, path: str, may_roll_back: bool = False) -> None:
        """Every file starts with the settings of a new session, as the Supabase CLI's RESET ALL sees to."""
        self.file = path
        self.role = self.login_role
        self.path = self._default_path
        self.checks_bodies = True
        self.known_words = frozenset()
        self.temporary = set()
        self.fresh = set()
        self.transactions += 1
        self.limited = False
        self._local = None
        self._savepoints = []
        self._rolls_back = may_roll_back
        if may_roll_back:
            self._savepoints.append(self._savepoint(""))

    def end_file(self) -> None:
        """A file is a transaction of its own, or ends the one that it began."""
        self.transaction("commit", "")
        if self._rolls_back:
            self.state.journal.end()

    def transaction(self, kind: str, name: str) -> None:
        """BEGIN, COMMIT, ROLLBACK and savepoints. Where nothing rolls back, only settings matter."""
        if kind in ("commit", "rollback", "begin"):
            self._end_transaction(kind)
        elif kind == "savepoint":
            self._savepoints.append(self._savepoint(name))
        elif kind == "rollback to":
            self._roll_back_to(name)

    def _savepoint(self, name: str) -> Savepoint:
        place = self.state.journal.begin() if not name else len(self.state.journal.entries)
        return Savepoint(name, place, self.role, self.path)

    def _end_transaction(self, kind: str) -> None:
        if kind == "begin":
            return  # every file runs in a transaction anyway
        self.transactions += 1
        if kind == "rollback" and self._savepoints:
            start = self._savepoints[0]
            self.undo(start.place)
            self.role, self.path = start.role, start.path
        elif self._local is not None:
            self.role, self.path = self._local
        self._local = None
        if self._rolls_back:
            self.state.journal.end()
            self._savepoints = [self._savepoint("")]

    def _roll_back_to(self, name: str) -> None:
        for position in range(len(self._savepoints) - 1, 0, -1):
            savepoint = self._savepoints[position]
            if savepoint.name == name:
                self.undo(savepoint.place)
                self.role, self.path = savepoint.role, savepoint.path
                del self._savepoints[position + 1 :]
                return
        raise Refused("3B001", f'savepoint "{name}" does not exist')

    def undo(self, place: int) -> None:
        """Takes back everything since a place in the journal."""
        if len(self.state.journal.entries) > place:
            self.state.journal.undo(place)
            self.forget_types()
            self.forget_rights()

    # Settings

    def login(self, role: str, path: tuple[str, ...]) -> None:
        """From the next file on, statements run as this role."""
        self.login_role, self._default_path = role, path

    def set_variable(self, name: str, value: str | None, local: bool = False) -> None:
        """SET and RESET. What is set locally lasts until the transaction ends."""
        if name in ("check_function_bodies", "all"):
            self.checks_bodies = value is None or value.lower() not in ("off", "false", "0", "no")
        if name in ("lock_timeout", "all"):
            self.limited = value is not None and value.strip("0 ms'") != ""
        if name not in ("search_path", "role", "session_authorization", "all"):
            return
        self.known_words = frozenset()
        if local and self._local is None:
            self._local = (self.role, self.path)
        if name in ("search_path", "all"):
            self.path = self._default_path if value is None else split_path(value)
        if name in ("role", "session_authorization", "all"):
            self.role = self._role(value)

    def _role(self, name: str | None) -> str:
        if name is None or name == "none":
            return self.login_role
        if not self.knows_role(name):
            raise Refused("22023", f'role "{name}" does not exist')
        return name

    @property
    def path_text(self) -> str:
        """The search_path as SHOW prints it."""
        return ", ".join(quote(schema) for schema in self.path) or '""'

    # Places

    def at(self, start: int, end: int) -> Span:
        return self.fixed or _new(Span, (self.file, start, end))

    def gap(self, kind: GapKind, message: str, object: Ref | None = None, span: Span | None = None) -> None:
        self.gaps.append(Gap(kind, message, span or self.span, object))

    def lack(self, sqlstate: str, message: str, object: Ref, span: Span | None = None) -> None:
        """Something that a statement needs is made by no file. The statement is kept, as its intent is plain."""
        if self.strict:
            raise Refused(sqlstate, message, object)
        self.gap("missing-object", message, object, span)
        self._kept.add(object)
        if self.making is not None:
            self._kept.add(self.making)

    def gives_way(self, object: Ref) -> bool:
        """Whether an object was kept although it lacked something: made again, it takes the place of the first."""
        if object in self._kept:
            self._kept.discard(object)
            return True
        return False

    def assume(self, key: str, message: str, object: Ref | None = None) -> None:
        """Notes, once, that something which no file creates is taken to exist."""
        if self.strict:
            raise Refused("42704", message, object)
        if key not in self.assumed:
            self.assumed.add(key)
            self.gap("missing-object", message, object)

    def made(self, ref: Ref, anchor: Span | None = None) -> None:
        """Notes that the statement at hand made an object; ``anchor`` is what findings about it point at."""
        self.anchors[ref] = anchor or self.span
        if self._alone[0] is not self.span:
            self._alone = (self.span,)
        self.statements[ref] = self._alone

    def altered(self, ref: Ref) -> None:
        self.statements[ref] = (*self.statements.get(ref, ()), self.span)

    def note(self, kind: str, owner: QName, part: object = "") -> None:
        """Notes that a thing was made or changed which may depend on others."""
        self.uses.note(kind, owner, part, self.path)

    # Names

    def creation_schema(self) -> str:
        for schema in self.path:
            name = self.role if schema == "$user" else schema
            if name in self.state.namespaces:
                return name
        raise Refused("3F000", "no schema has been selected to create in")

    def new_name(self, written: Written) -> QName:
        """Where an object with this name would be created."""
        if written.schema is None:
            return _new(QName, (self.creation_schema(), written.name))
        if written.schema not in self.state.namespaces:
            raise missing_schema(written.schema)
        return _new(QName, (written.schema, written.name))

    def candidates(self, written: Written) -> Iterable[QName]:
        """The qualified names that a name may mean, in the order in which Postgres looks."""
        if written.schema is not None:
            return (_new(QName, (written.schema, written.name)),)
        return [_new(QName, (self.role if schema == "$user" else schema, written.name)) for schema in self.path]

    def find_table(self, written: Written) -> TableState | None:
        tables = self.state.tables
        if written.schema is not None:
            return tables.get(_new(QName, (written.schema, written.name)))
        for name in self.candidates(written):
            table = tables.get(name)
            if table is not None:
                return table
            if name in self.state.views:
                return None
        return None

    def find_relation(self, written: Written) -> QName | None:
        """The relation of any kind that a name means."""
        for name in self.candidates(written):
            if self.state.has_relation(name):
                return name
        return None

    def table(self, written: Written) -> TableState:
        """The table that a name means. Raises Refused where there is none."""
        table = self.find_table(written)
        if table is None:
            if self.find_relation(written) is not None:
                raise Refused("42809", f'"{written.name}" is not a table')
            raise self.missing_relation(written)
        return table

    def missing_relation(self, written: Written) -> Refused:
        if written.schema is not None and written.schema not in self.state.namespaces:
            return missing_schema(written.schema)
        return Refused("42P01", f'relation "{dotted(written)}" does not exist', Ref("table", *self.guess(written)))

    def guess(self, written: Written) -> QName:
        """The qualified name that an unknown name most likely means: the place where it would be created."""
        if written.schema is not None:
            return QName(written.schema, written.name)
        try:
            return QName(self.creation_schema(), written.name)
        except Refused:
            return QName("public", written.name)

    def is_temporary(self, written: Written) -> bool:
        return written.name in self.temporary and written.schema in (None, "pg_temp")

    @property
    def schemas(self) -> tuple[str, ...]:
        """The search_path with the role in place of "$user"."""
        return tuple([self.role if schema == "$user" else schema for schema in self.path])

    # Types

    def knows_type(self, written: TypeWritten) -> bool:
        """Whether a type of that name exists."""
        return not self._type(written).startswith("?")

    def type(self, written: TypeWritten, for_what: Ref | None = None) -> str:
        """The canonical name of a type.

        One that nobody made is taken as written, in the schema it would most likely have; ``for_what`` gets a gap then.
        """
        key = (written, self.path)
        known = self._types.get(key)
        if known is None:
            known = self._type(written)
            if not known.startswith("?"):
                self._types[key] = known
        if known.startswith("?"):
            known = known[1:]
            if for_what is not None:
                self.lack("42704", f"type {known} of {for_what} is created by no file before this", for_what)
        return known

    def argument_type(self, written: TypeWritten, for_what: Ref | None = None) -> str:
        """The canonical name of an argument's type, which has no modifiers."""
        if written.modifiers:
            written = TypeWritten(written.schema, written.name, (), written.array)
        return argument_type(self.type(written, for_what))

    def _type(self, written: TypeWritten) -> str:
        if written.schema in (None, "pg_catalog"):
            builtin = builtin_type(written)
            if builtin is not None:
                return builtin
            if written.name in SERIALS:
                return SERIALS[written.name]
        suffix = f"({','.join(written.modifiers)})" if written.modifiers else ""
        suffix += "[]" if written.array else ""
        name = Written(written.schema, written.name)
        for candidate in self.candidates(name):
            if self.state.has_type(candidate):
                return f"{candidate}{suffix}"
        brought = self.extension_with(name)
        if brought is not None:
            return f"{brought}{suffix}"
        return f"?{self.guess(name)}{suffix}"

    def forget_types(self) -> None:
        """After a type moved, went or got another name."""
        self._types.clear()
        self.known_words = frozenset()

    # Functions

    def find_function(
        self, written: Written, arguments: tuple[TypeWritten, ...] | None, kind: str = "routine"
    ) -> FunctionName | None:
        """The function that a name and its argument types mean; without types, the only one of that name.

        Raises Refused where several have that name, or it is of another kind than was said.
        """
        wanted = None if arguments is None else tuple([self.argument_type(argument) for argument in arguments])
        for name in self.candidates(written):
            overloads = self.state.overloads.get(name)
            if not overloads:
                continue
            if wanted is not None:
                exact = FunctionName(name.schema, name.name, wanted)
                if exact not in self.state.functions:
                    continue
                found = exact
            else:
                fitting = [one for one in overloads if kind in ("routine", self.state.functions[one].kind)]
                if len(fitting or overloads) > 1:
                    raise Refused("42725", f'{kind} name "{written.name}" is not unique')
                found = (fitting or overloads)[0]
            if kind not in ("routine", self.state.functions[found].kind):
                article = "an" if kind == "aggregate" else "a"
                raise Refused("42809", f"{found.name}({', '.join(found.arguments)}) is not {article} {kind}")
            return found
        return None

    def is_brought(self, written: Written) -> bool:
        """Whether Postgres or an installed extension has a function of that name where the name is looked for."""
        if written.schema in (None, "pg_catalog") and written.name in server_names().functions:
            return True
        return self.extension_with(written) is not None

    def extension_with(self, written: Written) -> QName | None:
        """The function or type of an installed extension that a name means."""
        for extension in suppliers(written.name):
            installed = self.state.extensions.get(extension)
            if installed is None:
                continue
            names = extension_names(extension)
            schema = names.schema if names is not None and names.schema else installed
            if schema == written.schema or (written.schema is None and schema in self.path):
                return QName(schema, written.name)
        return None

    def missing_function(self, written: Written, arguments: tuple[TypeWritten, ...] | None) -> Refused:
        name = self.guess(written)
        if arguments is None:
            return Refused("42883", f'could not find a function named "{dotted(written)}"')
        types = ", ".join(self.argument_type(argument) for argument in arguments)
        ref = Ref("function", name.schema, name.name, f"({types})")
        return Refused("42883", f"function {dotted(written)}({types}) does not exist", ref)

    # Rights

    def default_grants(self, kind: str, schema: str) -> tuple[Grant, ...]:
        """What ALTER DEFAULT PRIVILEGES gives to an object that the current role makes in a schema."""
        key = (self.role, schema, kind)
        known = self._default_grants.get(key)
        if known is None:
            known = self._default_grants[key] = self._collect_grants(kind, schema)
        return known

    def _collect_grants(self, kind: str, schema: str) -> tuple[Grant, ...]:
        rights: dict[str, frozenset[str]] = {"public": FUNCTION_PRIVILEGES} if kind == "function" else {}
        rights = dict(self.state.default_rights.get((self.role, "", kind), rights))
        for grantee, privileges in self.state.default_rights.get((self.role, schema, kind), {}).items():
            rights[grantee] = rights.get(grantee, frozenset()) | privileges
        rights.pop(self.role, None)
        return tuple([Grant(grantee, rights[grantee]) for grantee in sorted(rights) if rights[grantee]])

    def forget_rights(self) -> None:
        """After a change of roles, default privileges, or rights on a schema."""
        self._default_grants.clear()
        self.memberships.clear()
        self.inherited_roles.clear()
        self.creating.clear()

    def knows_role(self, name: str) -> bool:
        """Whether a role was made, is in use here, or comes with every server."""
        return name in self.state.roles or name in PREDEFINED_ROLES or name in (self.role, self.login_role)

    def resolve_role(self, name: str) -> str:
        """A role by its name or by CURRENT_USER and its kind. One that nobody made is taken to exist, with a gap."""
        if name in ("current_user", "session_user"):
            return self.role if name == "current_user" else self.login_role
        if name != "public" and not self.knows_role(name):
            self.assume(f"role {name}", f'role "{name}" is created by no file; it is taken to exist')
        return name
