"""PL/pgSQL bodies: tree-sitter says where the statements are, libpg_query what the SQL inside them means.

tree-sitter reads on behind anything that it does not understand. Its grammar is narrower than PL/pgSQL in a few
places (E'' strings and dollar quotes in RAISE, quoted type names, COLLATE): a body with errors is therefore read once
more with such things replaced by simpler ones of the same length, which moves no offset. What still is an error
becomes a gap.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any
from typing import Literal as OneOf

from msgspec.structs import replace
from tree_sitter import Language, Node, Parser

from referee.errors import RefereeError
from referee.sql import ranges
from referee.sql.expressions import read_values
from referee.sql.parse import SqlSyntaxError, char_offsets
from referee.sql.queries import read_statement
from referee.sql.tree import (
    Body,
    BodyGap,
    Column,
    Expr,
    Guard,
    Handler,
    Operator,
    Other,
    Query,
    Step,
    Variable,
)

# How control can leave a statement, as bits: on to the next one, by RETURN, by an error, by EXIT or CONTINUE.
_ON, _RETURN, _RAISE, _LEAVE = 1, 2, 4, 8

_Kind = OneOf["query", "assign", "return", "raise", "execute", "condition", "other"]

#: Behind this many conditions further ones are no longer noted: early returns by the thousand would make every later
#: step carry all of them.
MAX_GUARDS = 64
_MAX_DEPTH = 60
_MAX_LENGTH = 2_000_000


def _grammars() -> Any:
    """The compiled part of tree-sitter-postgres. The rest of the package loads what opens files that nobody needs here,
    which takes as long as reading fifty functions.
    """
    package = find_spec("tree_sitter_postgres")
    folders = (package.submodule_search_locations if package is not None else None) or []
    spec = PathFinder.find_spec("tree_sitter_postgres._binding", folders)
    if spec is None or spec.loader is None:
        raise RefereeError(
            "tree-sitter-postgres, which reads PL/pgSQL, is not installed: pip install tree-sitter-postgres"
        )
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_parser = Parser(Language(_grammars().language_plpgsql()))


def read_plpgsql(text: str) -> Body:
    """The body of a PL/pgSQL function. Nothing is raised: what cannot be read is among the gaps."""
    if len(text) > _MAX_LENGTH:
        gap = BodyGap(
            f"a body of {len(text):,} characters is longer than referee reads ({_MAX_LENGTH:,})", 0, len(text)
        )
        return Body("plpgsql", gaps=(gap,))
    return _Reader(text).read()


# Simpler text for the second attempt

_ESCAPED = r"(?:[^'\\]++|\\.|'')"
_PLAIN = r"(?:[^']++|'')"
_CONTINUED = r"(?:[^\S\n]*+\n\s*+'%s*+')*+"
_AWKWARD = re.compile(
    rf"(?P<escaped>(?<![\w$])[eE]'{_ESCAPED}*+'{_CONTINUED % _ESCAPED})"
    rf"|(?P<string>(?:(?<![\w$])[uU]&)?'{_PLAIN}*+'{_CONTINUED % _PLAIN})"
    rf"|(?P<dollar>(?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$)"
    rf"|(?P<name>\"(?:[^\"]++|\"\")*+\")"
    rf"|(?P<comment>--[^\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)"
    rf"|(?P<option>\b(?:errcode|message|detail|hint|column|constraint|datatype|table|schema)\s*+:=)"
    rf"|(?P<array>(?<=%type)\s*+\[\s*+\])",
    re.IGNORECASE | re.DOTALL,
)


def _simplified(text: str) -> str:
    """The text with strings, quoted names and comments replaced by plain ones, each as many bytes long as it was."""

    def simpler(thing: re.Match[str]) -> str:
        length = len(thing.group().encode("utf-8", errors="replace"))
        if thing.lastgroup == "name":
            return "q" * length
        if thing.lastgroup == "option":
            return thing.group().removesuffix(":=") + "= "
        if thing.lastgroup in ("escaped", "string", "dollar"):
            return "'" + "x" * (length - 2) + "'"
        return " " * length

    return _AWKWARD.sub(simpler, text)


class _Reader:
    """Reads one body. The attributes behind ``steps`` hold what is in force where reading stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.chars = None if text.isascii() else char_offsets(text)
        self.variables: list[Variable] = []
        self.handlers_found: list[Handler] = []
        self.gaps: list[BodyGap] = []
        self.steps: list[Step] = []
        self.guards: tuple[Guard, ...] = ()
        self.handlers: tuple[int, ...] = ()
        self.in_handler = -1
        self.loops: tuple[int, ...] = ()
        self.depth = 0
        self.entered: set[int] = set()

    def read(self) -> Body:
        root = _parser.parse(self.text.encode("utf-8", errors="replace")).root_node
        if root.has_error:
            root = _parser.parse(_simplified(self.text).encode("utf-8", errors="replace")).root_node
        self._sequence(root)
        if root.has_error:
            self.gaps.extend(self._damage(root))
        return Body(
            "plpgsql",
            tuple(self.variables),
            tuple(self.steps),
            tuple(self.handlers_found),
            tuple(sorted(self.gaps, key=lambda gap: (gap.start, gap.end))),
        )

    # Ranges

    def _range(self, node: Node) -> tuple[int, int]:
        """The character range of a node, without blanks and comments at its ends."""
        start, end = node.start_byte, node.end_byte
        if self.chars is not None:
            start, end = self.chars(start), self.chars(end)
        return ranges.trim(self.text, start, end)

    def _statement_range(self, node: Node) -> tuple[int, int]:
        """The range of a statement without its semicolon. A statement's node has no blanks at its ends."""
        start, end = node.start_byte, node.end_byte
        if self.chars is not None:
            start, end = self.chars(start), self.chars(end)
        if self.text[end - 1 : end] != ";":
            return ranges.trim(self.text, start, end)
        end -= 1
        last = self.text[end - 1 : end]
        return ranges.trim(self.text, start, end) if last.isspace() or last == "/" else (start, end)

    # What a statement says

    def _values(self, start: int, end: int) -> tuple[Expr, ...]:
        """The expressions of a range; a gap and nothing where they cannot be read."""
        try:
            return read_values(self.text[start:end], start)
        except SqlSyntaxError as error:
            self._gap(str(error), start, end)
            return ()

    def _value(self, node: Node) -> Expr | None:
        return self._value_in(*self._range(node))

    def _value_in(self, start: int, end: int) -> Expr | None:
        """The expression of a range; None where it is not exactly one that can be read."""
        values = self._values(start, end)
        if len(values) > 1:
            self._gap("several values where one was expected", start, end)
        return values[0] if len(values) == 1 else None

    def _query(self, text: str, start: int, into: tuple[str, ...] = ()) -> Query | None:
        """The query in a text that stands at ``start`` of the body; a gap and None where it cannot be read."""
        try:
            return read_statement(text, start, into)
        except SqlSyntaxError as error:
            self._gap(str(error), start, start + len(text))
            return None

    def _gap(self, message: str, start: int, end: int) -> None:
        self.gaps.append(BodyGap(message, start, end))

    def _step(
        self,
        kind: _Kind,
        place: tuple[int, int],
        text: str = "",
        *,
        query: Query | None = None,
        target: str = "",
        value: Expr | None = None,
        level: str = "",
    ) -> None:
        self.steps.append(
            Step(
                kind,
                place[0],
                place[1],
                text,
                query,
                target,
                value,
                level,
                self.guards,
                self.handlers,
                self.in_handler,
                bool(self.loops),
                self.loops,
            )
        )

    # Blocks and sequences

    def _sequence(self, node: Node) -> int:
        """Reads the statements of a section in turn; how control leaves it. What early exits leave to hold stays."""
        exits = _ON
        if node.type == "ERROR":
            self.entered.add(node.id)
        for child in node.children:
            kind = child.type
            if kind == "proc_stmt" and child.children:
                # It holds one statement, behind which a block has its semicolon.
                child = child.children[0]
                kind = child.type
            read = _STATEMENTS.get(kind)
            if read is not None:
                outcome = self._statement(read, child)
            elif kind in ("decl_sect", "decl_stmt", "decl_statement"):
                self._declarations(child)
                continue
            elif kind in _READ or kind in _PARTS:
                outcome = self._sequence(child)
            else:
                continue
            if exits & _ON:
                exits = (exits & ~_ON) | outcome
        return exits

    def _statement(self, read: Callable[[_Reader, Node], int], node: Node) -> int:
        if self.depth >= _MAX_DEPTH:
            self._gap(f"statements nested more than {_MAX_DEPTH} deep", *self._range(node))
            return _ON
        self.depth += 1
        exits = read(self, node)
        self.depth -= 1
        return exits

    def _within(
        self, node: Node | None, guards: Sequence[Guard] = (), loop: tuple[int, ...] = ()
    ) -> tuple[int, tuple[Guard, ...]]:
        """Reads a section under further conditions; how control leaves it, and the guards that hold at its end."""
        before = self.guards
        self.guards = _limited(before, guards)
        outer, self.loops = self.loops, (*self.loops, *loop)
        exits = self._sequence(node) if node is not None else _ON
        self.loops = outer
        at_end, self.guards = self.guards, before
        return exits, at_end

    def _block(self, node: Node) -> int:
        exceptions = _child(node, "exception_sect")
        if exceptions is None:
            # What an early RETURN in a plain block leaves to hold, holds behind the block too.
            exits = self._sequence(node)
        else:
            arms = [arm for arm in exceptions.children if arm.type == "proc_exception"]
            exits = self._guarded_block(node, arms)
        return exits | _ON if exits & _LEAVE and _child(node, "block_label") is not None else exits

    def _guarded_block(self, node: Node, arms: list[Node]) -> int:
        """A block with an EXCEPTION section."""
        declared = _child(node, "decl_sect")
        if declared is not None:
            # Its own handlers do not catch what the declarations raise.
            self._declarations(declared)
        first = len(self.handlers_found)
        self.handlers_found.extend([_PLACEHOLDER] * len(arms))
        outer = self.handlers
        self.handlers = (*range(first, first + len(arms)), *outer)
        exits, _ = self._within(_child(node, "proc_sect"))
        self.handlers = outer
        leaving = 0
        for index, arm in enumerate(arms, first):
            conditions, after_arm = self._handler(index, arm)
            leaving |= after_arm
            if "others" in conditions:
                exits &= ~_RAISE
        return exits | leaving

    def _handler(self, index: int, arm: Node) -> tuple[tuple[str, ...], int]:
        conditions: tuple[str, ...] = ()
        section = None
        for child in arm.children:
            if child.type == "proc_conditions":
                conditions = tuple(self._conditions(child))
            elif child.type == "proc_sect":
                section = child
        outer, self.in_handler = self.in_handler, index
        exits, _ = self._within(section)
        self.in_handler = outer
        self.handlers_found[index] = Handler(conditions, exits == _RAISE, *self._range(arm))
        return conditions, exits

    def _conditions(self, node: Node) -> Iterator[str]:
        for child in node.children:
            if child.type == "proc_condition":
                start, end = self._range(child)
                yield " ".join(self.text[start:end].lower().split())

    # Declarations

    def _declarations(self, node: Node) -> None:
        if node.type == "decl_statement":
            self._declaration(node)
            return
        for child in node.children:
            if child.type in ("decl_stmt", "decl_statement", "ERROR"):
                if child.type == "ERROR":
                    self.entered.add(child.id)
                self._declarations(child)

    def _declaration(self, node: Node) -> None:
        name, kind, start = "", "", -1
        default: Expr | None = None
        is_alias = False
        for child in node.children:
            match child.type:
                case "decl_varname":
                    start, end = self._range(child)
                    name = ranges.folded(self.text[start:end])
                case "decl_datatype":
                    first, last = self._range(child)
                    kind = self.text[first:last]
                case "decl_defval":
                    value = next((part for part in child.children if part.type == "sql_expression"), None)
                    default = self._value(value) if value is not None else None
                case "kw_alias":
                    is_alias = True
                case "param" | "any_identifier" if is_alias:
                    first, last = self._range(child)
                    default = Column(ranges.name_parts(self.text[first:last]), first)
                case "kw_cursor":
                    kind = "cursor"
                case "decl_cursor_args":
                    self._cursor_arguments(child)
                case "sql_expression":
                    self._cursor_query(child)
        if name:
            self.variables.append(Variable(name, kind, default, start))

    def _cursor_arguments(self, node: Node) -> None:
        for child in node.children:
            if child.type == "decl_cursor_arg":
                self._declaration(child)

    def _cursor_query(self, node: Node) -> None:
        start, end = self._range(node)
        text = self.text[start:end]
        self._step("query", (start, end), text, query=self._query(text, start))

    # Branches

    def _test(self, node: Node) -> Guard:
        """The condition of an IF, WHILE or EXIT, which is a step of its own."""
        start, end = self._range(node)
        condition = self._value_in(start, end)
        text = self.text[start:end]
        self._step("condition", (start, end), text, value=condition)
        return Guard(text, condition)

    def _if(self, node: Node) -> int:
        failed: list[Guard] = []
        outcomes: list[_Outcome] = []
        otherwise: Node | None = None
        clauses = [node]
        for child in node.children:
            if child.type == "elsif_clause":
                clauses.append(child)
            elif child.type == "else_clause":
                otherwise = _child(child, "proc_sect")
        before = self.guards
        for clause in clauses:
            test = section = None
            for child in clause.children:
                if child.type == "sql_expression":
                    test = child
                elif child.type == "proc_sect":
                    section = child
            if test is not None:
                self.guards = _limited(before, failed)
                guard = self._test(test)
                self.guards = before
                outcomes.append(self._within(section, (*failed, guard)))
                failed.append(_negated(guard))
        outcomes.append(self._within(otherwise, failed))
        return self._join(outcomes, failed)

    def _case(self, node: Node) -> int:
        subject = self._test(first) if (first := _child(node, "sql_expression")) is not None else None
        failed: list[Guard] = []
        outcomes: list[_Outcome] = []
        otherwise: _Outcome | None = None
        has_else = False
        for child in node.children:
            if child.type == "case_when" and (test := _child(child, "sql_expression")) is not None:
                guard = self._case_guard(subject, test)
                outcomes.append(self._within(_child(child, "proc_sect"), (*failed, guard)))
                failed.append(_negated(guard))
            elif child.type == "kw_else":
                has_else = True
            elif child.type == "proc_sect" and has_else:
                otherwise = self._within(child, failed)
        if otherwise is None:
            # Without ELSE, a value that no WHEN takes raises case_not_found.
            otherwise = (_ON if has_else else _RAISE, self.guards)
        return self._join([*outcomes, otherwise], failed)

    def _case_guard(self, subject: Guard | None, node: Node) -> Guard:
        if subject is None:
            return self._test(node)
        start, end = self._range(node)
        values = self._values(start, end)
        text = self.text[start:end]
        self._step("condition", (start, end), text, value=values[0] if len(values) == 1 else Other(values))
        tested = subject.condition
        if len(values) == 1:
            condition = Operator("=", (tested, values[0])) if tested is not None else None
            return Guard(f"{subject.text} = {text}", condition)
        return Guard(f"{subject.text} in ({text})", Operator("in", (tested, *values)) if tested is not None else None)

    def _join(self, outcomes: list[_Outcome], failed: list[Guard]) -> int:
        """How control leaves a statement with these branches. What must hold for it to go on holds from here on."""
        exits = 0
        for leaving, _ in outcomes:
            exits |= leaving
        going_on = [at_end for leaving, at_end in outcomes if leaving & _ON]
        if len(going_on) == 1:
            self.guards = going_on[0]
        elif going_on:
            ended = next(index for index, (leaving, _) in enumerate(outcomes) if leaving & _ON)
            self.guards = _limited(self.guards, failed[:ended])
        return exits

    # Loops

    def _loop(self, node: Node) -> int:
        exits = self._loop_body(node)
        return (exits & (_RETURN | _RAISE)) | (_ON if exits & _LEAVE else 0)

    def _while(self, node: Node) -> int:
        test = _child(node, "sql_expression")
        guards = (self._test(test),) if test is not None else ()
        return _ON | (self._loop_body(node, guards) & (_RETURN | _RAISE))

    def _loop_body(self, node: Node, guards: Sequence[Guard] = (), head: int = -1) -> int:
        """Reads what a loop repeats. ``head`` is the step that tells what it runs over, if there is one."""
        body = _child(node, "loop_body")
        section = _child(body, "proc_sect") if body is not None else None
        exits, _ = self._within(section, guards, loop=(head if head >= 0 else -1 - len(self.steps),))
        return exits

    def _for(self, node: Node) -> int:
        before = len(self.steps)
        names: tuple[str, ...] = ()
        declared = -1
        for child in node.children:
            match child.type:
                case "for_variable":
                    names, declared = self._names(child), self._range(child)[0]
                case "for_query" | "for_cursor":
                    self._for_query(child, names)
                case "for_dynamic":
                    self._dynamic(child, self._head(child), names)
                case "for_integer_range":
                    self._for_range(child, names, declared)
        return _ON | (self._loop_body(node, head=self._last_step(before)) & (_RETURN | _RAISE))

    def _last_step(self, before: int) -> int:
        """The last step, if there are more than there were."""
        return len(self.steps) - 1 if len(self.steps) > before else -1

    def _head(self, node: Node) -> tuple[int, int]:
        """The range of a loop's source, without LOOP."""
        expressions = [child for child in node.children if child.type == "sql_expression"]
        return self._range(node)[0], self._range(expressions[-1] if expressions else node)[1]

    def _for_query(self, node: Node, names: tuple[str, ...]) -> None:
        place = start, end = self._head(node)
        text = self.text[start:end]
        if _CURSOR.fullmatch(text) and text.split()[0].lower() not in ("table", "values"):
            self._step("other", place, text, query=Query("other", into=names))
        else:
            self._step("query", place, text, query=self._query(text, start, names))

    def _for_range(self, node: Node, names: tuple[str, ...], start: int) -> None:
        bounds = [value for child in node.children if child.type == "sql_expression" and (value := self._value(child))]
        place = self._head(node)
        # The loop's variable is declared by the loop.
        self.variables.extend(Variable(name, "integer", None, start) for name in names)
        self._step(
            "other", place, self.text[place[0] : place[1]], query=Query("other", into=names), value=Other(tuple(bounds))
        )

    def _foreach(self, node: Node) -> int:
        before = len(self.steps)
        variable, array = _child(node, "for_variable"), _child(node, "sql_expression")
        names = self._names(variable) if variable is not None else ()
        if array is not None:
            start, end = self._range(array)
            self._step(
                "other", (start, end), self.text[start:end], query=Query("other", into=names), value=self._value(array)
            )
        return _ON | (self._loop_body(node, head=self._last_step(before)) & (_RETURN | _RAISE))

    def _exit(self, node: Node) -> int:
        test = _child(node, "sql_expression")
        if test is None:
            self._plain(node)
            return _LEAVE
        guard = self._test(test)
        self.guards = _limited(self.guards, (_negated(guard),))
        return _ON | _LEAVE

    # Statements

    def _assign(self, node: Node) -> int:
        sides = [child for child in node.children if child.type == "sql_expression"]
        place = self._statement_range(node)
        if len(sides) != 2:
            self._gap("an assignment that could not be read", *place)
            return _ON
        first, last = self._range(sides[0])
        start, end = self._range(sides[1])
        target = ranges.folded(self.text[first:last])
        self._step("assign", place, self.text[start:end], target=target, value=self._value_in(start, end))
        return _ON

    def _return(self, node: Node) -> int:
        words = [child.type for child in node.children]
        place = self._statement_range(node)
        expression = _child(node, "sql_expression")
        if "kw_execute" in words:
            self._dynamic(node, place)
            return _ON
        if expression is None:
            self._step("other" if "kw_next" in words else "return", place)
            return _ON if "kw_next" in words else _RETURN
        start, end = self._range(expression)
        text = self.text[start:end]
        if "kw_query" in words:
            self._step("query", place, text, query=self._query(text, start))
            return _ON
        if "kw_next" in words:
            self._step("other", place, text, value=self._value_in(start, end))
            return _ON
        self._step("return", place, text, value=self._value_in(start, end))
        return _RETURN

    def _raise(self, node: Node) -> int:
        place = start, end = self._statement_range(node)
        level = "reraise" if len(node.children) <= 2 else "exception"
        values: list[Expr] = []
        for child in node.children:
            if child.type == "raise_level":
                first, last = self._range(child)
                level = self.text[first:last].lower()
            elif child.type == "sql_expression":
                values.extend(self._values(*self._range(child)))
            elif child.type == "raise_option" and (option := _child(child, "sql_expression")) is not None:
                values.extend(self._values(*self._range(option)))
        self._step("raise", place, self.text[start:end], value=Other(tuple(values)) if values else None, level=level)
        return _RAISE if level in ("exception", "reraise") else _ON

    def _sql(self, node: Node) -> int:
        place = start, end = self._statement_range(node)
        text = written = self.text[start:end]
        into: tuple[str, ...] = ()
        if found := ranges.into_clause(text):
            (first, last), into = found
            # Blanks of the same length, as PL/pgSQL itself does it.
            text = text[:first] + " " * (last - first) + text[last:]
        self._step("query", place, written, query=self._query(text, start, into))
        return _ON

    def _perform(self, node: Node) -> int:
        place = self._statement_range(node)
        expression = _child(node, "sql_expression")
        if expression is None:
            self._gap("PERFORM without an expression", *place)
            return _ON
        start, end = self._range(expression)
        text = _SELECT + self.text[start:end]
        query = self._query(text, start - len(_SELECT))
        if query is not None:
            query = replace(query, start=place[0], end=place[1])
        self._step("query", place, self.text[place[0] : place[1]], query=query)
        return _ON

    def _call(self, node: Node) -> int:
        place = start, end = self._statement_range(node)
        text = self.text[start:end]
        if _child(node, "kw_do") is not None:
            self._gap("a DO block inside a body is not read", start, end)
            self._step("other", place, text)
        else:
            self._step("query", place, text, query=self._query(text, start))
        return _ON

    def _execute(self, node: Node) -> int:
        self._dynamic(node, self._statement_range(node))
        return _ON

    def _dynamic(self, node: Node, place: tuple[int, int], into: tuple[str, ...] = ()) -> None:
        """EXECUTE, alone or in a loop, RETURN QUERY or OPEN. What it is given USING is in the values of the query."""
        expressions: list[Node] = []
        for child in node.children:
            if child.type == "kw_execute":
                # What stands before belongs to a cursor.
                expressions = []
            elif child.type == "into_target":
                into = self._names(child)
            elif child.type == "sql_expression":
                expressions.append(child)
        if not expressions:
            self._gap("EXECUTE without an expression", *place)
            return
        start, end = self._range(expressions[0])
        using, into = self._using(expressions[1:], into)
        query = Query("other", into=into, values=using) if into or using else None
        self._step("execute", place, self.text[start:end], query=query, value=self._value(expressions[0]))

    def _using(self, nodes: list[Node], into: tuple[str, ...]) -> tuple[tuple[Expr, ...], tuple[str, ...]]:
        """The arguments behind USING. tree-sitter does not see an INTO behind them: it stands in the last argument, and
        further targets look like further arguments.
        """
        values: list[Expr] = []
        behind_into = False
        for node in nodes:
            start, end = self._range(node)
            text = self.text[start:end]
            if behind_into:
                into = (*into, ranges.folded(text))
                continue
            if found := ranges.into_clause(text):
                (first, _), into = found
                behind_into = True
                start, end = ranges.trim(self.text, start, start + first)
            values.extend(self._values(start, end))
        return tuple(values), into

    def _diagnostics(self, node: Node) -> int:
        items = [child for child in node.children if child.type == "getdiag_list_item"]
        names = tuple([self._name(item.children[0]) for item in items if item.children])
        self._plain(node, Query("other", into=names))
        return _ON

    def _fetch(self, node: Node) -> int:
        target = _child(node, "into_target")
        self._plain(node, Query("other", into=self._names(target)) if target is not None else None)
        return _ON

    def _open(self, node: Node) -> int:
        words = [child.type for child in node.children]
        expression = _child(node, "sql_expression")
        if "kw_execute" in words:
            self._dynamic(node, self._statement_range(node))
        elif "kw_for" in words and expression is not None:
            start, end = self._range(expression)
            text = self.text[start:end]
            self._step("query", self._statement_range(node), text, query=self._query(text, start))
        else:
            self._plain(node)
        return _ON

    def _assert(self, node: Node) -> int:
        test = _child(node, "sql_expression")
        if test is not None:
            self._test(test)
        return _ON

    def _other(self, node: Node) -> int:
        self._plain(node)
        return _ON

    def _plain(self, node: Node, query: Query | None = None) -> None:
        place = start, end = self._statement_range(node)
        self._step("other", place, self.text[start:end], query=query)

    def _name(self, node: Node) -> str:
        start, end = self._range(node)
        return ranges.folded(self.text[start:end])

    def _names(self, node: Node) -> tuple[str, ...]:
        """The variables that a list names."""
        start, end = self._range(node)
        return tuple([ranges.folded(name) for name in self.text[start:end].split(",")])

    # Damage

    def _damage(self, root: Node) -> Iterator[BodyGap]:
        """The parts that tree-sitter could not read."""
        stack = [root]
        while stack:
            node = stack.pop()
            if node.is_missing:
                start, end = self._range(node)
                yield BodyGap(f"{_missing_word(node.type)} is missing", start, end)
            elif node.type != "ERROR":
                stack.extend(child for child in reversed(node.children) if child.has_error or child.is_missing)
            elif node.id in self.entered:
                yield from self._wreck(node)
                stack.extend(child for child in reversed(node.children) if child.type in _READ and child.has_error)
            else:
                yield BodyGap(_UNREADABLE, *self._range(node))

    def _wreck(self, node: Node) -> Iterator[BodyGap]:
        """The runs of an error's children that are no whole statements."""
        run: list[Node] = []
        for child in (*node.children, None):
            if child is not None and child.type not in _READ:
                if child.type != "comment":
                    run.append(child)
                continue
            if run:
                yield BodyGap(_UNREADABLE, self._range(run[0])[0], self._range(run[-1])[1])
                run = []
        if not node.children:
            yield BodyGap(_UNREADABLE, *self._range(node))


