"""The function of a sync trigger, rewritten so that no sign-up fails in it; whatever else it does stays as it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from referee.fixing import sync
from referee.fixing.clause import element
from referee.model.names import QName, Target, quote
from referee.model.plan import Question
from referee.model.remedy import VALUE_MENDS, CreateSyncTrigger, Mend, RepairSyncFunction
from referee.model.schema import Function, Schema, Table
from referee.sql.bodies import read_body
from referee.sql.clauses import UnwritableError
from referee.sql.expressions import walk, walk_query
from referee.sql.queries import queries_in
from referee.sql.resolve import CATALOG, Found, find_table, resolve_function, resolve_type
from referee.sql.tree import Assignment, Body, Call, Cast, Column, Expr, Query, Step, TableUse

_EXCEPTION = re.compile(r"\bexception\s*\Z", re.IGNORECASE)
_SETS_PATH = re.compile(r"\bset(?:_config\s*\(\s*'|\s+(?:local\s+|session\s+)?)search_path\b", re.IGNORECASE)
_DECLARED = re.compile(r"(?P<name>[a-z_][\w$]*)(?P<of>%rowtype|\.[a-z_][\w$]*%type)?\Z", re.IGNORECASE | re.ASCII)

_NAMES = frozenset({"unresolved-name", "wrong-table"})
_RIGHTS = frozenset({"missing-privilege", "row-security"})
_PATH = _NAMES | _RIGHTS | {"no-search-path"}


_Meant = Callable[[Found], QName | None]


@dataclass(frozen=True, slots=True)
class BodyEdit:
    """A replacement in the body: characters ``start`` to ``end`` become ``text``."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A function as it is to be, and the edits of its body that lead there. ``definer`` and ``path`` are attributes
    that it has to be given: the latter is what ``search_path`` is set to."""

    function: Function
    edits: tuple[BodyEdit, ...]
    definer: bool
    path: str | None
    questions: tuple[Question, ...]


def rewrite(schema: Schema, change: RepairSyncFunction, answers: Mapping[str, str]) -> Rewritten:
    """Mends what the change lists. Raises UnwritableError for what a person has to decide, and UndecidedError."""
    function = next((one for one in schema.functions.values() if one.ref == change.function), None)
    if function is None:
        raise UnwritableError(f"There is no function {change.function}.")
    body = read_body(function.language, function.body)
    if body.gaps:
        raise UnwritableError(f"The body of {change.function} cannot be read as a whole: {body.gaps[0].message}.")
    if not change.mends:
        raise UnwritableError(f"The body of {change.function} has to be edited by hand: {'; '.join(change.faults)}.")
    return _Rewriter(schema, function, body, change, answers).run()


@dataclass
class _Rewriter:
    schema: Schema
    function: Function
    body: Body
    change: RepairSyncFunction
    answers: Mapping[str, str]
    edits: dict[tuple[int, int], str] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset([mend.kind for mend in self.change.mends])

    def run(self) -> Rewritten:
        definer = bool(self.kinds & _RIGHTS) and not self.function.security_definer
        path = self._path()
        if path == "":
            self._qualify(self._place_meant)
        elif self.kinds & _NAMES:
            self._qualify(self._place_missed)
        self._mend_rows()
        if "swallowed-errors" in self.kinds:
            self._stop_swallowing()
        edits = self._ordered()
        settings = dict(self.function.settings)
        if path is not None:
            settings["search_path"] = path or '""'
        function = replace(
            self.function,
            body=applied(self.function.body, edits),
            security_definer=definer or self.function.security_definer,
            settings=tuple(sorted(settings.items())),
        )
        return Rewritten(function, edits, definer, path, tuple(self.questions))

    def _ordered(self) -> tuple[BodyEdit, ...]:
        """Outer replacements hold what was to happen inside them already."""
        found: list[BodyEdit] = []
        for (start, end), text in sorted(self.edits.items(), key=lambda entry: (entry[0][0], -entry[0][1])):
            if found and start < found[-1].end:
                continue
            found.append(BodyEdit(start, end, text))
        return tuple(found)

    # The search_path

    def _path(self) -> str | None:
        """What search_path is to be set to; None where it stays. Empty where every name can be written in full."""
        if self.function.search_path is not None:
            return None
        if not self.kinds & _PATH:
            return None
        dynamic = any(step.kind == "execute" or _SETS_PATH.search(step.text) for step in self.body.steps)
        return ", ".join(quote(schema) for schema in self.names) if dynamic or self._needs_operators() else ""

    @property
    def names(self) -> tuple[str, ...]:
        """Where the project's migrations look names up, which is where its authors meant them."""
        own = self.function.search_path
        if own is not None:
            return tuple([name for name in own if name != "$user"])
        first = self.function.name.schema
        rest = [name for name in ("public", "extensions") if name in self.schema.namespaces and name != first]
        return (first, *rest)

    def _needs_operators(self) -> bool:
        """Whether a table that the body uses has types of extensions: their operators have no schema in the text."""
        tables = [self._table(use) for use, _ in self._uses()]
        own = {str(name) for kind in (self.schema.enums, self.schema.domains, self.schema.composites) for name in kind}
        return any("." in column.type and column.type.removesuffix("[]") not in own
                   for table in tables if table is not None and not self.schema.is_managed(table.name.schema)
                   for column in table.columns)  # fmt: skip

    # Names

    def _uses(self) -> Iterator[tuple[TableUse, Step]]:
        made = {step.query.target.name for step in self.body.steps
                if step.query is not None and step.query.action == "ddl" and step.query.target is not None}  # fmt: skip
        for step in self.body.steps:
            for query in _queries(step):
                for use in (*([query.target] if query.target is not None else []), *query.sources):
                    if use.schema is None and use.name not in made and use.start >= 0:
                        yield use, step

    def _table(self, use: TableUse) -> Table | None:
        name = find_table(self.schema, self.names, use.schema, use.name)
        return self.schema.table(name.name) if name.name is not None else None

    def _qualify(self, place: _Meant) -> None:
        for use, _ in self._uses():
            self._prefix(use.start, place(find_table(self.schema, self.names, None, use.name)))
        for step in self.body.steps:
            for expr in _expressions(step):
                if isinstance(expr, Call) and expr.schema is None and expr.start >= 0:
                    self._prefix(expr.start, place(resolve_function(self.schema, self.names, expr)))
                elif isinstance(expr, Cast) and expr.type_schema is None and expr.start >= 0:
                    self._prefix(expr.start, place(resolve_type(self.schema, self.names, None, expr.type)))
        for variable in self.body.variables:
            self._qualify_variable(variable.start + len(quote(variable.name)), variable.type.strip(), place)

    def _qualify_variable(self, behind: int, kind: str, place: _Meant) -> None:
        declared = _DECLARED.match(kind)
        at = self.function.body.find(kind, behind)
        if declared is None or at < 0:
            return
        name = declared["name"].lower()
        found = (
            find_table(self.schema, self.names, None, name)
            if declared["of"]
            else resolve_type(self.schema, self.names, None, name)
        )
        self._prefix(at, place(found))

    def _place_meant(self, found: Found) -> QName | None:
        """Where a name leads once the path is empty: it has to be said."""
        return found.name if found.exists else self._place_missed(found)

    def _place_missed(self, found: Found) -> QName | None:
        own = [name for name in found.elsewhere if not self.schema.is_managed(name.schema)]
        return own[0] if found.kind == "missing" and own else None

    def _prefix(self, at: int, name: QName | None) -> None:
        if name is not None and name.schema != CATALOG:
            self.edits[at, at] = f"{quote(name.schema)}."

    # Rows

    def _mend_rows(self) -> None:
        open_ = {mend for mend in self.change.mends if mend.kind in VALUE_MENDS}
        for step in self.body.steps:
            query = step.query
            table = self._table(query.target) if query is not None and query.target is not None else None
            key = self._mirror_key(query) if query is not None and query.action == "insert" else None
            if query is not None and table is not None and key is not None:
                open_ -= set(_Insert(self, query, table, *key).mended())
        if open_:
            kinds = ", ".join(sorted({mend.kind for mend in open_}))
            raise UnwritableError(f"What {self.change.function} writes has to be mended by hand ({kinds}).")

    def _mirror_key(self, query: Query) -> tuple[str, str] | None:
        """The source's key and the column that gets it, where an INSERT fills a mirror."""
        source = self.schema.table(self.change.trigger.owner)
        primary = source.primary_key if source is not None else None
        if primary is None or len(primary.columns) != 1:
            return None
        [key] = primary.columns
        for assignment in query.assignments:
            if isinstance(assignment.value, Column) and assignment.value.parts == ("new", key):
                return key, assignment.column
        return None

    def text(self, start: int, end: int) -> str:
        """A part of the body with the edits inside it."""
        inside = [
            BodyEdit(first - start, last - start, text)
            for (first, last), text in self.edits.items()
            if start <= first and last <= end
        ]
        return applied(self.function.body[start:end], tuple(sorted(inside, key=lambda edit: edit.start)))

    # Errors

    def _stop_swallowing(self) -> None:
        """Takes the EXCEPTION sections away that let every error pass; the word itself where nothing else is left."""
        text = self.function.body
        for handler in self.body.handlers:
            if "others" not in handler.conditions or handler.reraises:
                continue
            word = _EXCEPTION.search(text, 0, handler.start)
            behind = text[handler.end :].lstrip()
            if word is None or behind[:4].lower() == "when":
                self.edits[handler.start, handler.end] = ""
                continue
            start = word.start()
            while start and text[start - 1] in " \t":
                start -= 1
            end = handler.end
            while end < len(text) and text[end] in " \t\r\n":
                end += 1
            self.edits[start, end] = ""


