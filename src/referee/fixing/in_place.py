"""Changes as edits of the files that made what they change."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from referee.errors import RefereeError
from referee.fixing import clause, function, style, sync, trigger
from referee.fixing.edit import Edit
from referee.model import change as changes
from referee.model.change import Change
from referee.model.names import QName, Ref, Target, clip, quote
from referee.model.origins import Origins
from referee.model.plan import Question
from referee.model.schema import ForeignKey, Schema
from referee.model.source import Span
from referee.sql import clauses
from referee.sql.tokens import default_end, tokens

_NEW = "-- Added by referee: {}\n"
_REST_OF_LINE = re.compile(r"[ \t]*;?[ \t]*(?:--[^\r\n]*)?(?:\r?\n|\Z)")
_SEMICOLON = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*;", re.DOTALL)


class NotInPlaceError(RefereeError):
    """A change that no edit of the files can bring about. The message says why."""


@dataclass
class Editor:
    """Edits the files of one project. ``schema`` and ``origins`` are what they build now.

    ``frozen`` are the paths of files that a database has run. ``questions`` collects what was asked.
    """

    schema: Schema
    origins: Origins
    answers: Mapping[str, str]
    frozen: frozenset[str] = frozenset()
    questions: list[Question] = field(default_factory=list)

    def edits(self, change: Change) -> tuple[Edit, ...]:
        """The edits of one change. Raises NotInPlaceError and UndecidedError."""
        write = _EDITORS.get(type(change))
        if write is None:
            raise NotInPlaceError("the text cannot be edited for it; a migration can do it")
        found = tuple(write(self, change))
        closed = next((edit.path for edit in found if edit.path in self.frozen), None)
        if closed is not None:
            raise NotInPlaceError(f"{closed} has already run, and editing it would change nothing")
        return found

    def text(self, path: str) -> str:
        return self.origins.sources[path].text

    def anchor(self, ref: Ref) -> Span:
        """The text of an object. Raises NotInPlaceError for what no file says."""
        found = self.origins.anchors.get(ref)
        if found is None:
            raise NotInPlaceError(f"{ref} is written in no file")
        return found

    def behind(self, span: Span) -> int:
        """Where a statement may follow another: behind its semicolon and what else stands on that line."""
        text = self.text(span.path)
        semicolon = _SEMICOLON.match(text, span.end)
        at = span.end if semicolon is None else semicolon.end()
        rest = _REST_OF_LINE.match(text, at)
        return at if rest is None else rest.end()

    def insert(self, span: Span, about: str, *statements: str) -> Edit:
        """New statements behind another."""
        text, at = self.text(span.path), self.behind(span)
        lead = "\n" if at and text[at - 1 : at] == "\n" else "\n\n" if _SEMICOLON.match(text, span.end) else ";\n\n"
        body = "".join([f"{statement};\n\n" for statement in statements]).rstrip("\n")
        tail = "\n" if text[at : at + 1] in ("\n", "\r", "") else "\n\n"
        return Edit(span.path, at, at, lead + _NEW.format(about) + body + tail)

    def upper(self, path: str) -> bool:
        return style.shouts(self.text(path))

    def later(self, *spans: Span | None) -> Span:
        """The statement that runs last."""
        order = {path: number for number, path in enumerate(self.origins.sources)}
        known = [span for span in spans if span is not None]
        if not known:
            raise NotInPlaceError("what it is about is written in no file")
        return max(known, key=lambda span: (order[span.path], span.start))

    def made(self, table: QName) -> Span | None:
        """The statement that created a table; None where no file does, as for the host's own."""
        return self._first(Ref("table", *table))

    def ready(self, target: Target) -> Span | None:
        """The statement from which on a key may reference these columns: with their table, or what makes them unique.

        None where no file makes them.
        """
        table, made = self.schema.table(target.table), self.made(target.table)
        if table is None or made is None:
            return made
        keys = [key.ref for key in table.keys if set(key.columns) == set(target.columns)]
        keys += [index.ref for index in table.indexes if index.unique and set(index.columns) == set(target.columns)]
        spans = [span for span in map(self._first, keys) if span is not None]
        return self.later(made, self.earliest(*spans)) if spans else made

    def _first(self, ref: Ref) -> Span | None:
        spans = self.origins.statements.get(ref)
        return spans[0] if spans else None

    def earliest(self, *spans: Span) -> Span:
        """The statement that runs first."""
        order = {path: number for number, path in enumerate(self.origins.sources)}
        return min(spans, key=lambda span: (order[span.path], span.start))


# Foreign keys


