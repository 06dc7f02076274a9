"""The session in which statements are replayed: who runs them, with which search_path, from which file."""

from __future__ import annotations

from collections.abc import Iterable

from referee.model.names import FunctionName, QName, Ref
from referee.model.origins import BodyOrigin, Gap, GapKind
from referee.model.schema import Grant, split_path
from referee.model.source import Span
from referee.read.replay.state import State, TableState
from referee.read.replay.types import SERIALS, builtin_type
from referee.sql.builtins import suppliers
from referee.sql.statements import TypeWritten, Written

TABLE_PRIVILEGES = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"})
FUNCTION_PRIVILEGES = frozenset({"EXECUTE"})
SCHEMA_PRIVILEGES = frozenset({"USAGE", "CREATE"})


class Refused(Exception):
    """Postgres would refuse the statement here. ``kind`` says whether because of something missing."""

    def __init__(self, message: str, kind: GapKind = "would-fail", object: Ref | None = None) -> None:
        super().__init__(message)
        self.kind: GapKind = kind
        self.object = object


class Session:
    """State and place of a replay. ``span`` is the statement at hand."""

    def __init__(self, role: str, path: tuple[str, ...]) -> None:
        self.state = State()
        self.role = self._login_role = role
        self._default_path = path
        self.path = path
        self.file = ""
        self.span = Span("", 0, 0)
        self.anchors: dict[Ref, Span] = {}
        self.statements: dict[Ref, list[Span]] = {}
        self.bodies: dict[Ref, BodyOrigin] = {}
        self.definitions: dict[Ref, Span] = {}
        self.gaps: list[Gap] = []
        self.temporary: set[str] = set()
        self._types: dict[tuple[TypeWritten, tuple[str, ...]], str] = {}
        self._default_grants: dict[tuple[str, str, str], tuple[Grant, ...]] = {}

    # Files and settings

    def begin_file(self, path: str) -> None:
        """Every file starts with the settings of a new session, as the Supabase CLI's RESET ALL sees to."""
        self.file = path
        self.role = self._login_role
        self.path = self._default_path
        self.temporary = set()

    def login(self, role: str, path: tuple[str, ...]) -> None:
        """From the next file on, statements run as this role."""
        self._login_role, self._default_path = role, path

    def set_variable(self, name: str, value: str | None) -> None:
        if name == "search_path" or name == "all":
            self.path = self._default_path if value is None else split_path(value)
        if name in ("role", "session_authorization", "all"):
            self.role = self._login_role if value is None or value == "none" else value

    # Places

    def at(self, start: int, end: int) -> Span:
        return Span(self.file, start, end)

    def gap(self, kind: GapKind, message: str, object: Ref | None = None, span: Span | None = None) -> None:
        self.gaps.append(Gap(kind, message, span or self.span, object))

    def made(self, ref: Ref, anchor: Span | None = None) -> None:
        """Notes that the statement at hand made an object; ``anchor`` is what findings about it point at."""
        self.anchors[ref] = anchor or self.span
        self.statements[ref] = [self.span]

    def altered(self, ref: Ref) -> None:
        self.statements.setdefault(ref, []).append(self.span)

    # Names

    def creation_schema(self) -> str:
        for schema in self.path:
            name = self.role if schema == "$user" else schema
            if name in self.state.namespaces:
                return name
        raise Refused("no schema has been selected to create in")

    def new_name(self, written: Written) -> QName:
        """Where an object with this name would be created."""
        if written.schema is None:
            return QName(self.creation_schema(), written.name)
        if written.schema not in self.state.namespaces:
            raise Refused(f'schema "{written.schema}" does not exist', "missing-object", Ref("schema", "", written.schema))
        return QName(written.schema, written.name)

    def candidates(self, written: Written) -> Iterable[QName]:
        """The qualified names that a name may mean, in the order in which Postgres looks."""
        if written.schema is not None:
            return (QName(written.schema, written.name),)
        return [QName(self.role if schema == "$user" else schema, written.name) for schema in self.path]

    def find_table(self, written: Written) -> TableState | None:
        tables = self.state.tables
        if written.schema is not None:
            return tables.get(QName(written.schema, written.name))
        for name in self.candidates(written):
            table = tables.get(name)
            if table is not None:
                return table
        return None

    def table(self, written: Written) -> TableState:
        """The table that a name means. Raises Refused where there is none."""
        table = self.find_table(written)
        if table is None:
            raise Refused(
                f'relation "{_dotted(written)}" does not exist', "missing-object", Ref("table", *self.guess(written))
            )
        return table

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

    # Types

    def type(self, written: TypeWritten) -> str:
        """The canonical name of a type. One that nobody made is taken as written, in the schema it would most likely have."""
        key = (written, self.path)
        known = self._types.get(key)
        if known is None:
            known = self._type(written)
            if not known.startswith("?"):
                self._types[key] = known
        return known.removeprefix("?")

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
        for extension in suppliers(written.name):
            schema = self.state.extensions.get(extension)
            if schema is not None and written.schema in (None, schema):
                return f"{QName(schema, written.name)}{suffix}"
        return f"?{self.guess(name)}{suffix}"

    def forget_types(self) -> None:
        """After a type moved or got another name."""
        self._types.clear()

    # Functions

    def find_function(self, written: Written, arguments: tuple[TypeWritten, ...] | None) -> FunctionName | None:
        """The function that a name and its argument types mean; without types, the only one of that name."""
        wanted = None if arguments is None else tuple([self.type(argument) for argument in arguments])
        for name in self.candidates(written):
            overloads = self.state.overloads.get(name)
            if not overloads:
                continue
            if wanted is None:
                return overloads[0]
            exact = FunctionName(name.schema, name.name, wanted)
            if exact in self.state.functions:
                return exact
        return None

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

    def forget_default_grants(self) -> None:
        """After a change of the default privileges."""
        self._default_grants.clear()


def _dotted(written: Written) -> str:
    return f"{written.schema}.{written.name}" if written.schema else written.name