def _queries(step: Step) -> Iterator[Query]:
    if step.query is not None:
        yield from queries_in(step.query)


def _expressions(step: Step) -> Iterator[Expr]:
    if step.query is not None:
        yield from walk_query(step.query)
    if step.value is not None:
        yield from walk(step.value)


def _word(text: str, at: int) -> str:
    """The name that begins there, with its quotes."""
    found = element(text, at)
    return text[at : found[0][2]] if found else ""


@dataclass
class _Insert:
    """One INSERT into a mirror, whose ``mirror_key`` gets the source's ``key``."""

    of: _Rewriter
    query: Query
    table: Table
    key: str
    mirror_key: str

    def mended(self) -> Iterator[Mend]:
        """Writes what the mends about this INSERT ask for; those that it could do."""
        mends = [mend for mend in self.of.change.mends if mend.kind in VALUE_MENDS and self._is_here(mend)]
        given = {assignment.column: assignment for assignment in self.query.assignments}
        struck = {mend: one for mend in mends for one in self.query.assignments if _strikes(mend, one)}
        missing = self._missing(given) if any(mend.kind == "missing-value" for mend in mends) else []
        careful = {*struck.values(), *(self._unique_ones() if self._is_careful(mends) else ())}
        values = self._values([*missing, *(one.column for one in careful)])
        for assignment in sorted(careful, key=lambda one: one.start):
            self._write(assignment, values.get(assignment.column))
        if missing:
            self._add([values[name] for name in missing])
        self._arbitrate(mends)
        for mend in mends:
            if mend in struck or (mend.kind == "missing-value" and missing) or mend.kind in _CONFLICTS:
                yield mend

    def _is_here(self, mend: Mend) -> bool:
        return self.query.start <= mend.start < self.query.end

    def _is_careful(self, mends: Sequence[Mend]) -> bool:
        """Whether a value that somebody else has would now end a sign-up."""
        swallowed = "swallowed-errors" in self.of.kinds
        return swallowed or any(mend.kind == "skipped-on-conflict" for mend in mends)

    def _unique_ones(self) -> list[Assignment]:
        """What is written to unique columns and is no constant or key."""
        return [
            one
            for one in self.query.assignments
            if one.column != self.mirror_key
            and self.table.is_unique((one.column,))
            and one.value is not None
            and 0 <= one.start < one.end
            and not any(isinstance(part, Column) and part.parts == ("new", self.key) for part in walk(one.value))
        ]

    def _missing(self, given: Mapping[str, Assignment]) -> list[str]:
        return [
            column.name
            for column in self.table.columns
            if column.name not in given and sync.must_be_given(self.of.schema, column)
        ]

    def _values(self, columns: Sequence[str]) -> dict[str, sync.Value]:
        """What a sync trigger would write to these columns. Raises UndecidedError where nobody knows."""
        pair = CreateSyncTrigger(
            Target(self.of.change.trigger.owner, (self.key,)), Target(self.table.name, (self.mirror_key,))
        )
        values, questions = sync.sync_values(self.of.schema, pair, self.of.answers)
        wanted = {f"{word} {self.table.name}.{quote(name)}" for name in columns for word in ("value", "without")}
        asked = [question for question in questions if question.id in wanted]
        self.of.questions += asked
        open_ = tuple(question for question in asked if question.answer is None)
        if open_:
            raise sync.UndecidedError(" ".join([question.text for question in open_]), open_)
        return {value.column: value for value in values if value.column in columns}

    def _write(self, assignment: Assignment, value: sync.Value | None) -> None:
        place = (assignment.start, assignment.end)
        text, name = self.of.text(*place), assignment.column
        if value is not None and value.copies and _is_copy(assignment, value):
            self.of.edits[place] = value.of("new")
        elif self.table.is_unique((name,)):
            self.of.edits[place] = self._unless_taken(name, text)
        elif value is not None:
            otherwise = value.of("new")
            self.of.edits[place] = f"coalesce({text}, {otherwise.removeprefix('coalesce(').lstrip()}"
            self.of.edits[place] += "" if otherwise.startswith("coalesce(") else ")"
        else:
            raise UnwritableError(f"What {self.of.change.function} writes to {quote(name)} has to be mended by hand.")

    def _unless_taken(self, column: str, text: str) -> str:
        """What a sign-up brings, or its own id where it brings nothing or somebody else has that already."""
        key, own = quote(self.mirror_key), f"new.{quote(self.key)}"
        taken = f"other.{quote(column)} = {text} and other.{key} <> {own}"
        return (
            f"case when {text} is null or exists (select from {self.table.name} as other where {taken})\n"
            f"      then {own}::text else {text} end"
        )

    def _add(self, missing: Sequence[sync.Value]) -> None:
        """Columns and values behind the last ones of INSERT ... (columns) VALUES (values)."""
        query, edits = self.query, self.of.edits
        columns = max(query.assignments, key=lambda one: one.column_start)
        last = max(query.assignments, key=lambda one: one.end)
        if query.rows != "values" or not query.columns_given or columns.column_start < 0 or last.end < 0:
            raise UnwritableError(f"The INSERT in {self.of.change.function} has to be given columns by hand.")
        behind = columns.column_start + len(_word(self.of.function.body, columns.column_start))
        edits[behind, behind] = "".join([f", {quote(value.column)}" for value in missing])
        edits[last.end, last.end] = "".join([f",\n    {value.of('new')}" for value in missing])

    def _arbitrate(self, mends: Sequence[Mend]) -> None:
        """Lets ON CONFLICT pass over a row that is there already, and over nothing else."""
        conflict, key = self.query.on_conflict, quote(self.mirror_key)
        if conflict is None and (self._is_careful(mends) or any(mend.kind == "fires-again" for mend in mends)):
            self.of.edits[self.query.end, self.query.end] = f"\n  on conflict ({key}) do nothing"
        elif conflict is not None and not conflict.columns and conflict.constraint is None and conflict.start >= 0:
            at = conflict.start + len("on conflict")
            self.of.edits[at, at] = f" ({key})"


_CONFLICTS = frozenset({"skipped-on-conflict", "fires-again"})


def _strikes(mend: Mend, assignment: Assignment) -> bool:
    return mend.kind in ("nullable-value", "unique-collision") and assignment.start <= mend.start < assignment.end


def _is_copy(assignment: Assignment, value: sync.Value) -> bool:
    """Whether a column gets just what the sync trigger would copy as well."""
    return isinstance(assignment.value, Column) and assignment.value.parts in [("new", name) for name in value.copies]


def applied(text: str, edits: tuple[BodyEdit, ...]) -> str:
    """A text with its edits, which are in order and do not overlap."""
    for edit in reversed(edits):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text