def _retarget(editor: Editor, change: changes.RetargetForeignKey) -> Iterator[Edit]:
    span = editor.anchor(change.key.ref)
    text = editor.text(span.path)
    _must_come_before(editor, change.to, span)
    found = clause.references_text(text, span.start, span.end)
    if found is None:
        raise NotInPlaceError(f"{change.key.ref} is not written as a REFERENCES clause")
    start, end = found.table
    yield Edit(span.path, start, end, style.relation(change.to.table, text[start:end]))
    if found.columns is not None:
        first, last = found.columns
        wanted = style.columns(change.to.columns, text[first:last])
        if wanted != text[first:last] and change.to.columns != change.key.target.columns:
            yield Edit(span.path, first, last, wanted)
    elif not _is_primary(editor.schema, change.to):
        yield Edit(span.path, end, end, f" ({style.columns(change.to.columns, text[start:end])})")


def _is_primary(schema: Schema, target: Target) -> bool:
    table = schema.table(target.table)
    return table is not None and table.primary_key is not None and table.primary_key.columns == target.columns


def _must_come_before(editor: Editor, target: Target, span: Span) -> None:
    made = editor.ready(target)
    if made is not None and editor.later(made, span) == made and made != span:
        what = "is created" if made == editor.made(target.table) else "gets the key that is to be referenced"
        raise NotInPlaceError(f"{target.table} {what} behind the statement that would reference it")


def _set_on_delete(editor: Editor, change: changes.SetOnDelete) -> Iterator[Edit]:
    span = editor.anchor(change.key.ref)
    text = editor.text(span.path)
    found = clause.tail(text, span.end)
    words = style.cased(f"on delete {change.action.lower()}", editor.upper(span.path))
    if found.on_delete is not None:
        yield Edit(span.path, *found.on_delete, words)
    else:
        yield Edit(span.path, found.actions, found.actions, f" {words}")


def _validate(editor: Editor, change: changes.ValidateForeignKey) -> Iterator[Edit]:
    span = editor.anchor(change.key)
    text = editor.text(span.path)
    found = clause.tail(text, span.end).not_valid
    if found is None:
        raise NotInPlaceError(f"NOT VALID is not written with {change.key}")
    start, end = found
    while start and text[start - 1] in " \t":
        start -= 1
    yield Edit(span.path, start, end, "")


def _add_key(editor: Editor, change: changes.AddForeignKey) -> Iterator[Edit]:
    yield from _add_reference(editor, Target(change.table, change.columns), change.to, change.on_delete)


def _add_identity_key(editor: Editor, change: changes.AddIdentityKey) -> Iterator[Edit]:
    yield from _add_reference(editor, change.mirror, change.source, change.on_delete)


def _add_reference(editor: Editor, of: Target, to: Target, on_delete: str) -> Iterator[Edit]:
    """Inside the column's definition where the referenced table exists by then, else by a statement of its own."""
    words = f"references {to.table} ({clauses.names(to.columns)})"
    words += f" on delete {on_delete.lower()}" if on_delete != "NO ACTION" else ""
    if len(of.columns) == 1:
        span = editor.origins.anchors.get(Ref("column", *of.table, of.columns[0]))
        made = editor.ready(to)
        if span is not None and (made is None or editor.later(made, span) == span):
            end = _definition_end(editor, span)
            yield Edit(span.path, end, end, style.cased(f" {words}", editor.upper(span.path)))
            return
    after = editor.later(editor.made(of.table), editor.ready(to))
    sql = f"alter table {of.table} add foreign key ({clauses.names(of.columns)}) {words}"
    yield editor.insert(after, f"what {of} holds", style.cased(sql, editor.upper(after.path)))


def _definition_end(editor: Editor, span: Span) -> int:
    found = clause.element(editor.text(span.path), span.start)
    return max(span.end, found[-1][2]) if found else span.end


def _drop_constraint(editor: Editor, change: changes.DropConstraint) -> Iterator[Edit]:
    """The key's own text: in a column's definition, as an element of CREATE TABLE, or by an ALTER TABLE of its own."""
    ref = change.constraint
    key = _foreign_key(editor.schema, ref)
    span, whole = editor.anchor(ref), editor.origins.definitions.get(ref)
    if key is None or whole is None:
        raise NotInPlaceError(f"{ref} is not written as a foreign key")
    text = editor.text(span.path)
    start, end = whole.start, clause.tail(text, span.end).end
    while start and text[start - 1].isspace():
        start -= 1
    if "foreign" not in text[whole.start : span.start].lower():
        yield Edit(span.path, start, end, "")
    elif text[start - 1 : start] == ",":
        yield Edit(span.path, start - 1, end, "")
    else:
        yield _drop_statement(editor, ref, whole, end)