_Outcome = tuple[int, tuple[Guard, ...]]
_SELECT = "SELECT "
_UNREADABLE = "this is not PL/pgSQL that referee can read"
_PLACEHOLDER = Handler((), False, -1, -1)
_CURSOR = re.compile(r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)\s*(?:\(.*\))?', re.DOTALL)
_STATEMENTS: dict[str, Callable[[_Reader, Node], int]] = {
    "pl_block": _Reader._block,
    "stmt_assign": _Reader._assign,
    "stmt_if": _Reader._if,
    "stmt_case": _Reader._case,
    "stmt_loop": _Reader._loop,
    "stmt_while": _Reader._while,
    "stmt_for": _Reader._for,
    "stmt_foreach_a": _Reader._foreach,
    "stmt_exit": _Reader._exit,
    "stmt_return": _Reader._return,
    "stmt_raise": _Reader._raise,
    "stmt_assert": _Reader._assert,
    "stmt_execsql": _Reader._sql,
    "stmt_perform": _Reader._perform,
    "stmt_call": _Reader._call,
    "stmt_dynexecute": _Reader._execute,
    "stmt_getdiag": _Reader._diagnostics,
    "stmt_open": _Reader._open,
    "stmt_fetch": _Reader._fetch,
    "stmt_move": _Reader._other,
    "stmt_close": _Reader._other,
    "stmt_null": _Reader._other,
    "stmt_commit": _Reader._other,
    "stmt_rollback": _Reader._other,
}
# What an error may hold whole, and is then read.
_READ = frozenset(("proc_sect", "proc_stmt", "decl_sect", "decl_stmt", "decl_statement", "ERROR", *_STATEMENTS))
# Parts of statements; inside an error they may stand alone, with whole statements in them.
_PARTS = frozenset(("elsif_clause", "else_clause", "case_when", "loop_body", "exception_sect", "proc_exception"))


def _child(node: Node, kind: str) -> Node | None:
    for child in node.children:
        if child.type == kind:
            return child
    return None


def _limited(before: tuple[Guard, ...], more: Sequence[Guard]) -> tuple[Guard, ...]:
    return (*before, *more)[:MAX_GUARDS] if more else before


def _negated(guard: Guard) -> Guard:
    return Guard(guard.text, guard.condition, not guard.negated)


def _missing_word(kind: str) -> str:
    return kind.removeprefix("kw_").upper() if kind.startswith("kw_") else f"{kind!r}"