def _drop_statement(editor: Editor, ref: Ref, whole: Span, end: int) -> Edit:
    """The whole ALTER TABLE ... ADD of a key."""
    text = editor.text(whole.path)
    statements = editor.origins.statements.get(ref, ())
    statement = next((one for one in statements if one.path == whole.path and one.start < whole.start < one.end), None)
    lead = text[statement.start : whole.start].lower() if statement is not None else ""
    is_alone = lead.split()[:2] == ["alter", "table"] and lead.split()[-1] == "add" and "," not in lead
    if statement is None or not is_alone or text[end : statement.end].strip():
        raise NotInPlaceError(f"{ref} is not written alone")
    return Edit(whole.path, statement.start, editor.behind(statement), "")


def _foreign_key(schema: Schema, ref: Ref) -> ForeignKey | None:
    table = schema.table(ref.owner)
    return next((key for key in table.foreign_keys if key.ref == ref), None) if table is not None else None


# Columns


def _set_not_null(editor: Editor, change: changes.SetNotNull) -> Iterator[Edit]:
    span = editor.anchor(change.column)
    text = editor.text(span.path)
    found = clause.element(text, span.end)
    written = next(clause.find_words(text, found, "not", "null"), None)
    if change.not_null or written is None:
        raise NotInPlaceError(f"NOT NULL is not written with {change.column}")
    start, end = written
    while start and text[start - 1] in " \t":
        start -= 1
    yield Edit(span.path, start, end, "")


def _drop_default(editor: Editor, change: changes.DropDefault) -> Iterator[Edit]:
    span = editor.anchor(change.column)
    text = editor.text(span.path)
    written = next(clause.find_words(text, clause.element(text, span.end), "default"), None)
    if written is None:
        raise NotInPlaceError(f"the default is not written with {change.column}")
    start, behind = written
    while start and text[start - 1] in " \t":
        start -= 1
    yield Edit(span.path, start, default_end(text, behind), "")


# New statements


def _create_sync_trigger(editor: Editor, change: changes.CreateSyncTrigger) -> Iterator[Edit]:
    after = editor.later(editor.made(change.mirror.table), editor.made(change.source.table))
    found = sync.compose(editor.schema, change, editor.answers, editor.upper(after.path))
    editor.questions += found.questions
    about = f"each row of {change.source.table} has its row in {change.mirror.table} from the moment it exists."
    yield editor.insert(after, about, *found.statements)


def _create_policy(editor: Editor, change: changes.CreatePolicy) -> Iterator[Edit]:
    table = editor.schema.table(change.table)
    policies = table.policies if table is not None else ()
    spans = [*editor.origins.statements.get(Ref("table", *change.table), ())]
    spans += [span for policy in policies for span in editor.origins.statements.get(policy.ref, ())]
    after = editor.later(*spans)
    taken = {policy.name for policy in policies}
    sql = own_row_policy(change, taken)
    about = f"whoever signed in may {change.command} the own row."
    yield editor.insert(after, about, style.cased(sql, editor.upper(after.path)))


def own_row_policy(change: changes.CreatePolicy, taken: set[str]) -> str:
    """CREATE POLICY for the owner of a row, under a name that is free."""
    base, number = f"Users {change.command.lower()} their own row", 1
    name = base
    while name in taken:
        number += 1
        name = f"{base} {number}"
    test = f"({quote(change.column)} = (select auth.uid()))"
    command = change.command.lower()
    using = "" if command == "insert" else f" using {test}"
    check = f" with check {test}" if command in ("insert", "update", "all") else ""
    return clauses.statement(
        f"create policy {quote(clip(name))} on {change.table}\n  for {command} to {quote(change.role)}{using}{check}"
    )


def _create_index(editor: Editor, change: changes.CreateIndex) -> Iterator[Edit]:
    after = editor.later(*(editor.origins.anchors.get(Ref("column", *change.table, name)) for name in change.columns))
    made = _statement_of(editor, change.table, after)
    sql = f"create index on {change.table} ({clauses.names(change.columns)})"
    about = "without it, deleting what is referenced reads the whole table."
    yield editor.insert(made, about, style.cased(sql, editor.upper(made.path)))


def _statement_of(editor: Editor, table: QName, span: Span) -> Span:
    for statement in editor.origins.statements.get(Ref("table", *table), ()):
        if statement.path == span.path and statement.start <= span.start < statement.end:
            return statement
    raise NotInPlaceError(f"{table} is written in no statement of its own")


def _enable_trigger(editor: Editor, change: changes.EnableTrigger) -> Iterator[Edit]:
    after = editor.later(*editor.origins.statements.get(change.trigger, ()))
    sql = trigger.enabling(editor.schema, change.trigger)
    yield editor.insert(after, "it was disabled.", style.cased(sql, editor.upper(after.path)))


def _repair_sync_function(editor: Editor, change: changes.RepairSyncFunction) -> Iterator[Edit]:
    """The body where it stands, and what the function's head lacks."""
    found = function.rewrite(editor.schema, change, editor.answers)
    body = editor.origins.bodies.get(change.function)
    if body is None or body.offsets is not None:
        raise NotInPlaceError(f"the body of {change.function} does not stand in dollar quotes in a file")
    upper = editor.upper(body.span.path)
    editor.questions += found.questions
    for edit in found.edits:
        at = body.locate(edit.start, edit.end)
        start = body.span.start + edit.start
        yield Edit(at.path, start, start + edit.end - edit.start, style.cased(edit.text, upper))
    attributes = ["security definer"] * found.definer
    if found.path is not None:
        attributes.append(f"set search_path = {found.path or repr('')}")
    if attributes:
        yield from _attributes(editor, change.function, body.span, attributes)


def _attributes(editor: Editor, ref: Ref, body: Span, attributes: Sequence[str]) -> Iterator[Edit]:
    """In the place of SECURITY INVOKER, or behind LANGUAGE, where any attribute of a function may stand."""
    statements = [span for span in editor.origins.statements.get(ref, ()) if span.path == body.path]
    statement = next((span for span in statements if span.start <= body.start < span.end), None)
    if statement is None:
        raise NotInPlaceError(f"{ref} is written in no statement of its own")
    text, upper = editor.text(body.path), editor.upper(body.path)
    found = list(tokens(text, statement.start, statement.end))
    invoker = next(clause.find_words(text, found, "security", "invoker"), None)
    if invoker is not None and "security definer" in attributes:
        yield Edit(body.path, *invoker, style.cased("security definer", upper))
        attributes = [one for one in attributes if one != "security definer"]
    language = next(clause.find_words(text, found, "language"), None)
    behind = next((end for _, start, end in found if language is not None and start >= language[1]), None)
    if language is None or behind is None:
        raise NotInPlaceError(f"LANGUAGE is not written with {ref}")
    line = text[text.rfind("\n", 0, language[0]) + 1 : language[0]]
    lead = f"\n{line}" if not line.strip() else " "
    if attributes:
        yield Edit(body.path, behind, behind, "".join([lead + style.cased(one, upper) for one in attributes]))


def _alter_column_type(editor: Editor, change: changes.AlterColumnType) -> Iterator[Edit]:
    """The type in the column's definition; what was written for the old one has to fit the new one too."""
    span = editor.anchor(change.column)
    text = editor.text(span.path)
    found = clause.element(text, span.start)
    table = editor.schema.table(change.column.owner)
    column = table.column(change.column.part) if table is not None else None
    if column is None or column.default is not None or column.generated is not None or column.identity:
        raise NotInPlaceError(f"{change.column} makes values of its own, which belong to its type")
    if len(found) < 2:
        raise NotInPlaceError(f"the type is not written with {change.column}")
    start, end = found[1][1], _type_end(text, found)
    yield Edit(span.path, start, end, change.type)


# What may follow the type in a column's definition (PostgreSQL 18, CREATE TABLE).
_BEHIND_TYPE = frozenset(
    {"storage", "compression", "collate", "constraint", "not", "null", "check", "default", "generated", "unique",
     "primary", "references", "deferrable", "initially", "options"}
)  # fmt: skip


def _type_end(text: str, found: Sequence[clause.Token]) -> int:
    end = found[1][2]
    for _, first, last in found[1:]:
        if text[first:last].lower() in _BEHIND_TYPE:
            break
        end = last
    return end


_EDITORS: dict[type, Callable[[Editor, Any], Iterator[Edit]]] = {
    changes.RetargetForeignKey: _retarget,
    changes.SetOnDelete: _set_on_delete,
    changes.ValidateForeignKey: _validate,
    changes.AddForeignKey: _add_key,
    changes.AddIdentityKey: _add_identity_key,
    changes.DropConstraint: _drop_constraint,
    changes.SetNotNull: _set_not_null,
    changes.DropDefault: _drop_default,
    changes.CreateSyncTrigger: _create_sync_trigger,
    changes.CreatePolicy: _create_policy,
    changes.CreateIndex: _create_index,
    changes.EnableTrigger: _enable_trigger,
    changes.RepairSyncFunction: _repair_sync_function,
    changes.AlterColumnType: _alter_column_type,
}


def by_file(edits: Sequence[Edit]) -> Mapping[str, list[Edit]]:
    """Edits by the file that they are in."""
    found: dict[str, list[Edit]] = {}
    for edit in edits:
        found.setdefault(edit.path, []).append(edit)
    return found
